"""The holds this process has taken and not yet settled, what to give back, and what it was last told of each counter."""

import asyncio
from collections.abc import Iterable
from typing import Final

import msgspec

from proxy.budgets.scopes import Counter
from proxy.nouns import Hold
from proxy.store.ports import Standing
from proxy.store.taking import Taking

_MOST_STANDINGS: Final = 20_000


class _Open(msgspec.Struct, frozen=True, gc=False):
    """`unseen`: the budgets on whose allowance it was granted while Redis was away. `taken`: how Redis was asked for it,
    None when Redis does not know it."""

    hold: Hold
    unseen: tuple[str, ...]
    taken: Taking | None


class OpenHolds:
    """Counts open holds, because that is what a shutdown waits for: tasks may be cancelled, money may not."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self.releases: dict[str, tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, hold: Hold, *, unseen: tuple[str, ...] = (), taken: Taking | None = None) -> None:
        """A hold was granted."""
        if not self._open:
            self._idle.clear()
        self._open[hold.id] = _Open(hold, unseen, taken)

    def close(self, hold: Hold) -> tuple[str, ...]:
        """It is settled or released; returns the budgets whose allowance it used."""
        known = self._open.pop(hold.id, None)
        if not self._open:
            self._idle.set()
        return known.unseen if known is not None else ()

    def leased(self) -> list[str]:
        """Ids whose leases must be renewed."""
        return [hold_id for hold_id, each in self._open.items() if each.taken is not None]

    def taken(self) -> list[Taking]:
        """What Redis must hold for this process, each for what it was granted."""
        return [
            each.taken.granted(each.hold.amount_nano)
            for each in self._open.values()
            if each.taken is not None
        ]

    async def drained(self) -> None:
        """Wait until none is open."""
        await self._idle.wait()


class Standings:
    """The last known state of counters, for decisions that must not cost a round trip (downgrade, headers)."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[str, Standing] = {}

    def learn(self, told: Iterable[Standing], now_s: float) -> None:
        """Redis told the state of these counters."""
        if len(self._known) > _MOST_STANDINGS:
            self._known = {name: each for name, each in self._known.items() if now_s < each.resets_at}
        for each in told:
            self._known[each.counter.id] = each

    def of(self, counter: Counter, now_s: float) -> Standing | None:
        """The counter in its present window, None when nothing is known of that."""
        known = self._known.get(counter.id)
        return known if known is not None and now_s < known.resets_at else None

    def downgrade(self, counters: Iterable[Counter], now_s: float) -> str:
        """The cheaper model that the first of these budgets past its soft limit asks for, "" when none does."""
        for counter in counters:
            budget = counter.budget
            if budget is None or budget.soft_nano is None or not budget.downgrade:
                continue
            standing = self.of(counter, now_s)
            if standing is not None and standing.spent >= budget.soft_nano:
                return budget.downgrade
        return ""
