"""What goes on in the parent, traffic or not: leases, rollups, snapshots, left-behind journals, lost data.

Everything here is safe to do twice at once; one of several replicas does it (the leader) only to save work. Snapshots are
written by every parent, on its own disk, because they are needed when the data is gone.

A script that Redis refuses is no absent Redis: it is told as an error, and whatever else is due is done all the same.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from proxy.store import keys
from proxy.store.client import Pipe, StoreAway, StoreRefused, meanwhile
from proxy.store.epoch import Epoch
from proxy.store.journal import Orphan, orphans
from proxy.store.reaper import reap
from proxy.store.rollups import roll_up
from proxy.store.snapshot import read_snapshot, rebuild, take_snapshot, write_snapshot
from proxy.store.writer import BATCH, enter

TICK_S: Final = 1.0
SNAPSHOT_EVERY_TICKS: Final = 5
_LEASE_MS: Final = 10_000
_TIMEOUT_S: Final = 5.0

_log = logging.getLogger(__name__)


class Housekeeping:
    """One per parent process. `run` until cancelled; `is_leader` for whatever else only one replica should do,
    `charged` counts the holds that were charged in full here because nobody settled them."""

    def __init__(
        self, url: str, directory: Path, *, wall_clock: Callable[[], float], new_id: Callable[[], str]
    ) -> None:
        self.pipe = Pipe(url, timeout_s=_TIMEOUT_S)
        self.is_leader = False
        self.charged = 0
        self._directory = directory
        self._wall_clock = wall_clock
        self._new_id = new_id
        self._token = new_id()
        snapshot = read_snapshot(directory)
        self._epoch = Epoch(snapshot.epoch if snapshot else "", new_id)
        self._epoch.seq = snapshot.seq if snapshot else 0

    async def run(self) -> None:
        """Tick until cancelled. Redis being away is no error: it is tried again. Raises OSError for this machine's disk."""
        async with meanwhile(self.pipe.run()):
            tick = 0
            while True:
                await self.tick(snapshot=tick % SNAPSHOT_EVERY_TICKS == 0)
                tick += 1
                await asyncio.sleep(TICK_S)

    async def tick(self, *, snapshot: bool = True) -> None:
        """One round."""
        try:
            before = self._epoch.name
            await self._look_after_epoch()
            if self._epoch.lost:
                return
            await self._lead()
            if self.is_leader:
                await _going_on(self._reap())
                await _going_on(self._roll_up())
            await self._enter_orphans()
            if snapshot or self._epoch.name != before:
                # A snapshot of the epoch before would not do, should this data be lost as well.
                await _going_on(self._snapshot())
        except StoreAway as error:
            self.is_leader = False
            if isinstance(error, StoreRefused):
                _tell(error)

    async def _look_after_epoch(self) -> None:
        """Notice lost data and rebuild it from the snapshot; without one, an operator must (`budgets rebuild`)."""
        await self._epoch.look(self.pipe)
        if self._epoch.lost:
            snapshot = await asyncio.to_thread(read_snapshot, self._directory)
            if snapshot is not None:
                await rebuild(self.pipe, snapshot, self._new_id())
                await self._epoch.look(self.pipe)

    async def _lead(self) -> None:
        taken = await self.pipe.call("SET", keys.LEADER, self._token, "NX", "PX", _LEASE_MS)
        self.is_leader = bool(taken) or await self.pipe.call("GET", keys.LEADER) == self._token.encode()
        if self.is_leader and not taken:
            await self.pipe.call("PEXPIRE", keys.LEADER, _LEASE_MS)

    async def _reap(self) -> None:
        self.charged += await reap(self.pipe, _tell)

    async def _roll_up(self) -> None:
        while await roll_up(self.pipe):
            pass

    async def _snapshot(self) -> None:
        snapshot = await take_snapshot(self.pipe, self._wall_clock())
        if snapshot.epoch == self._epoch.name:
            await asyncio.to_thread(write_snapshot, self._directory, snapshot)
            # Workers remember what they entered only as long as no snapshot has it.
            await self.pipe.call("HSET", keys.META, "snapshot", snapshot.seq)

    async def _enter_orphans(self) -> None:
        """Enter what processes that died could not tell Redis."""
        for orphan in orphans(self._directory):
            try:
                await _going_on(self._enter_orphan(orphan))
            finally:
                orphan.close()
            if self._epoch.lost:
                return

    async def _enter_orphan(self, orphan: Orphan) -> None:
        bills = await asyncio.to_thread(orphan.read)
        for start in range(0, len(bills), BATCH):
            if not await enter(self.pipe, self._epoch, bills[start : start + BATCH]):
                return
        orphan.remove()


async def _going_on(part: Awaitable[None]) -> None:
    """Do one part of a round; that Redis refuses it is no reason to leave the others."""
    try:
        await part
    except StoreRefused as error:
        _tell(error)


def _tell(error: StoreRefused) -> None:
    _log.error("Redis refused a part of the housekeeping: %s", error)
