"""What the ledger is asked and what it answers."""

from typing import Final

import msgspec

from proxy.budgets.holds import HoldSize
from proxy.budgets.scopes import Counter
from proxy.errors import Headers
from proxy.nouns import Caller, Hold, LedgerRow


class HoldRequest(msgspec.Struct, frozen=True, gc=False):
    """One attempt that is about to be sent.

    `counters` come from `Book.counters`, `size` from `hold_size`, `tokens` is the
    estimate that token limits reserve. The names describe the attempt should this process die before it is settled.
    """

    request_id: str
    attempt: int
    endpoint: str
    caller: Caller
    user_hash: str
    asked: str
    served: str
    provider: str
    route: str
    task: str
    counters: tuple[Counter, ...]
    size: HoldSize
    tokens: int
    at: float


_RATES: Final = {
    kind: tuple([f"x-ratelimit-{what}-{kind}".encode() for what in ("limit", "remaining", "reset")])
    for kind in ("requests", "tokens")
}


class Standing(msgspec.Struct, frozen=True, gc=False):
    """One counter as Redis last told it. `limit` includes what an operator added, `spent` excludes what was forgiven."""

    counter: Counter
    spent: int
    held: int
    limit: int
    resets_at: int

    @property
    def left(self) -> int:
        """What is neither spent nor held."""
        return max(0, self.limit - self.spent - self.held)


class Grant(msgspec.Struct, frozen=True, gc=False):
    """A hold that was given. `size` is the request's size as granted: `size.cap_to_set` must be sent. `standings` are the
    counters after it, empty while Redis is away or when nothing is counted."""

    hold: Hold
    size: HoldSize
    standings: tuple[Standing, ...] = ()

    @property
    def remaining_nano(self) -> int | None:
        """The least that is left to the key and the user (`x-switchyard-budget-remaining-usd`); None without budgets."""
        least: int | None = None
        for each in self.standings:
            budget = each.counter.budget
            if budget is not None and budget.scope in ("key", "user"):
                left = each.left
                least = left if least is None or left < least else least
        return least

    def rate_headers(self, now: float) -> Headers:
        """`x-ratelimit-*` of the key's own limits, in OpenAI's spelling; empty without limits."""
        found: list[tuple[bytes, bytes]] = []
        for each in self.standings:
            names = _RATES.get(each.counter.kind)
            if names is not None:
                limit, remaining, reset = names
                found += (
                    (limit, b"%d" % each.limit),
                    (remaining, b"%d" % each.left),
                    (reset, b"%ds" % max(0, -(-(each.resets_at - now) // 1))),
                )
        return tuple(found)


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """A bill on its way: `id` makes it count once, `counters` name where it counts."""

    id: str
    cost_nano: int
    tokens: int
    counters: tuple[str, ...]
    row: LedgerRow
