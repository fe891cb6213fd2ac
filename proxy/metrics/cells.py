"""The numbers of one process in a memory-mapped file: written by that process alone, read by the parent at any time.

Theory of operation. Every number is one aligned 8-byte float in a shared mapping, so adding to it is a plain memory write:
no lock, no system call, nothing to flush, and `kill -9` loses nothing because the pages belong to the kernel. A reader sees
each number either before or after a write, never half of it. Counts are exact up to 2^53.

    header   magic u64 · end u64 (bytes in use) · pid u64 · reserved u64
    record   cells u32 · key_bytes u32 · key (JSON: [metric, label, …], padded to 8) · cells × f64

Records are only appended, and `end` moves after a record is complete, so a reader that trusts `end` meets whole records.
The file is written full of zeros first: a disk without room fails at start, not with a signal in the middle of a request.
It gets its name when its header is complete.
One thread writes (the event loop's); `+=` on a cell is two steps.
"""

import json
import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

_MAGIC = 0x5357_4954_4348_0001
_HEADER = struct.Struct("<QQQQ")
_RECORD = struct.Struct("<II")
DEFAULT_BYTES = 4 * 1024 * 1024

Key = tuple[str, ...]


class Cells:
    """Create the file of this process. `values[i]` is a number; `series` says where a series' numbers begin.

    When the file is full, further series share one place that no reader looks at, and `dropped` counts them.
    """

    def __init__(self, path: Path, pid: int, size_bytes: int = DEFAULT_BYTES, spill_cells: int = 64) -> None:
        draft = path.with_suffix(".draft")
        with draft.open("x+b") as file:
            file.write(bytes(size_bytes))
            file.flush()
            self._map = mmap.mmap(file.fileno(), size_bytes)
        self.path = path
        self.values = memoryview(self._map).cast("d")
        self._size_bytes = size_bytes - spill_cells * 8
        self._spill = self._size_bytes // 8
        self._end = _HEADER.size
        self._pid = pid
        self._places: dict[Key, int] = {}
        self.dropped = 0
        self._publish()
        draft.rename(path)

    def series(self, key: Key, cells: int) -> int:
        """Index of the first of `cells` numbers of this series, made (as zeros) when it is new."""
        place = self._places.get(key)
        if place is None:
            place = self._append(key, cells)
            if place != self._spill:
                self._places[key] = place
        return place

    def _append(self, key: Key, cells: int) -> int:
        text = json.dumps(key, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        start = self._end + _RECORD.size + len(text)
        if start + cells * 8 > self._size_bytes:
            self.dropped += 1
            return self._spill
        _RECORD.pack_into(self._map, self._end, cells, len(text))
        self._map[self._end + _RECORD.size : start] = text
        self._end = start + cells * 8
        self._publish()
        return start // 8

    def _publish(self) -> None:
        _HEADER.pack_into(self._map, 0, _MAGIC, self._end, self._pid, 0)

    def close(self) -> None:
        """Unmap; the file stays for the reader."""
        self.values.release()
        self._map.close()


class CellsReader:
    """One process' file as the parent reads it; remembers the keys it has met, so a scrape only copies numbers."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic, _, self.pid, _ = _HEADER.unpack_from(self._map)
        if magic != _MAGIC:
            self._map.close()
            raise ValueError(f"{path.name} is not a metrics file")
        self.path = path
        self._met = _HEADER.size
        self._records: list[tuple[Key, int, int]] = []

    def read(self) -> Iterator[tuple[Key, tuple[float, ...]]]:
        """Every series with its numbers as they are now."""
        end = _HEADER.unpack_from(self._map)[1]
        while self._met < end:
            cells, key_bytes = _RECORD.unpack_from(self._map, self._met)
            text = self._map[self._met + _RECORD.size : self._met + _RECORD.size + key_bytes]
            start = self._met + _RECORD.size + key_bytes
            self._records.append((tuple(json.loads(text)), start, cells))
            self._met = start + cells * 8
        for key, start, cells in self._records:
            yield key, struct.unpack_from(f"<{cells}d", self._map, start)

    def close(self) -> None:
        """Unmap the file."""
        self._map.close()
