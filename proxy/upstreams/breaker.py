"""The health of a deployment as a state table. Pure; times are of one monotonic clock.

    state      event                        next
    CLOSED     failure, fewer than 5 in a row   CLOSED
    CLOSED     the 5th failure in a row         OPEN       until 30 s later
    OPEN       30 s are over, a request asks    HALF_OPEN  and that request is the probe
    HALF_OPEN  success                          CLOSED
    HALF_OPEN  failure, or no word for 30 s     OPEN       (a probe whose client left says nothing)
    any        success                          CLOSED

Only failures of the deployment count: unreachable, cut, silent, overloaded, rate-limited. What is the caller's fault, or about
our key, says nothing about it. An open breaker puts a deployment last; it never forbids the only one there is: answering
for a provider that might well answer by now would make every outage longer.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from proxy.nouns import Candidate
from proxy.upstreams.retry import Failure

FAILURES_IN_A_ROW: Final = 5
OPEN_S: Final = 30.0
COUNTED: Final = frozenset(
    {Failure.UNREACHABLE, Failure.CUT, Failure.TIMEOUT, Failure.OVERLOADED, Failure.RATE_LIMITED}
)


class State(Enum):
    """`value` is the label metrics use."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Breaker:
    """One deployment's health. `since_s` is when it entered the state."""

    state: State = State.CLOSED
    failures: int = 0
    since_s: float = 0.0


WELL: Final = Breaker()


def succeeded(breaker: Breaker, now_s: float) -> Breaker:
    """After an answer, or an error that is not the deployment's."""
    return breaker if breaker == WELL else replace(WELL, since_s=now_s)


def failed(breaker: Breaker, now_s: float) -> Breaker:
    """After a failure that counts."""
    failures = breaker.failures + 1
    if breaker.state is State.CLOSED and failures < FAILURES_IN_A_ROW:
        return replace(breaker, failures=failures)
    return Breaker(State.OPEN, failures, now_s)


def asked(breaker: Breaker, now_s: float) -> tuple[Breaker, bool]:
    """Whether a request may come first here now; the probe after the pause may, and only it."""
    if breaker.state is State.CLOSED:
        return breaker, True
    if now_s - breaker.since_s < OPEN_S:
        return breaker, False
    return replace(breaker, state=State.HALF_OPEN, since_s=now_s), True


class Breakers:
    """The breakers of one process by (provider, model). Mutable; one owner."""

    def __init__(self) -> None:
        self._breakers: dict[tuple[str, str], Breaker] = {}

    def in_order(self, candidates: Iterable[Candidate], now_s: float) -> list[Candidate]:
        """The same candidates, those with an open breaker last."""
        if not self._breakers:
            return list(candidates)
        well: list[Candidate] = []
        ill: list[Candidate] = []
        for candidate in candidates:
            (well if self._may_come_first(candidate, now_s, first=not well) else ill).append(candidate)
        return well + ill

    def note(self, candidate: Candidate, failure: Failure | None, now_s: float) -> State | None:
        """Take in how an attempt ended (None: well). The new state when it changed. One that never left us says nothing."""
        if failure is None and not self._breakers:
            return None
        if failure is Failure.BUSY:
            return None
        key = (candidate.provider, candidate.model)
        before = self._breakers.get(key, WELL)
        counts = failure in COUNTED
        after = failed(before, now_s) if counts else succeeded(before, now_s)
        if after is before:
            return None
        if after.state is State.CLOSED and not after.failures:
            self._breakers.pop(key, None)
        else:
            self._breakers[key] = after
        return after.state if after.state is not before.state else None

    def unwell(self, now_s: float) -> list[tuple[str, str, State]]:
        """Provider, model and state of those that are not closed. One whose pause is over waits for its probe, so it is
        half open to whoever watches: where nobody asks, it would stand there as open for ever."""
        return [
            (*key, State.HALF_OPEN if now_s - each.since_s >= OPEN_S else each.state)
            for key, each in self._breakers.items()
            if each.state is not State.CLOSED
        ]

    def _may_come_first(self, candidate: Candidate, now_s: float, *, first: bool) -> bool:
        key = (candidate.provider, candidate.model)
        before = self._breakers.get(key)
        if before is None:
            return True
        if (
            before.state is not State.CLOSED and not first
        ):  # only the request that will really try it is the probe
            return False
        self._breakers[key], may = asked(before, now_s)
        return may
