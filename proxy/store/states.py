"""How budgets stand: read straight from the counters, for commands, `me`, the page and the exporter.

Which window is the present one is for Redis' clock to say, as it is for holds: that of a proxy may be wrong.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from proxy.budgets.scopes import Book, Budget, Counter
from proxy.budgets.windows import Window, window
from proxy.store import keys
from proxy.store.client import Pipe
from proxy.store.ports import Standing

_FIELDS = ("spent", "held", "unset", "extra", "credit")


@dataclass(frozen=True, slots=True)
class BudgetState:
    """One counter of a budget in its present window. `limit_nano` includes what an operator added for this window,
    `spent_nano` excludes what was forgiven; `unsettled_nano` is the part of it charged without a bill."""

    budget: Budget
    counter_id: str
    key: str
    window: Window
    limit_nano: int
    spent_nano: int
    held_nano: int
    unsettled_nano: int

    @property
    def left_nano(self) -> int:
        """Neither spent nor held."""
        return max(0, self.limit_nano - self.spent_nano - self.held_nano)


async def budget_states(pipe: Pipe, book: Book) -> list[BudgetState]:
    """Every budget in its present window; one per (key, user) that has used a budget of scope user. Raises StoreAway."""
    now_s = await _now_s(pipe)
    live = [name.decode() for name in await pipe.call("ZRANGEBYSCORE", keys.LIVE, f"({int(now_s)}", "+inf")]
    wanted: list[tuple[Budget, str, Window]] = []
    for each in book.budgets:
        now = window(each.per, each.zone, now_s)
        if each.scope == "user":
            wanted += [(each, what, now) for what in _users_of(each, now, live)]
        else:
            wanted.append((each, f"b:{each.name}:{each.of}" if each.of else f"b:{each.name}", now))
    return await asyncio.gather(*[_state(pipe, *each) for each in wanted])


async def standings(pipe: Pipe, counters: Iterable[Counter]) -> list[Standing]:
    """Counters as they are now, the caller's own among them (`me`). Raises StoreAway."""
    now_s = await _now_s(pipe)
    return await asyncio.gather(*[_standing(pipe, counter, now_s) for counter in counters])


async def _now_s(pipe: Pipe) -> float:
    """Redis' time; as in hold_v2, never before the latest it has shown."""
    time, latest_ms = await asyncio.gather(pipe.call("TIME"), pipe.call("HGET", keys.META, "clock"))
    return max(int(time[0]) + int(time[1]) / 1e6, int(latest_ms or 0) / 1000)


async def _standing(pipe: Pipe, counter: Counter, now_s: float) -> Standing:
    now = window(counter.per, counter.zone, now_s)
    spent, held, _, extra, credit = await _numbers(pipe, keys.counter(counter, now))
    return Standing(counter, spent - credit, held, counter.limit + extra, now.end)


def _users_of(budget: Budget, now: Window, live: Iterable[str]) -> list[str]:
    parts = [keys.read_counter(name) for name in live]
    return [what for _, what, span in parts if span == now and what.startswith(f"b:{budget.name}:")]


async def _state(pipe: Pipe, budget: Budget, what: str, now: Window) -> BudgetState:
    key = keys.counter(Counter(what, "money", budget.limit_nano, budget.per), now)
    spent, held, unset, extra, credit = await _numbers(pipe, key)
    return BudgetState(budget, what, key, now, budget.limit_nano + extra, spent - credit, held, unset)


async def _numbers(pipe: Pipe, key: str) -> list[int]:
    return [int(value or 0) for value in await pipe.call("HMGET", key, *_FIELDS)]
