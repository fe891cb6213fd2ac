"""Server-sent events of the OpenAI kind, cut out of blocks that arrive split anywhere.

Only what answers use: `data:` and `event:` lines, comments, a blank line at the end. What is not an event yet stays in
the splitter; `rest` is what a broken stream left behind.
"""

import re
from collections.abc import Iterator

_EVENT_END = re.compile(rb"\r?\n\r?\n")
DONE = b"data: [DONE]\n\n"


class EventSplitter:
    """Feed blocks, get complete events with their blank line, byte for byte."""

    __slots__ = ("_pending", "_searched")

    def __init__(self) -> None:
        self._pending = b""
        self._searched = 0

    def feed(self, block: bytes) -> Iterator[bytes]:
        """The events this block completes."""
        if not self._pending and block.endswith(b"\n\n") and block.count(b"\n\n") == 1 and b"\r" not in block:
            yield block  # one whole event, as most blocks are
            return
        pending = self._pending + block
        start = 0
        # The end mark is at most four bytes, so what was searched before is searched again only at its very end.
        position = max(0, self._searched - 3)
        while (end := _EVENT_END.search(pending, position)) is not None:
            yield pending[start : end.end()]
            start = position = end.end()
        self._pending = pending[start:]
        self._searched = len(self._pending)

    @property
    def rest(self) -> bytes:
        return self._pending


def data_of(event: bytes) -> bytes:
    """The event's data, b"" when it has none (a comment)."""
    last = event.partition(b"\n")[2] if event.startswith(b"event: ") else event
    if last.startswith(b"data: ") and last.count(b"\n") == 2:
        return last[6:].strip()
    lines = [line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines).strip()


def event(data: bytes) -> bytes:
    """A chat event carrying `data`."""
    return b"data: " + data + b"\n\n"
