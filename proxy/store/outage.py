"""What happens while Redis does not answer: a breaker, and what may be spent unseen.

Breaker: closed until three batches of calls in a row went unanswered; then open, and calls are refused without being sent
until a probe is answered. One slow answer costs one request its chance, three cost everybody nothing but five milliseconds.

Allowance: a budget with `on_redis_failure: allow` lets each process spend `outage_usd` while it cannot count. What is
spent on it goes to the journal; the allowance is whole again once Redis is back, since the journal is then entered.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from proxy.budgets.holds import HoldSize
from proxy.budgets.scopes import Budget

FAILURES_TO_OPEN: Final = 3


class Breaker:
    """Counts failures in a row. No clock: the pipe decides when to probe."""

    __slots__ = ("_failures", "is_open")

    def __init__(self) -> None:
        self._failures = 0
        self.is_open = False

    def failed(self) -> None:
        """A batch was not answered."""
        self._failures += 1
        self.is_open = self._failures >= FAILURES_TO_OPEN

    def succeeded(self) -> None:
        """A batch, or a probe, was answered."""
        self._failures = 0
        self.is_open = False


class Allowances:
    """What this process has set aside and spent unseen, per budget, since Redis went away.

    `granted` counts grants ever made, `open` those not yet settled: while one is open its bill is not in Redis either.
    """

    __slots__ = ("_used", "granted", "open")

    def __init__(self) -> None:
        self._used: dict[str, int] = {}
        self.granted = 0
        self.open = 0

    @property
    def used(self) -> bool:
        """Whether anything was granted since it was last whole."""
        return bool(self._used)

    def take(self, budgets: Sequence[Budget], size: HoldSize) -> int | None:
        """Nano-dollars granted for a request under these budgets; None when one of them denies, or has no more.

        Rates are not counted while Redis is away: they protect providers, not money.
        """
        room = size.amount_nano
        for each in budgets:
            if each.allow_outage_nano is None:
                return None
            room = min(room, each.allow_outage_nano - self._used.get(each.name, 0))
        if room < size.smallest_nano:
            return None
        for each in budgets:
            self._used[each.name] = self._used.get(each.name, 0) + room
        self.granted += 1
        self.open += 1
        return room

    def give_back(self, names: Iterable[str], unused_nano: int) -> None:
        """A request is over. If it was taken on the allowance of `names`, it cost `unused_nano` less than it was granted."""
        names = tuple(names)
        for name in names:
            self._used[name] -= unused_nano
        self.open -= bool(names)

    def renew(self) -> None:
        """Redis has everything again. Only while none is open: its bill would belong to the outage that is over."""
        self._used.clear()
