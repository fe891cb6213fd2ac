"""The retry table: what a failed attempt allows next. SDKs retry twice by themselves, so little is added here.

Every row is data; `judge` looks one up. Nothing is retried once a byte has reached the client, and nothing is sent
again when the upstream may be working on it for money (a read timeout after the body was sent).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

MAX_WAIT_S: Final = 2.0
"""The longest `retry-after` worth waiting for on the same deployment."""


class Failure(Enum):
    """How an attempt failed, as far as the table cares."""

    UNREACHABLE = "unreachable"  # no connection, or one that provably did not take the request
    BUSY = "busy"  # every connection we may have there is in use; nothing was sent
    CUT = "cut"  # the request was out, the connection ended before any byte of an answer
    TIMEOUT = "timeout"  # the body was sent, no answer came in time
    OVERLOADED = "overloaded"  # 408, 409, 500, 502, 503, 529, or an error event before any content
    RATE_LIMITED = "rate_limited"  # 429 rate_limit_exceeded
    OUR_KEY = "our_key"  # 401, 403, 429 insufficient_quota
    MODEL_GONE = "model_gone"  # 404 model_not_found
    CALLER = "caller"  # other 4xx: the request itself
    UNREADABLE = "unreadable"  # a 200 that is not an answer; it may have been billed


@dataclass(frozen=True, slots=True)
class Advice:
    """May the same deployment be tried once more; may the next candidate be tried."""

    same: bool
    next: bool


_TABLE: Final = {
    Failure.UNREACHABLE: Advice(same=True, next=True),
    Failure.BUSY: Advice(same=False, next=True),
    Failure.CUT: Advice(same=False, next=True),
    Failure.TIMEOUT: Advice(same=False, next=False),
    Failure.OVERLOADED: Advice(same=True, next=True),
    Failure.RATE_LIMITED: Advice(same=False, next=True),
    Failure.OUR_KEY: Advice(same=False, next=True),
    Failure.MODEL_GONE: Advice(same=False, next=True),
    Failure.CALLER: Advice(same=False, next=False),
    Failure.UNREADABLE: Advice(same=False, next=True),
}
_RETRYABLE_STATUS: Final = frozenset({408, 409, 500, 502, 503, 504, 529})


def classify(status: int, code: str) -> Failure:
    """The failure an error status stands for. `code` is OpenAI's `error.code`, `""` when there is none."""
    if status == 429:
        return Failure.OUR_KEY if code == "insufficient_quota" else Failure.RATE_LIMITED
    if status in (401, 403):
        return Failure.OUR_KEY if code or status == 401 else Failure.CALLER
    if status == 404 and code in ("model_not_found", "DeploymentNotFound"):  # the second one is Azure's
        return Failure.MODEL_GONE
    if status in _RETRYABLE_STATUS or status >= 500:
        return Failure.OVERLOADED
    return Failure.CALLER


def judge(failure: Failure, *, retry_after_s: float | None, next_on_timeout: bool) -> Advice:
    """What may follow. `next_on_timeout` is the route's `on_timeout: next`."""
    advice = _TABLE[failure]
    if failure is Failure.RATE_LIMITED:
        return Advice(same=retry_after_s is not None and retry_after_s <= MAX_WAIT_S, next=True)
    if retry_after_s is not None and retry_after_s > MAX_WAIT_S:
        return Advice(same=False, next=advice.next)
    if failure is Failure.TIMEOUT and next_on_timeout:
        return Advice(same=False, next=True)
    return advice


class RetryAllowance:
    """Keeps same-deployment retries at or below a tenth of traffic, so that an outage is not doubled by us."""

    __slots__ = ("_saved",)
    SHARE: Final = 0.1
    MOST_SAVED: Final = 10.0

    def __init__(self) -> None:
        self._saved = self.MOST_SAVED

    def earn(self) -> None:
        """A new request came in."""
        if self._saved < self.MOST_SAVED:
            self._saved = min(self.MOST_SAVED, self._saved + self.SHARE)

    def spend(self) -> bool:
        """Whether one more retry is within the share; takes it if so."""
        if self._saved < 1:
            return False
        self._saved -= 1
        return True


def back_off_s(rng: float, retry_after_s: float | None) -> float:
    """Seconds before the second try: what upstream asked for, else 0.2-0.4 s by `rng` in [0, 1)."""
    return retry_after_s if retry_after_s is not None else 0.2 * (1 + rng)
