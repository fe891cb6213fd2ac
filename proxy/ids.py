"""Random ids, drawn from the kernel a few hundred at a time: asking it costs more than everything else about an id."""

import re
import secrets
from typing import Final

_DRAWN: Final = 256


class RandomIds:
    """Calling it gives `size_bytes` random bytes as hexadecimal digits, never the same twice. Not for use across a fork."""

    __slots__ = ("_drawn", "_ids_in", "_size_bytes")

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self._ids_in = re.compile("." * (2 * size_bytes)).findall
        self._drawn: list[str] = []

    def __call__(self) -> str:
        if not self._drawn:
            self._drawn = self._ids_in(secrets.token_hex(self._size_bytes * _DRAWN))
        return self._drawn.pop()
