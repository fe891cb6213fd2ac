"""What the ledger is asked and what it answers."""

from typing import Final

import msgspec

from proxy.budgets.holds import HoldSize
from proxy.budgets.scopes import Counter, Tab
from proxy.errors import Headers
from proxy.nouns import Hold


class HoldRequest(msgspec.Struct, frozen=True, gc=False):
    """One attempt that is about to be sent.

    `tab` comes from `Book.tab`, `size` from `hold_size`, `tokens` is the estimate that token limits reserve. `label` (see
    `label`) describes the attempt should this process die before it is settled.
    """

    label: str
    key_name: str
    user_hash: str
    tab: Tab
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
        left = self.limit - self.spent - self.held
        return left if left > 0 else 0


class Grant(msgspec.Struct, frozen=True, gc=False):
    """A hold that was given. `size` is the request's size as granted: `size.cap_to_set` must be sent. `standings` are the
    tab's counters after it, empty while Redis is away or when nothing is counted."""

    hold: Hold
    size: HoldSize
    tab: Tab
    standings: tuple[Standing, ...] = ()

    @property
    def remaining_nano(self) -> int | None:
        """The least that is left to the key and the user (`x-switchyard-budget-remaining-usd`); None without budgets."""
        least: int | None = None
        if self.standings:
            for i in self.tab.purses:
                left = self.standings[i].left
                if least is None or left < least:
                    least = left
        return least

    def rate_headers(self, now: float) -> Headers:
        """`x-ratelimit-*` of the key's own limits, in OpenAI's spelling; empty without limits."""
        if not self.standings:
            return ()
        found: list[tuple[bytes, bytes]] = []
        for i in self.tab.rates:
            each = self.standings[i]
            limit, remaining, reset = _RATES[each.counter.kind]
            found += (
                (limit, b"%d" % each.limit),
                (remaining, b"%d" % each.left),
                (reset, b"%ds" % max(0, -(-(each.resets_at - now) // 1))),
            )
        return tuple(found)


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """A bill on its way: `id` makes it count once, `counters` name where it counts, `row` is its ledger row as JSON."""

    id: str
    cost_nano: int
    tokens: int
    counters: tuple[str, ...]
    row: msgspec.Raw
