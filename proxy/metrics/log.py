"""One JSON line for every request and for every event worth telling, on a file descriptor, never in a request's way.

Rules. A line holds a ledger row's fields: no content, no keys, no user but its hash. It is plain ASCII: whatever a caller
wrote in a name is escaped, so no name starts a line of its own, colours a terminal or reverses its direction. Every string
is cut at 256 characters and every line ends below 4096 bytes.

Theory of operation. `request` and `event` build the line and append it to a list. A thread takes the list every 100 ms and
writes whole lines: up to 4096 bytes at a time into a pipe, which is what a kernel keeps together when several workers share
it, up to 64 KiB into a file. When the reader of the pipe stands still, the thread waits, not the requests; past 4 MiB
waiting, lines are dropped and their number is logged once there is room again.
"""

import json
import math
import os
import select
import stat
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec

from proxy.nouns import LedgerRow

Level = Literal["debug", "info", "warning", "error"]
Value = str | int | float | bool | None
GATHER_S: Final = 0.1
CLOSE_S: Final = 2.0
MOST_WAITING_BYTES: Final = 4 * 1024 * 1024
MOST_LINE_BYTES: Final = 4000
MOST_CHARS: Final = 256
_MOST_ITEMS: Final = 16
_DEL: Final = 0x7F
_LONG: Final = 1500
_PIPE_BYTES: Final = 4096
_FILE_BYTES: Final = 65536
_REQUEST: Final = b'{"level":"info","event":"request",'


class Log:
    """Lines for `fd`. `clock` gives Unix seconds for events (a row has its own `at`). One thread puts lines, so that neither
    side needs a lock: it counts what is put and dropped, the writing thread what is written. Call `close` at the end."""

    def __init__(self, fd: int, clock: Callable[[], float], *, gather_s: float = GATHER_S) -> None:
        self._fd = fd
        self._clock = clock
        self._gather_s = gather_s
        regular = stat.S_ISREG(os.fstat(fd).st_mode)
        self._write_bytes = _FILE_BYTES if regular else _PIPE_BYTES
        self._lines: deque[bytes] = deque()
        self._put_bytes = self._written_bytes = 0
        self._dropped = self._told = 0
        self._some = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def request(self, row: LedgerRow, told: bytes) -> None:
        """One request's line: the row's fields under their own names. `told` is the row as JSON."""
        if len(told) > _LONG or not told.isascii() or _DEL in told:
            told = _careful({**msgspec.structs.asdict(row), "usage": msgspec.structs.asdict(row.usage)})
        self._append(_REQUEST + told[1:] + b"\n")

    def event(self, name: str, level: Level = "info", **fields: Value) -> None:
        """One line about the process: start, reload, a warning."""
        self._append(self._line(name, level, fields))

    def close(self) -> None:
        """Write what is waiting, for at most `CLOSE_S` seconds, and stop."""
        self._closing.set()
        self._some.set()
        self._thread.join(CLOSE_S)

    def _line(self, name: str, level: Level, fields: Mapping[str, Value]) -> bytes:
        head: dict[str, object] = {"level": level, "event": name, "at": round(self._clock(), 3)}
        return _careful({**head, **fields}) + b"\n"

    def _append(self, line: bytes) -> None:
        put_bytes = self._put_bytes + len(line)
        if put_bytes - self._written_bytes > MOST_WAITING_BYTES:
            self._dropped += 1
            return
        self._put_bytes = put_bytes
        self._lines.append(line)
        if not self._some.is_set():
            self._some.set()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._some.wait()
            self._closing.wait(self._gather_s)
            self._some.clear()
            self._flush()
        self._flush()

    def _flush(self) -> None:
        dropped = self._dropped - self._told
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        for batch in _batches(lines, self._write_bytes):
            self._write(batch)
            self._written_bytes += len(batch)
        if dropped:
            self._told += dropped
            self._write(self._line("log_dropped", "warning", {"lines": dropped}))

    def _write(self, batch: bytes) -> None:
        while batch:
            try:
                batch = batch[os.write(self._fd, batch) :]
            except BlockingIOError:  # somebody made the shared descriptor non-blocking
                select.select((), (self._fd,), ())
            except OSError:  # the reader is gone: there is nobody left to tell
                return


def _batches(lines: list[bytes], most_bytes: int) -> list[bytes]:
    batches: list[bytes] = []
    start = size = 0
    for index, line in enumerate(lines):
        if size + len(line) > most_bytes and size:
            batches.append(b"".join(lines[start:index]))
            start, size = index, 0
        size += len(line)
    if size:
        batches.append(b"".join(lines[start:]))
    return batches


def _careful(fields: Mapping[str, object]) -> bytes:
    """ASCII JSON of fields cut to size; when that is still too long, without the longest ones."""
    kept = {_cut(name): _bounded(value) for name, value in fields.items()}
    line = _ascii(kept)
    while len(line) > MOST_LINE_BYTES:
        del kept[max(kept, key=lambda name: len(_ascii(kept[name])))]
        line = _ascii({**kept, "cut": True})
    return line


def _ascii(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).replace("\x7f", "\\u007f").encode()


def _bounded(value: object) -> object:
    match value:
        case str():
            return _cut(value)
        case float() if not math.isfinite(value):
            return None
        case tuple() | list():
            return [_bounded(item) for item in value[:_MOST_ITEMS]]
        case dict():
            return {_cut(str(name)): _bounded(item) for name, item in value.items()}
        case _:
            return value


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARS else text[: MOST_CHARS - 1] + "…"
