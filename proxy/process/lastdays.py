"""Models whose end is near, told once at 30, 14, 7 and 1 days before it: those somebody uses or the configuration names.

The dates are the yard's: the operator's own, what providers publish (workers read their lists and say so), the catalogue's.
Who uses what is read from the rollups. Of several replicas the leader tells; a new leader tells anew.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

from proxy.app.configuration import Configuration
from proxy.app.yard import build_yard
from proxy.metrics.log import Log
from proxy.models.lifecycle import DAY_S, Published, days_left, warning
from proxy.models.succession import successors_of
from proxy.settings import models_named
from proxy.store.client import Pipe, StoreAway
from proxy.store.rollups import spend

LOOK_EVERY_S: Final = 5.0
_USE_READ_EVERY_S: Final = 600.0
_IN_USE_S: Final = 7 * DAY_S


class LastDays:
    """One per parent. `take_up` and `heard` say what there is to watch, `look` tells what is due; `published` is what was
    heard last."""

    def __init__(self, configuration: Configuration, log: Log, wall_clock: Callable[[], float]) -> None:
        self._log = log
        self._wall_clock = wall_clock
        self.published: Published = {}
        self._told: dict[tuple[str, str, float], int] = {}
        self._used: frozenset[str] = frozenset()
        self._read_at = float("-inf")
        self.take_up(configuration)

    def take_up(self, configuration: Configuration) -> None:
        """Watch the models of this configuration from now on."""
        self._configuration = configuration
        self._yard = build_yard(configuration.settings, configuration.catalogue, self.published)
        rows = [configuration.catalogue.resolve(name) for name in models_named(configuration.settings)]
        self._configured = frozenset([row.name for row in rows if row is not None])

    def heard(self, dates: Iterable[tuple[str, str, float | None]]) -> None:
        """What a worker read in the lists of its providers: (provider, model, end)."""
        self.published = {(provider, model): ends for provider, model, ends in dates}
        self.take_up(self._configuration)

    def days_left(self) -> dict[tuple[str, str], float]:
        """Days until a model with a known end stops, by (provider, model); negative after it has."""
        now = self._wall_clock()
        return {(provider, model): (ends - now) / DAY_S for provider, model, ends in self._yard.shutdowns()}

    async def run(self, pipe: Pipe | None, is_leader: Callable[[], bool]) -> None:
        """Look until cancelled. `pipe` None: there is no store, so nobody knows who uses what, and all count as used."""
        while True:
            if pipe is None or is_leader():
                await self.look(pipe)
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self, pipe: Pipe | None) -> None:
        """Tell what is due and has not been told."""
        due = list(self._due())
        if not due:
            return
        try:
            used = await self._in_use(pipe) if pipe is not None else None
        except StoreAway:
            return
        for provider, model, ends, limit in due:
            if used is None or model in used or model in self._configured:
                self._told[provider, model, ends] = limit
                self._tell(provider, model, ends, limit, traffic=used is not None and model in used)

    def _due(self) -> Iterable[tuple[str, str, float, int]]:
        """(provider, model, end, the limit of days it has come under) of what has not been told so."""
        now = self._wall_clock()
        for provider, model, ends in self._yard.shutdowns():
            limit = warning(days_left(ends, now))
            if limit and self._told.get((provider, model, ends)) != limit:
                yield provider, model, ends, limit

    async def _in_use(self, pipe: Pipe) -> frozenset[str]:
        now = self._wall_clock()
        if now - self._read_at >= _USE_READ_EVERY_S:
            lines = await spend(pipe, now - _IN_USE_S, now, ("model",))
            self._used = frozenset([line.model for line in lines])
            self._read_at = now
        return self._used

    def _tell(self, provider: str, model: str, ends: float, limit: int, *, traffic: bool) -> None:
        self._log.event(
            "model_ending",
            "warning",
            provider=provider,
            model=model,
            shutdown=datetime.fromtimestamp(ends, UTC).date().isoformat(),
            days_left=days_left(ends, self._wall_clock()),
            within_days=limit,
            successor=self._heir(model, ends),
            in_use=traffic,
        )

    def _heir(self, model: str, ends: float) -> str:
        """Who will answer for it on its last day; "" when nobody will."""
        chain = successors_of(
            self._configuration.catalogue,
            model,
            ends,
            lambda other: other.shutdown is not None and other.shutdown <= ends,
            allow_dearer=self._configuration.settings.lifecycle.allow_dearer,
        )
        return chain.first.model if chain.first is not None else ""
