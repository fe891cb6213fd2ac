"""Random ids, drawn from the kernel a few hundred at a time: asking it costs more than everything else about an id."""

import secrets
from typing import Final

_DRAWN: Final = 256


class RandomIds:
    """Calling it gives `size_bytes` random bytes as hexadecimal digits, never the same twice. Not for use across a fork."""

    __slots__ = ("_drawn", "_size_bytes")

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self._drawn: list[str] = []

    def __call__(self) -> str:
        if not self._drawn:
            digits, each = secrets.token_hex(self._size_bytes * _DRAWN), 2 * self._size_bytes
            self._drawn = [digits[at : at + each] for at in range(0, len(digits), each)]
        return self._drawn.pop()
