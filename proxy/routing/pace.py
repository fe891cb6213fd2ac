"""How soon models begin to answer: the last first-token times of each, and when one that was too slow is tried again.

Theory of operation. Each way of asking a model (provider, model, effort) has its last 64 times of at most ten minutes. Five
of them are believed more than the catalogue's prior; with fewer, the better of both is taken, because one slow answer says
little. A model that is put last for its slowness is sent no more requests, so its figures would never change: one request a
minute goes to it all the same (a probe). If that one is quick enough, the slow times before it are forgotten.

Mutable, one per process; the clock is passed in (Unix seconds, as plans are made with).
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

KEPT: Final = 64
TOO_OLD_S: Final = 600.0
ENOUGH: Final = 5
PROBE_EVERY_S: Final = 60.0
_MOST_WAYS: Final = 1024
_SHARE: Final = 0.95

Way = tuple[str, str, str]
"""Provider, model, effort."""


@dataclass(slots=True)
class _Record:
    """`seconds` are the last times and `at` when they were taken, both oldest first. `slow_since` is when it was last put last
    or probed; `probe_limit_s` is what the probe under way has to keep to."""

    at: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    slow_since: float | None = None
    probe_limit_s: float | None = None


class Pace:
    """First-token times by way."""

    __slots__ = ("_records",)

    def __init__(self) -> None:
        self._records: dict[Way, _Record] = {}

    def note(self, way: Way, first_token_s: float, now: float) -> None:
        """An answer began after `first_token_s`."""
        record = self._record(way)
        if record.probe_limit_s is not None and first_token_s <= record.probe_limit_s:
            record.at.clear()
            record.seconds.clear()
            record.slow_since = None
        record.probe_limit_s = None
        if record.at and now < record.at[-1]:  # a clock was set back: nothing could be told to be old
            record.at.clear()
            record.seconds.clear()
        record.at.append(now)
        record.seconds.append(first_token_s)

    def first_token_s(self, way: Way, prior_s: float, now: float) -> float:
        """The time within which 95 % of answers begin; `prior_s` where nothing better is known."""
        record = self._records.get(way)
        if record is None:
            return prior_s
        at, seconds = record.at, record.seconds
        while at and now - at[0] > TOO_OLD_S:
            at.popleft()
            seconds.popleft()
        if not seconds:
            return prior_s
        times = sorted(seconds)
        live_s = times[int(_SHARE * (len(times) - 1))]
        return live_s if len(times) >= ENOUGH else min(live_s, prior_s)

    def due(self, way: Way, now: float) -> bool:
        """Whether a way that is too slow should be given one request again. Looks only."""
        record = self._records.get(way)
        return (
            record is not None and record.slow_since is not None and now - record.slow_since >= PROBE_EVERY_S
        )

    def put_last(self, way: Way, now: float) -> None:
        """It was too slow for a request; from the first time on, its minute runs."""
        record = self._record(way)
        if record.slow_since is None:
            record.slow_since = now

    def probe(self, way: Way, limit_s: float, now: float) -> None:
        """It is given one request all the same; the next one in a minute."""
        record = self._record(way)
        record.slow_since, record.probe_limit_s = now, limit_s

    def _record(self, way: Way) -> _Record:
        record = self._records.get(way)
        if record is None:
            if len(self._records) >= _MOST_WAYS:
                self._records.clear()
            record = self._records[way] = _Record()
        return record
