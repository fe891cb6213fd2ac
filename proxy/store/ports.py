"""What the ledger is asked and what it answers."""

from dataclasses import dataclass

from proxy.budgets.holds import HoldSize
from proxy.budgets.scopes import Counter
from proxy.errors import Headers
from proxy.nouns import Caller, Hold, LedgerRow


@dataclass(frozen=True, slots=True)
class HoldRequest:
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


@dataclass(frozen=True, slots=True)
class Standing:
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


@dataclass(frozen=True, slots=True)
class Grant:
    """A hold that was given. `size` is the request's size as granted: `size.cap_to_set` must be sent. `standings` are the
    counters after it, empty while Redis is away or when nothing is counted."""

    hold: Hold
    size: HoldSize
    standings: tuple[Standing, ...] = ()

    @property
    def remaining_nano(self) -> int | None:
        """The least that is left to the key and the user (`x-switchyard-budget-remaining-usd`); None without budgets."""
        own = [
            s.left for s in self.standings if s.counter.budget and s.counter.budget.scope in ("key", "user")
        ]
        return min(own) if own else None

    def rate_headers(self, now: float) -> Headers:
        """`x-ratelimit-*` of the key's own limits, in OpenAI's spelling; empty without limits."""
        found: list[tuple[bytes, bytes]] = []
        for each in self.standings:
            if each.counter.kind in ("requests", "tokens"):
                kind = each.counter.kind.encode()
                found += [
                    (b"x-ratelimit-limit-" + kind, b"%d" % each.limit),
                    (b"x-ratelimit-remaining-" + kind, b"%d" % each.left),
                    (b"x-ratelimit-reset-" + kind, b"%ds" % max(0, -(-(each.resets_at - now) // 1))),
                ]
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Settlement:
    """A bill on its way: `id` makes it count once, `counters` name where it counts."""

    id: str
    cost_nano: int
    tokens: int
    counters: tuple[str, ...]
    row: LedgerRow
