"""A memo of what cannot change within a minute.

Models end and prices begin at full hours. What follows from names, settings and those dates alone is the same for every
request of one minute, so it need not be worked out for each of them.
"""

from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Minute(Generic[Key, Value]):
    """What was found out in the minute under way, at most `most` entries of it. Times are Unix seconds."""

    __slots__ = ("_found", "_minute", "_most")

    def __init__(self, most: int = 1024) -> None:
        self._most = most
        self._minute = -1.0
        self._found: dict[Key, Value] = {}

    def get(self, key: Key, now: float) -> Value | None:
        """What was kept for `key` in the minute of `now`."""
        return self._found.get(key) if now // 60 == self._minute else None

    def keep(self, key: Key, value: Value, now: float) -> Value:
        """Remember `value` until the minute of `now` is over, and return it."""
        minute = now // 60
        if minute != self._minute or len(self._found) >= self._most:
            self._found.clear()
            self._minute = minute
        self._found[key] = value
        return value
