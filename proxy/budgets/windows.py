"""Calendar windows as exact Unix bounds, in UTC or a named zone.

A window is the half-open span [start, end) that contains a moment. Minutes and hours are UTC's, the same instants for
everybody; days, weeks (from Monday), months and what follows begin at local midnight in the budget's zone, so a day may
have 23 or 25 hours. A midnight that a zone skips is the instant of its jump; one that it has twice is the first.
`total` never ends. Start and end of neighbours meet: every instant is in exactly one window of a kind.

Redis' clock decides which window counts (proxies' clocks differ): callers send the bounds they believe in and ask again
with the time Redis answers when it lies outside.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final, Literal
from zoneinfo import ZoneInfo

Per = Literal["minute", "hour", "day", "week", "month", "total"]
NEVER: Final = 253_402_300_800
"""The first second of the year 10000: when `total` ends."""

_UTC_LENGTHS: Final = {"minute": 60, "hour": 3600}


@dataclass(frozen=True, slots=True)
class Window:
    """[start, end) in whole Unix seconds."""

    start: int
    end: int

    def __contains__(self, at: float) -> bool:
        return self.start <= at < self.end


def window(per: Per, zone: str, at: float) -> Window:
    """The window of this kind that contains `at` (Unix seconds). Raises ZoneInfoNotFoundError for an unknown zone."""
    if per == "total":
        return Window(0, NEVER)
    length = _UTC_LENGTHS.get(per)
    if length is not None:
        start = int(at // length) * length
        return Window(start, start + length)
    tz: tzinfo = UTC if zone == "UTC" else ZoneInfo(zone)
    # From the whole second: a datetime rounds to microseconds, and 23:59:59.9999999 is not yet tomorrow.
    first = _first_day(per, datetime.fromtimestamp(at // 1, tz).date())
    return Window(_midnight(first, tz), _midnight(_next_first_day(per, first), tz))


def _first_day(per: Per, day: date) -> date:
    if per == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if per == "week" else day


def _next_first_day(per: Per, first: date) -> date:
    if per == "month":
        return (first + timedelta(days=32)).replace(day=1)
    return first + timedelta(days=7 if per == "week" else 1)


def _midnight(day: date, zone: tzinfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


class Windows:
    """Remembers the last window of each kind, because thousands of requests a second ask for the same few."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: dict[tuple[Per, str], Window] = {}

    def at(self, per: Per, zone: str, at: float) -> Window:
        """As `window`, without the calendar when the last answer still holds."""
        known = self._last.get((per, zone))
        if known is None or at not in known:
            known = self._last[per, zone] = window(per, zone, at)
        return known
