"""Bills that Redis could not be told: JSON lines in `.switchyard/journal-*.jsonl`, entered later by their ids.

A file belongs to the process that holds its lock. Its owner appends and, when Redis is back, replays and empties it; files
of dead processes are replayed by whoever can lock them (the parent). Replaying a line twice enters it once.
Between opening a file and locking it somebody else may have had the lock, and removed the file: whoever has the lock looks
whether it is still the file of that name, and reads it by what it holds, never by name.
A half-written last line is what a crash leaves behind; it is skipped, because its hold will expire and be charged in full.
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import msgspec

from proxy.store.ports import Settlement

PATTERN: Final = "journal-*.jsonl"
_decode = msgspec.json.Decoder(Settlement)


class Journal:
    """One process's file, made when first needed. All methods block for a disk write; call them in a thread, and several at
    once if need be: bills are written and counted, or dropped, under one lock."""

    def __init__(self, directory: Path, name: str) -> None:
        self._path = directory / f"journal-{name}.jsonl"
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()
        self.pending = 0

    def append(self, bills: list[Settlement]) -> None:
        """Write bills so that they survive this process and this machine."""
        with self._lock:
            file = self._opened()
            file.write(b"".join([msgspec.json.encode(bill) + b"\n" for bill in bills]))
            file.flush()
            os.fsync(file.fileno())
            self.pending += len(bills)

    def read(self) -> list[Settlement]:
        """Everything in the file. Counted anew: a write that failed for want of room may have left lines all the same."""
        with self._lock:
            bills = list(_lines(self._file)) if self._file is not None else []
            self.pending = len(bills)
            return bills

    def clear(self, entered: int) -> None:
        """Drop what was read and entered, if nothing was appended since."""
        with self._lock:
            if self._file is not None and entered == self.pending:
                os.ftruncate(self._file.fileno(), 0)
                self.pending = 0

    def close(self) -> None:
        """Let others have the file; an empty one is removed."""
        with self._lock:
            if self._file is None:
                return
            if not self.pending:
                self._path.unlink(missing_ok=True)
            self._file.close()
            self._file = None

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = _locked(self._path)
            os.fchmod(self._file.fileno(), 0o600)
        return self._file


class Orphan:
    """A journal whose process is gone, locked by us: read it, enter it, then `remove` or `close`."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path = path
        self._file = file

    def read(self) -> list[Settlement]:
        """Its bills."""
        return list(_lines(self._file))

    def remove(self) -> None:
        """All of it was entered."""
        self._path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Leave it for another time."""
        self._file.close()


def orphans(directory: Path) -> Iterator[Orphan]:
    """The journals in a directory that no living process owns."""
    for path in sorted(directory.glob(PATTERN)):
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue
        if _could_lock(file) and _is_named(file, path):
            yield Orphan(path, file)
        else:
            file.close()


def _locked(path: Path) -> IO[bytes]:
    """The file of this name, new or not, once nobody else has it."""
    while True:
        file = path.open("a+b")
        fcntl.flock(file, fcntl.LOCK_EX)
        if _is_named(file, path):
            return file
        file.close()


def _could_lock(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_named(file: IO[bytes], path: Path) -> bool:
    """Whether the open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _lines(file: IO[bytes]) -> Iterator[Settlement]:
    number = file.fileno()
    for line in os.pread(number, os.fstat(number).st_size, 0).split(b"\n"):
        try:
            yield _decode.decode(line)
        except msgspec.DecodeError:
            continue
