"""What operators change while the proxy runs: keys, limits, windows. Every change leaves an audit line.

Keys and limits are seen by every worker in less than a second (see `accounts`); what is raised, reset or settled counts at
once, because it is in the counters themselves.
"""

from dataclasses import dataclass, replace
from typing import Final

import msgspec

from proxy.nouns import NANO_PER_USD
from proxy.settings.values import MOST_USD
from proxy.store import keys
from proxy.store.client import Pipe, StoreAway, Word
from proxy.store.epoch import ANY_EPOCH, Epoch
from proxy.store.ports import Settlement
from proxy.store.reaper import abandoned
from proxy.store.resp import pairs
from proxy.store.scripts import RAISE
from proxy.store.snapshot import Snapshot, rebuild
from proxy.store.states import BudgetState
from proxy.store.writer import enter

AUDIT_KEPT: Final = 1_000
_COUNTERS_KEPT_S: Final = 172_800


class Unknown(Exception):
    """There is no such key, hold or budget; the message names it."""


class TooMuch(Unknown):
    """There is no counter that could count so much exactly."""


@dataclass(frozen=True, slots=True)
class AuditLine:
    """Who did what to what, when (Unix seconds)."""

    at: float
    who: str
    what: str
    target: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class UnsettledHold:
    """Money charged because nobody came to settle it. `counters` are the keys it was charged in."""

    id: str
    amount_nano: int
    at: float
    label: str
    counters: tuple[str, ...]


class Operator:
    """The verbs of `switchyard keys` and `switchyard budgets`. All raise StoreAway when Redis does not answer."""

    def __init__(self, pipe: Pipe, who: str, at: float) -> None:
        """`who` and `at` go into the audit lines."""
        self._pipe = pipe
        self._who = who
        self._at = at

    async def create_key(self, name: str, key_hash: str, settings: bytes) -> None:
        """Add a key made at run time; `settings` is a key as in the file, as JSON. Raises ValueError when it exists."""
        if not await self._pipe.call("HSETNX", keys.KEYS, key_hash, settings):
            raise ValueError("a key with this hash exists")
        await self._changed("keys create", name)

    async def revoke_key(self, name: str, key_hash: str) -> None:
        """Take a key away. Raises Unknown."""
        if not await self._pipe.call("HDEL", keys.KEYS, key_hash):
            raise Unknown(f"no key made at run time is named {name}")
        await self._changed("keys revoke", name)

    async def set_limit(self, budget: str, limit_nano: int | None) -> None:
        """Replace a budget's configured limit for good; None goes back to the configuration."""
        if limit_nano is None:
            await self._pipe.call("HDEL", keys.LIMITS, budget)
        else:
            await self._pipe.call("HSET", keys.LIMITS, budget, limit_nano)
        await self._changed("budgets set", budget, "configured" if limit_nano is None else str(limit_nano))

    async def raise_limit(self, state: BudgetState, by_nano: int) -> None:
        """Add to one counter's limit for its present window. Raises TooMuch: however often it is raised, no limit may be above
        what a configured one may be."""
        end = state.window.end
        words = (by_nano, state.budget.limit_nano, MOST_USD * NANO_PER_USD, end, end + _COUNTERS_KEPT_S)
        if not await self._pipe.script(RAISE, [state.key, keys.LIVE], words):
            raise TooMuch(f"above ${MOST_USD:,} in all: larger amounts cannot be counted exactly")
        await self._audit("budgets raise", state.counter_id, str(by_nano))

    async def reset(self, state: BudgetState) -> None:
        """Forgive what was spent in the present window. The ledger keeps it; only the budget forgets."""
        await self._forgive(state)
        await self._audit("budgets reset", state.counter_id, str(state.spent_nano))

    async def unsettled(self) -> list[UnsettledHold]:
        """What was charged without a bill, oldest first."""
        held = pairs(await self._pipe.call("HGETALL", keys.UNSETTLED))
        found = [_unsettled(hold_id, text.decode()) for hold_id, text in held.items()]
        return sorted(found, key=lambda hold: hold.at)

    async def settle(self, hold_id: str, cost_nano: int) -> None:
        """True up an unsettled hold with what it really cost. Raises Unknown."""
        found = [hold for hold in await self.unsettled() if hold.id == hold_id]
        if not found:
            raise Unknown(f"no unsettled hold has the id {hold_id}")
        epoch = Epoch("", str)
        epoch.known = (await self._pipe.call("HGET", keys.META, "epoch") or b"").decode()
        await epoch.look(self._pipe)
        row = msgspec.Raw(abandoned(found[0].label, cost_nano, self._at).as_json())
        if not await enter(self._pipe, epoch, [Settlement(hold_id, cost_nano, 0, found[0].counters, row)]):
            raise StoreAway("the data changed meanwhile")
        await self._audit("budgets settle", hold_id, str(cost_nano))

    async def rebuild(self, snapshot: Snapshot | None, new_epoch: str) -> bool:
        """Count on this data again: raised to the snapshot, or as it is when there is none. Every process follows, whatever
        it counted in last: the snapshot may be older than another rebuild, and an operator's word is the last one."""
        if snapshot is None:
            seq = int(await self._pipe.call("HGET", keys.META, "seq") or 0)
            snapshot = Snapshot("", seq, self._at, {})
        snapshot = replace(snapshot, epoch=f"{ANY_EPOCH} {snapshot.epoch}".strip())
        done = await rebuild(self._pipe, snapshot, new_epoch)
        await self._audit("budgets rebuild", new_epoch, f"{len(snapshot.counters)} counters")
        return done

    async def note(self, what: str, target: str, detail: str = "") -> None:
        """An audit line for what was done elsewhere."""
        await self._audit(what, target, detail)

    async def audit(self, count: int = 100) -> list[AuditLine]:
        """The latest audit lines, newest first."""
        lines = await self._pipe.call("LRANGE", keys.AUDIT, 0, count - 1)
        return [msgspec.json.decode(line, type=AuditLine) for line in lines]

    async def _forgive(self, state: BudgetState) -> None:
        """A counter changed by hand must end with its window, and be in snapshots, like any other."""
        await self._pipe.transaction(
            [
                ("HINCRBY", state.key, "credit", state.spent_nano),
                ("EXPIREAT", state.key, state.window.end + _COUNTERS_KEPT_S),
                ("ZADD", keys.LIVE, state.window.end, state.key),
            ]
        )

    async def _changed(self, what: str, target: str, detail: str = "") -> None:
        """The number that workers look at rises, with the line of what was changed."""
        await self._pipe.transaction([("INCR", keys.VERSION), *self._lines(what, target, detail)])

    async def _audit(self, what: str, target: str, detail: str = "") -> None:
        await self._pipe.transaction(self._lines(what, target, detail))

    def _lines(self, what: str, target: str, detail: str) -> tuple[tuple[Word, ...], ...]:
        line = msgspec.json.encode(AuditLine(self._at, self._who, what, target, detail))
        return ("LPUSH", keys.AUDIT, line), ("LTRIM", keys.AUDIT, 0, AUDIT_KEPT - 1)


def _unsettled(hold_id: str, text: str) -> UnsettledHold:
    head, label, *counters = text.split("\n")
    amount, at_ms = head.split(" ")
    return UnsettledHold(
        hold_id, int(amount), int(at_ms) / 1000, label, tuple([each for each in counters if each])
    )
