"""`GET /v1/switchyard/me`: what the caller's key may use and what is left to it.

A key sees its own budgets, its team's, and those of one end user of its own (`?user=`, as the app names that user in its
requests). Budgets of everybody and of models tell what others spend, so they are not shown.
"""

from datetime import UTC, datetime
from typing import Any, Final

from proxy.budgets.scopes import Book, Counter
from proxy.budgets.windows import NEVER
from proxy.errors import UpstreamUnavailable
from proxy.nouns import Caller
from proxy.store.client import Pipe, StoreAway
from proxy.store.ports import Standing
from proxy.store.states import standings
from proxy.trace import usd, user_hash

_SHOWN: Final = frozenset({"key", "user", "team"})


class Me:
    """One per snapshot of the budgets. `pipe` None: nothing is counted here."""

    def __init__(self, book: Book, pipe: Pipe | None) -> None:
        self._book = book
        self._pipe = pipe

    async def about(self, caller: Caller, user: str) -> dict[str, Any]:
        """The answer's JSON. Raises UpstreamUnavailable while Redis does not answer."""
        limits = self._book.limits_of(caller.key_name)
        found = await self._standings(self._counters(caller, user))
        return {
            "object": "switchyard.me",
            "key": caller.key_name,
            "team": caller.team or None,
            "models": sorted(caller.models) or None,
            "endpoints": sorted(caller.endpoints) or None,
            "limits": {"rpm": limits.rpm, "tpm": limits.tpm, "concurrent": limits.concurrent},
            "rates": [_rate(each) for each in found if each.counter.budget is None],
            "budgets": [_budget(each) for each in found if each.counter.budget is not None],
        }

    def _counters(self, caller: Caller, user: str) -> list[Counter]:
        tab = self._book.tab(caller, "", user_hash(caller.key_id, user))
        return [each for each in tab.counters if each.budget is None or each.budget.scope in _SHOWN]

    async def _standings(self, counters: list[Counter]) -> list[Standing]:
        if not counters or self._pipe is None:
            return []
        try:
            return await standings(self._pipe, counters)
        except StoreAway:
            raise UpstreamUnavailable(
                "Budgets cannot be read at the moment. Please try again.", retry_after_s=2
            ) from None


def _budget(standing: Standing) -> dict[str, Any]:
    budget = standing.counter.budget
    assert budget is not None
    return {
        "name": budget.name,
        "scope": budget.scope,
        "per": budget.per,
        "limit_usd": usd(standing.limit).decode(),
        "spent_usd": usd(max(0, standing.spent)).decode(),
        "held_usd": usd(standing.held).decode(),
        "left_usd": usd(standing.left).decode(),
        "resets_at": _moment(standing.resets_at),
    }


def _rate(standing: Standing) -> dict[str, Any]:
    kind = standing.counter.kind
    used = standing.held if kind == "concurrent" else standing.spent
    return {
        "kind": kind,
        "limit": standing.limit,
        "used": used,
        "left": max(0, standing.limit - used),
        "resets_at": None if kind == "concurrent" else _moment(standing.resets_at),
    }


def _moment(at: int) -> str | None:
    """UTC; None for a window that never ends."""
    return None if at >= NEVER else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
