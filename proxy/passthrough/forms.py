"""A multipart form while it streams by: which model it names, without keeping its files. Pure.

Strict where it matters: the scanner decides whether a key may use the model, so a form that two readers could read in two
ways is none (`FormError`): a boundary that is not on a line of its own, a part without one plain Content-Disposition, a
model that is named twice, encoded, or sent as a file.
"""

import re
from typing import Final

_CONTENT_TYPE = re.compile(
    rb'multipart/form-data\s*;\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;",]{1,70}))\s*', re.IGNORECASE
)
_DISPOSITION = re.compile(
    rb'form-data\s*;\s*name="([^"\r\n]*)"(\s*;\s*filename="(?:[^"\\\r\n]|\\.)*")?(\s*;\s*filename\*=[^;\r\n]+)?\s*',
    re.IGNORECASE,
)
_MODEL: Final = b"model"
_MOST_HEAD_BYTES: Final = 8192
_MOST_MODEL_BYTES: Final = 256


class FormError(Exception):
    """Not a form that everybody reads alike."""


def is_form(content_type: bytes) -> bool:
    """Whether this Content-Type announces a multipart form."""
    return content_type.lstrip().lower().startswith(b"multipart/")


class FormScanner:
    """Feed it the form in pieces. `model` is known (None: not yet) once its part has ended, and `span` is where its value
    stands in the whole form; `in_file` says that a file has begun, `ended` that the form is over."""

    __slots__ = ("_at", "_buffer", "_collecting", "_in_head", "_mark", "ended", "in_file", "model", "span")

    def __init__(self, content_type: bytes) -> None:
        """Raises FormError when it is no form, or has no plain boundary."""
        found = _CONTENT_TYPE.fullmatch(content_type)
        if found is None:
            raise FormError("the content type is not a plain multipart/form-data")
        self._mark = b"--" + (found[1] or found[2])
        # The first boundary has no line before it; with this one it looks like all others.
        self._buffer = b"\r\n"
        self._at = -2
        self._in_head = False
        self._collecting = False
        self.model: str | None = None
        self.span = (0, 0)
        self.in_file = False
        self.ended = False

    def feed(self, piece: bytes) -> None:
        """Read on. Raises FormError."""
        if self.ended:
            return
        self._buffer += piece
        while self._head() if self._in_head else self._content():
            pass

    def _take(self, count: int) -> bytes:
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        self._at += count
        return taken

    def _content(self) -> bool:
        """Up to the next boundary. False when more must come first."""
        found = self._buffer.find(self._mark)
        after = found + len(self._mark)
        if found < 0 or len(self._buffer) < after + 2:
            if self._collecting:
                if len(self._buffer) > _MOST_MODEL_BYTES + len(self._mark) + 4:
                    raise FormError("the model's name is too long")
            elif found < 0:
                self._take(max(0, len(self._buffer) - len(self._mark) - 2))
            return False
        if found < 2 or self._buffer[found - 2 : found] != b"\r\n":
            raise FormError("a boundary is not on a line of its own")
        if self._collecting:
            self._name(self._buffer[: found - 2])
        end = self._buffer[after : after + 2]
        self._take(after + 2)
        if end == b"--":
            self.ended, self._buffer = True, b""
            return False
        if end != b"\r\n":
            raise FormError("a boundary is followed by something else")
        self._in_head = True
        return True

    def _head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MOST_HEAD_BYTES:
                raise FormError("the head of a part is too long")
            return False
        lines = self._buffer[:end].split(b"\r\n")
        # The line end before the content may be the one before its boundary: an empty part.
        self._take(end + 4)
        self._buffer, self._at = b"\r\n" + self._buffer, self._at - 2
        self._begin_part(lines)
        self._in_head = False
        return True

    def _begin_part(self, lines: list[bytes]) -> None:
        fields = [line.partition(b":") for line in lines]
        names = [name.lower() for name, _, _ in fields]
        if names.count(b"content-disposition") != 1:
            raise FormError("a part has no single Content-Disposition")
        value = fields[names.index(b"content-disposition")][2].strip()
        found = _DISPOSITION.fullmatch(value)
        if found is None:
            raise FormError("the Content-Disposition of a part is unusual")
        is_file = bool(found[2] or found[3])
        self._collecting = found[1] == _MODEL
        if found[1].strip().lower() == _MODEL and (is_file or len(lines) > 1 or not self._collecting):
            raise FormError("the model is not a plain field")
        if self._collecting and self.model is not None:
            raise FormError("the model is named twice")
        self.in_file = self.in_file or is_file

    def _name(self, content: bytes) -> None:
        """`content` still begins with the line end that was put before it."""
        value = content[2:]
        if len(value) > _MOST_MODEL_BYTES:
            raise FormError("the model's name is too long")
        if not value.isascii() or not value.decode().isprintable():
            raise FormError("the model's name is unusual")
        self.model = value.decode()
        self.span = (self._at + 2, self._at + len(content))
        self._collecting = False
