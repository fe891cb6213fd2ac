"""Copies of the money counters on disk, so that budgets survive a Redis that loses its data.

The parent writes one every few seconds, atomically: the epoch, the seq it was taken at and every live counter. `rebuild`
raises the counters of a Redis that has lost them to the snapshot and begins a new epoch; workers then hold again what is
open and enter again what they entered after it. Bound on the loss: what was spent after the snapshot by processes that died
before they could repeat it, at most what they spent in the five seconds between two snapshots.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from proxy.store import keys
from proxy.store.client import Pipe, Word
from proxy.store.scripts import RESTORE

_FILE: Final = "snapshot.json"
_FIELDS: Final = ("spent", "unset", "extra", "credit")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Money counters at one moment: key → (spent, unset, extra, credit)."""

    epoch: str
    seq: int
    at: float
    counters: dict[str, tuple[int, int, int, int]]


_decode = msgspec.json.Decoder(Snapshot)


def read_snapshot(directory: Path) -> Snapshot | None:
    """The last snapshot written here, None without a readable one."""
    try:
        return _decode.decode((directory / _FILE).read_bytes())
    except (OSError, msgspec.DecodeError):
        return None


def known_epoch(directory: Path) -> str:
    """The epoch that the last snapshot remembers, "" without one."""
    snapshot = read_snapshot(directory)
    return snapshot.epoch if snapshot is not None else ""


def write_snapshot(directory: Path, snapshot: Snapshot) -> None:
    """Replace the snapshot; a crash leaves the old one or the new one."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = directory / f"{_FILE}.{os.getpid()}"
    with draft.open("wb") as file:
        file.write(msgspec.json.encode(snapshot))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(directory / _FILE)


async def take_snapshot(pipe: Pipe, at: float) -> Snapshot:
    """Read all live counters in one transaction. Raises StoreAway."""
    names = [name.decode() for name in await pipe.call("ZRANGE", keys.LIVE, 0, -1)]
    reads = [("HMGET", name, *_FIELDS) for name in names]
    (epoch, seq), *rows = await pipe.transaction([("HMGET", keys.META, "epoch", "seq"), *reads])
    counters = {name: _numbers(row) for name, row in zip(names, rows, strict=True)}
    return Snapshot((epoch or b"").decode(), int(seq or 0), at, counters)


async def rebuild(pipe: Pipe, snapshot: Snapshot, new_epoch: str) -> bool:
    """Raise the counters in Redis to the snapshot and begin `new_epoch`. False when somebody else was faster."""
    epoch = (await pipe.call("HGET", keys.META, "epoch") or b"").decode()
    words: list[Word] = [new_epoch, snapshot.epoch, snapshot.seq, epoch]
    for name, numbers in snapshot.counters.items():
        words += (*numbers, keys.read_counter(name)[2].end)
    return bool(await pipe.script(RESTORE, [keys.META, keys.LIVE, *snapshot.counters], words))


def _numbers(row: list[bytes | None]) -> tuple[int, int, int, int]:
    spent, unset, extra, credit = [int(value or 0) for value in row]
    return spent, unset, extra, credit
