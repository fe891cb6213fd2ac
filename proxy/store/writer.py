"""Enters bills: taken over synchronously, entered in batches, journalled when Redis cannot be told.

`put` never waits and never fails, because it is called where nothing may be awaited (a stream's `finally`). A bill is in no
hurry, but Redis is idle while the next request is read: it goes with those of the same tick or, while Redis is answering
others, in front of the next holds (`Pipe.rider`), so that what it gives back is free for them. Waiting for holds even when
Redis is idle would save a few writes and put a bill's work on the next caller's way. One batch is under way at a time.
Whether one whose answer did not come was entered is unknown; it goes to the journal and is entered again by id, which is
harmless.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from proxy.store import keys, resp
from proxy.store.client import Pipe, StoreAway
from proxy.store.epoch import Epoch
from proxy.store.journal import Journal
from proxy.store.ports import Settlement
from proxy.store.scripts import SETTLE
from proxy.store.taking import own_keys

BATCH: Final = 64
_DISK_RETRY_S: Final = 1.0
_KEYS: Final = (keys.META, keys.OPEN, keys.LIVE, keys.TAIL, keys.UNSETTLED)
# What is the same in every call, as it is sent.
_EVALSHA: Final = resp.words(("EVALSHA", SETTLE.sha)).decode()
_OWN_KEYS: Final = resp.words(_KEYS).decode()
_IDS_KEPT_S: Final = resp.words((str(keys.IDS_KEPT_S),)).decode()


class Writer:
    """Owns the queue of bills between `put` and Redis or the journal. `hot` is the pipe of the holds; `bulk` is more
    patient, and takes what was journalled."""

    def __init__(self, hot: Pipe, bulk: Pipe, epoch: Epoch, journal: Journal) -> None:
        self._hot = hot
        self._bulk = bulk
        self._epoch = epoch
        self._journal = journal
        self._queue: deque[Settlement] = deque()
        self._under_way: list[Settlement] = []
        self._alarm: asyncio.Handle | None = None
        self._stuck = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        hot.rider = self._send

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
        queue = self._queue
        if not queue:
            self._empty.clear()
        queue.append(bill)
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_soon(self._gathered)

    async def run(self) -> None:
        """Journal what Redis cannot be told, until cancelled; what is left then goes to the journal too."""
        try:
            while True:
                await self._stuck.wait()
                await self._to_disk(self._under_way)
                self._stuck.clear()
                self._done()
        finally:
            self._under_way = []
            if self._queue:
                self._journal.append(list(self._queue))
                self._queue.clear()
            self._journal.close()
            self._empty.set()

    async def flush(self) -> None:
        """Wait until everything put so far is in Redis or in the journal."""
        self._send()
        await self._empty.wait()

    def _gathered(self) -> None:
        self._alarm = None
        self._hot.flush(ahead=True)  # asks for what waits here, if Redis is idle
        self._send()

    def _send(self) -> None:
        """Put waiting bills on the pipe, before all that waits there. While they are under way they stay in the queue: if
        `run` is cancelled meanwhile, they go to the journal with the others."""
        if self._under_way or not self._queue:
            return
        self._under_way = bills = list(islice(self._queue, BATCH))
        # The holds' pipe gives up sooner: the other one may still be answered.
        pipe = self._bulk if self._hot.away else self._hot
        if self._epoch.lost or pipe.away:
            self._stuck.set()
            return
        answer = _sent(pipe, self._epoch, bills, first=True)
        answer.add_done_callback(self._answered)

    def _answered(self, answer: asyncio.Future[Any]) -> None:
        bills = self._under_way
        if answer.exception() is None and _is_entered(self._epoch, bills, answer.result()):
            self._done()
        elif bills:
            self._stuck.set()

    def _done(self) -> None:
        """The bills under way are in Redis or in the journal: on to the next."""
        for _ in self._under_way:
            self._queue.popleft()
        self._under_way = []
        if not self._queue:
            self._empty.set()
        elif self._alarm is None:  # its time is over for all that are left
            self._send()

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
            if self._epoch.lost or self._bulk.away:
                return False
            try:
                if not await enter(self._bulk, self._epoch, bills[start : start + BATCH]):
                    return False
            except StoreAway:
                return False
        await asyncio.to_thread(self._journal.clear, len(bills))
        return self._journal.pending == 0


async def enter(pipe: Pipe, epoch: Epoch, bills: Sequence[Settlement]) -> bool:
    """Enter bills in Redis, each once; False when the data is not ours. Raises StoreAway."""
    return _is_entered(epoch, bills, await _sent(pipe, epoch, bills))


def _sent(
    pipe: Pipe, epoch: Epoch, bills: Sequence[Settlement], *, first: bool = False
) -> asyncio.Future[Any]:
    names: list[bytes] = []
    told: list[bytes] = []
    keys_told = len(_KEYS)
    for bill in bills:
        bill_id, counters = bill.id, bill.counters
        keys_told += 2 + len(counters)
        names += (own_keys(bill_id), resp.names(counters))
        row = bytes(bill.row)
        sums = f"{bill_id} {bill.cost_nano} {bill.tokens} {len(counters)}\n"
        told += (f"${len(sums) + len(row)}\r\n{sums}".encode(), row, b"\r\n")
    name, seq, count = epoch.name, str(epoch.seq), str(keys_told)
    head = f"*{6 + keys_told + len(bills)}\r\n{_EVALSHA}${len(count)}\r\n{count}\r\n{_OWN_KEYS}"
    tail = f"${len(name)}\r\n{name}\r\n${len(seq)}\r\n{seq}\r\n{_IDS_KEPT_S}"
    return pipe.packed(b"".join((head.encode(), *names, tail.encode(), *told)), SETTLE, first=first)


def _is_entered(epoch: Epoch, bills: Sequence[Settlement], reply: list[Any]) -> bool:
    if reply[0] != b"ok":
        epoch.lost = True
        return False
    epoch.saw(reply[1])
    epoch.entered(bills)
    return True
