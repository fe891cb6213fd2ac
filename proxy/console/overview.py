"""Everything the page shows, as one JSON document gathered from the store by the parent.

Theory of operation. However many pages are open, they share one answer: it is gathered again when it is asked for and at
least `_FRESH_S` old, and never takes more than a twentieth of the time. Hours that are over are read once in
`_CLOSED_HOUR_S`, one by one, so that no question to Redis is a long one; of the newest rows at most `NEWEST` are read. When
Redis does not answer, the last data is shown with the time it is from.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from proxy.budgets.scopes import Book
from proxy.console import standing, tallies
from proxy.console.tallies import DECISIONS, NEWEST
from proxy.migration.comparison import columns
from proxy.migration.roads import state_for
from proxy.models.catalogue import Catalogue
from proxy.nouns import LedgerRow
from proxy.settings import Settings, models_named
from proxy.steering.judging import last_measured
from proxy.steering.judging import standing as judged
from proxy.store.client import Pipe, StoreAway
from proxy.store.migrations import read_states
from proxy.store.observations import seen, shares
from proxy.store.rollups import SpendLine, latest_rows, spend
from proxy.store.states import budget_states

HOURS: Final = 24
_FRESH_S: Final = 2.0
_SHARE: Final = 20
_DEADLINE_S: Final = 5.0
_CLOSED_HOUR_S: Final = 300.0
_STILL_OPEN: Final = 2
"""The present hour and the one before it: rows of requests that began in it still come."""


@dataclass(frozen=True, slots=True)
class View:
    """What is running at the moment. `pipe` is None where there is no store; `about` goes into the answer as it is."""

    pipe: Pipe | None
    book: Book
    settings: Settings
    catalogue: Catalogue
    about: Mapping[str, Any] = field(default_factory=dict)


class Overview:
    """One per parent. `body` is the JSON document."""

    def __init__(
        self, view: Callable[[], View], *, wall_clock: Callable[[], float], clock: Callable[[], float]
    ) -> None:
        self._view = view
        self._wall_clock = wall_clock
        self._clock = clock
        self._asking = asyncio.Lock()
        self._hours: dict[int, tuple[float, list[SpendLine]]] = {}
        self._data: dict[str, Any] = {}
        self._stale_at = float("-inf")
        self._answers = True

    async def body(self) -> bytes:
        """The document, at most a few seconds old. Never raises for a store that does not answer."""
        async with self._asking:
            view, began_s = self._view(), self._clock()
            if began_s >= self._stale_at:
                await self._refresh(view)
                spent_s = self._clock() - began_s
                self._stale_at = self._clock() + max(_FRESH_S, spent_s * _SHARE if self._answers else 0.0)
        about = {**view.about, "now": self._wall_clock(), "store": self._store(view)}
        return json.dumps({**about, **self._data}, ensure_ascii=False).encode()

    def _store(self, view: View) -> str:
        if view.pipe is None:
            return "none"
        return "up" if self._answers else "away"

    async def _refresh(self, view: View) -> None:
        try:
            async with asyncio.timeout(_DEADLINE_S):
                self._data = await self._gathered(view)
            self._answers = True
        except (StoreAway, TimeoutError):
            self._answers = False

    async def _gathered(self, view: View) -> dict[str, Any]:
        now = self._wall_clock()
        if view.pipe is None:
            return {"as_of": now, **_document(view, {}, [], now), "budgets": [], "migrations": []}
        hours = await self._read_hours(view.pipe, now)
        # They are entered when their bill is known, a little out of the order in which they came.
        entered = await latest_rows(view.pipe, NEWEST)
        rows = sorted([entry.row for entry in entered], key=lambda row: -row.at)
        states = await budget_states(view.pipe, view.book)
        return {
            "as_of": now,
            **_document(view, hours, rows, now),
            "budgets": standing.budgets(states),
            "migrations": await _migrations(view.pipe, view.settings, now),
        }

    async def _read_hours(self, pipe: Pipe, now: float) -> dict[int, list[SpendLine]]:
        present = int(now // 3600)
        wanted = range(present - HOURS + 1, present + 1)
        self._hours = {hour: kept for hour, kept in self._hours.items() if hour in wanted}
        for hour in wanted:
            read_s, _ = self._hours.get(hour, (float("-inf"), []))
            closed = hour <= present - _STILL_OPEN
            if not closed or self._clock() - read_s > _CLOSED_HOUR_S:
                lines = await spend(pipe, hour * 3600, hour * 3600 + 1, ("key", "team", "model", "task"))
                self._hours[hour] = (self._clock(), lines)
        return {hour: self._hours[hour][1] for hour in wanted}


async def _migrations(pipe: Pipe, settings: Settings, now: float) -> list[dict[str, Any]]:
    """Each with its sides and its guards, by the share that was measured last."""
    if not settings.migrations:
        return []
    states, shown = await read_states(pipe), []
    for each in settings.migrations:
        state, versions = state_for(each, states), await shares(pipe, each.name)
        last = last_measured(state, versions)
        sides = columns(await seen(pipe, each.name, [last.share_version]))
        shown.append(standing.migration(each, state, sides, await judged(pipe, each, last, now)))
    return shown


def _document(
    view: View, hours: dict[int, list[SpendLine]], rows: list[LedgerRow], now: float
) -> dict[str, Any]:
    catalogue, settings = view.catalogue, view.settings
    asked = [(row.name, each.key_name) for each in rows if (row := catalogue.resolve(each.asked)) is not None]
    return {
        "hours": [hour * 3600 for hour in hours],
        "by_model": tallies.by_name(hours, "model"),
        "by_task": tallies.by_name(hours, "task"),
        "totals": tallies.totals(hours),
        "latencies": tallies.latencies(rows),
        "models": standing.models(
            settings, catalogue, tallies.callers(hours, asked), set(models_named(settings)), now
        ),
        "decisions": tallies.decisions(rows[:DECISIONS]),
    }
