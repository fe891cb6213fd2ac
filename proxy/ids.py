"""Random ids, drawn from the kernel a few hundred at a time: asking it costs more than everything else about an id."""

import secrets
from typing import Final

_DRAWN: Final = 256


class RandomIds:
    """Calling it gives `size_bytes` random bytes as hexadecimal digits, never the same twice. Not for use across a fork."""

    __slots__ = ("_at", "_digits", "_drawn")

    def __init__(self, size_bytes: int) -> None:
        self._digits = 2 * size_bytes
        self._drawn = ""
        self._at = 0

    def __call__(self) -> str:
        at, end = self._at, self._at + self._digits
        if end > len(self._drawn):
            self._drawn = secrets.token_hex(self._digits // 2 * _DRAWN)
            at, end = 0, self._digits
        self._at = end
        return self._drawn[at:end]
