"""The worker that enters bills: taken over synchronously, entered in batches, journalled when Redis cannot be told.

`put` never waits and never fails, because it is called where nothing may be awaited (a stream's `finally`). Whether a batch
whose answer did not come was entered is unknown; it goes to the journal and is entered again by id, which is harmless.
"""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Final

import msgspec

from proxy.store import keys
from proxy.store.client import Pipe, StoreAway
from proxy.store.epoch import Epoch
from proxy.store.journal import Journal
from proxy.store.ports import Settlement
from proxy.store.scripts import SETTLE

BATCH: Final = 64
_DISK_RETRY_S: Final = 1.0


class Writer:
    """Owns the queue of bills between `put` and Redis or the journal."""

    def __init__(self, pipe: Pipe, epoch: Epoch, journal: Journal) -> None:
        self._pipe = pipe
        self._epoch = epoch
        self._journal = journal
        self._queue: deque[Settlement] = deque()
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def journalled(self) -> int:
        """Bills in the journal that are not entered yet."""
        return self._journal.pending

    @property
    def idle(self) -> bool:
        """Whether every bill taken over so far is in Redis or in the journal."""
        return self._empty.is_set()

    def put(self, bill: Settlement) -> None:
        """Take over a bill."""
        self._queue.append(bill)
        self._empty.clear()
        self._wake.set()

    async def run(self) -> None:
        """Enter what is put, until cancelled; what is left then goes to the journal."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    await self._enter_some()
                self._empty.set()
        finally:
            if self._queue:
                self._journal.append(list(self._queue))
                self._queue.clear()
            self._journal.close()
            self._empty.set()

    async def flush(self) -> None:
        """Wait until everything put so far is in Redis or in the journal."""
        await self._empty.wait()

    async def _enter_some(self) -> None:
        bills = [self._queue[i] for i in range(min(BATCH, len(self._queue)))]
        if not await self._entered_or_none(bills):
            await self._to_disk(bills)
        # Only now: if this task is cancelled on the way, the bills are still in the queue.
        for _ in bills:
            self._queue.popleft()

    async def _entered_or_none(self, bills: list[Settlement]) -> bool:
        if self._epoch.lost or self._pipe.away:
            return False
        with suppress(StoreAway):
            return await enter(self._pipe, self._epoch, bills)
        return False

    async def _to_disk(self, bills: list[Settlement]) -> None:
        while True:
            try:
                await asyncio.to_thread(self._journal.append, bills)
            except OSError:
                # A full disk while Redis is away: memory is the last place left to keep them.
                await asyncio.sleep(_DISK_RETRY_S)
            else:
                return

    async def replay(self) -> bool:
        """Enter this process's journal. Returns whether it is empty now."""
        bills = await asyncio.to_thread(self._journal.read)
        for start in range(0, len(bills), BATCH):
            if not await self._entered_or_none(bills[start : start + BATCH]):
                return False
        self._journal.clear(len(bills))
        return self._journal.pending == 0


async def enter(pipe: Pipe, epoch: Epoch, bills: list[Settlement]) -> bool:
    """Enter bills in Redis, each once; False when the data is not ours. Raises StoreAway."""
    names = [keys.META, keys.OPEN, keys.LIVE, keys.TAIL, keys.UNSETTLED]
    arguments: list[bytes | str | int] = [epoch.name, epoch.seq, keys.IDS_KEPT_S]
    for bill in bills:
        names += (keys.done(bill.id), keys.hold(bill.id), *bill.counters)
        row = msgspec.json.encode(bill.row)
        arguments += (bill.id, bill.cost_nano, bill.tokens, len(bill.counters), row)
    reply = await pipe.script(SETTLE, names, arguments)
    if reply[0] != b"ok":
        epoch.lost = True
        return False
    epoch.saw(reply[1])
    epoch.entered(bills)
    return True
