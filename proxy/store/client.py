"""One pipeline for all calls of an event-loop tick, over one connection to Redis.

Calls are queued and sent together; while their answers are awaited the next batch gathers, so that the busier the process,
the fewer its writes. Answers belong to calls by their order alone, hence the one rule: whenever a batch does not end
normally (deadline, cut, cancelled process), the connection is thrown away with everything that may still be in it.

Nothing is ever sent twice: the package's default retry repeats an INCR whose answer was slow. The one exception is a script
Redis does not know yet, which it says without having run anything.

A batch that is not answered within `timeout_s`, connecting included, fails together with what queued behind it. A deadline
that passed only because this process was too busy to look is prolonged by one look. After the breaker opens (see
`outage`), calls fail at once and only a PING goes out now and then, until one is answered.

What can wait for company has a `rider`: it is asked before every batch whether something of its own should go first.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from typing import Any, Final

import msgspec
from hiredis import pack_command
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from proxy.store.line import Line
from proxy.store.outage import Breaker
from proxy.store.scripts import Script

Word = bytes | str | int
PROBE_EVERY_S: Final = 0.5
_MOST_AT_ONCE: Final = 256
_ONE_LOOK_S: Final = 0.05


class StoreAway(Exception):
    """Redis did not answer in time, or cannot be reached. What was sent may have been done."""


class StoreUnsent(StoreAway):
    """The call was never sent: whatever it was to do was certainly not done."""


class StoreRefused(StoreAway):
    """Redis answered, with a refusal: out of memory, read-only since a failover, no permission. Nothing was done, unless a
    script of ours broke half-way. The message names the script."""


class _Call(msgspec.Struct):
    """`packed` is one or more commands, whose last answer counts (a transaction's EXEC); `replies` are still to come.
    `script` is what to load when Redis does not know it, `loaded` that it was."""

    packed: bytes
    replies: int
    answer: asyncio.Future[Any]
    script: Script | None = None
    loaded: bool = False


class Pipe:
    """Calls in, futures out; `run` must be running for them to be answered.

    `_queue` waits for `_under_way` to be answered in full: one batch, or two where the first went ahead. `gathering`:
    what is put here now leaves with the end of this tick.
    """

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._pool = ConnectionPool.from_url(
            url,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=None,
            socket_connect_timeout=timeout_s,
            health_check_interval=0,
            driver_info=None,  # nothing is asked of a server but what an ACL for our scripts allows
            protocol=2,
        )
        self._timeout_s = timeout_s
        self._queue: list[_Call] = []
        self._under_way: deque[_Call] = deque()
        self._line: Line | None = None
        self.gathering = self._ahead = self._alone = False
        self._wake = asyncio.Event()
        self._due_s = 0.0
        self._prolonged = False
        self._alarm: asyncio.TimerHandle | None = None
        self.rider: Callable[[], None] | None = None
        self.breaker = Breaker()

    @property
    def away(self) -> bool:
        """Whether calls would be refused at once."""
        return self.breaker.is_open

    def call(self, *words: Word) -> asyncio.Future[Any]:
        """One command. The future raises StoreAway."""
        return self._put(_packed((words,)), 1, None)

    def script(self, script: Script, keys: Sequence[str], args: Iterable[Word]) -> asyncio.Future[Any]:
        """One script, by its hash."""
        return self._put(_packed((("EVALSHA", script.sha, len(keys), *keys, *args),)), 1, script)

    def packed(self, packed: bytes, script: Script, *, first: bool = False) -> asyncio.Future[Any]:
        """One script whose call was packed by whoever knows most of its words beforehand. `first`: before all that waits."""
        return self._put(packed, 1, script, first=first)

    def transaction(self, commands: Sequence[tuple[Word, ...]]) -> asyncio.Future[Any]:
        """Commands that nothing comes between; the future has the list of their answers."""
        return self._put(_packed((("MULTI",), *commands, ("EXEC",))), len(commands) + 2, None)

    def _put(
        self, packed: bytes, replies: int, script: Script | None, *, first: bool = False
    ) -> asyncio.Future[Any]:
        answer = self._loop.create_future()
        if self.breaker.is_open:
            answer.set_exception(StoreUnsent("Redis has not been answering"))
            return answer
        call = _Call(packed, replies, answer, script)
        if first:
            self._queue.insert(0, call)
        else:
            self._queue.append(call)
        if self._line is None:
            self._wake.set()
        elif self._free():
            self._flush_soon()
        return answer

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """The one this pipe lives on, asked for once: asyncio makes a system call of the question."""
        return asyncio.get_running_loop()

    async def run(self) -> None:
        """Connect, and connect again, until cancelled. Calls are sent and answered by callbacks meanwhile."""
        try:
            while True:
                if self.breaker.is_open:
                    await self._probe()
                    continue
                await self._wake.wait()
                self._wake.clear()
                if self._queue and self._line is None:
                    await self._connect()
        finally:
            self._drop()
            _fail(self._under_way, StoreAway)
            _fail(self._queue, StoreUnsent)

    # A batch

    def _flush_soon(self) -> None:
        """Not at once: whoever else runs in this tick may have something to send as well. Unless nobody had, last time."""
        if self.gathering:
            return
        if self._alone:
            self.flush()
        else:
            self.gathering = True
            self._loop.call_soon(self.flush)

    def _free(self) -> bool:
        """Whether a batch may go: none is under way, or one that what comes next need not wait for."""
        return not self._under_way or self._ahead

    def flush(self, due_s: float = 0.0, *, ahead: bool = False) -> None:
        """Send what waits, unless a batch is under way: then it goes when that is over. `due_s` 0: within `timeout_s`.
        `ahead`: the batch after this one need not wait for its answer."""
        self.gathering = False
        line = self._line
        if line is None or not self._free():
            return
        if self.rider is not None:
            self.gathering = True  # what it puts here is sent here
            try:
                self.rider()
            finally:
                self.gathering = False
        batch = self._queue[:_MOST_AT_ONCE]
        if not batch:
            return
        del self._queue[:_MOST_AT_ONCE]
        self._ahead = ahead and not self._under_way
        self._alone = len(batch) == 1
        self._under_way.extend(batch)
        self._expect(due_s or self._loop.time() + self._timeout_s)
        try:
            line.send(batch[0].packed if len(batch) == 1 else b"".join([call.packed for call in batch]))
        except RuntimeError:  # uvloop says so of a transport that was reset and has not told anybody yet
            self._break(timed_out=False)

    def _heard(self, reply: Any) -> None:
        under_way = self._under_way
        if not under_way:  # an answer to nothing: whose are those after it?
            self._break(timed_out=False)
            return
        call = under_way[0]
        if call.replies > 1:
            call.replies -= 1
            return
        under_way.popleft()
        if isinstance(reply, Exception):
            self._refused(call, reply)
        elif not call.answer.done():
            call.answer.set_result(reply)
        if not under_way:
            self.breaker.succeeded()
            if self._queue:
                self._flush_soon()

    def _refused(self, call: _Call, reply: Exception) -> None:
        script = call.script
        if isinstance(reply, NoScriptError) and script is not None and not call.loaded:
            call.loaded, call.replies = True, 1
            load = _Call(_packed((("SCRIPT", "LOAD", script.text),)), 1, _nobody())
            self._queue[:0] = [load, call]
        elif not call.answer.done():
            call.answer.set_exception(
                StoreRefused(f"{script.name}: {reply}" if script is not None else str(reply))
            )

    # Its end, if it is not answered

    def _expect(self, due_s: float) -> None:
        """Set the deadline of the batch, and with it that of one that went ahead. One timer is armed for many batches: it looks
        when the batch under way is due."""
        self._due_s, self._prolonged = due_s, False
        if self._alarm is None:
            self._alarm = self._loop.call_at(due_s, self._look)

    def _look(self) -> None:
        self._alarm = None
        if not self._under_way:
            return
        loop = self._loop
        late_s = loop.time() - self._due_s
        if late_s > _ONE_LOOK_S and not self._prolonged:
            # This alarm itself was late: the answer may be here, unread.
            self._due_s, self._prolonged, late_s = loop.time() + _ONE_LOOK_S, True, -_ONE_LOOK_S
        if late_s < 0:
            self._alarm = loop.call_at(self._due_s, self._look)
        else:
            self._break(timed_out=True)

    def _cut(self) -> None:
        """The connection ended by itself. Between two batches that is nobody's failure."""
        self._line = None
        if self._under_way:
            self._break(timed_out=False)
        else:
            self._wake.set()  # a call may have counted on it

    def _break(self, *, timed_out: bool) -> None:
        self._drop()
        self._failed(self._under_way, StoreAway, timed_out=timed_out)

    def _failed(self, calls: "deque[_Call]", fault: type[StoreAway], *, timed_out: bool) -> None:
        """A batch was not answered, nor what waited behind it for as long."""
        self.breaker.failed()
        _fail(calls, fault)
        if self.breaker.is_open or timed_out:
            _fail(self._queue, StoreUnsent)
        self._wake.set()

    def _drop(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.drop()

    # Connecting

    async def _connect(self) -> None:
        """Connect for the first batch that waits, and send it."""
        loop = self._loop
        due_s = loop.time() + self._timeout_s
        limit = asyncio.timeout(None)
        alarm = loop.call_at(due_s, _too_late, limit, due_s)
        try:
            async with limit:
                try:
                    self._line = await Line.opened(self._pool, self._heard, self._cut)
                finally:
                    # Inside: a limit that has ended takes no more alarms.
                    alarm.cancel()
        except (RedisError, OSError, EOFError, RuntimeError) as error:
            batch = deque(self._queue[:_MOST_AT_ONCE])
            del self._queue[:_MOST_AT_ONCE]
            timed_out = isinstance(error, TimeoutError | RedisTimeoutError)
            self._failed(batch, StoreUnsent, timed_out=timed_out)
        else:
            self.flush(due_s)

    async def _probe(self) -> None:
        """Ask whether Redis is back; the breaker closes when it answers."""
        await asyncio.sleep(PROBE_EVERY_S)
        ping = _Call(_packed((("PING",),)), 1, _nobody())
        self._queue.append(ping)
        if self._line is None:
            await self._connect()
        else:
            self.flush()
        with suppress(StoreAway):
            await ping.answer


def _packed(commands: Sequence[tuple[Word, ...]]) -> bytes:
    return b"".join([pack_command(words) for words in commands])  # type: ignore[arg-type]


def _too_late(limit: asyncio.Timeout, due_s: float) -> None:
    """End the wait, unless this alarm itself was late: then the answer may be here, unread."""
    now_s = asyncio.get_running_loop().time()
    limit.reschedule(now_s + (_ONE_LOOK_S if now_s - due_s > _ONE_LOOK_S else 0.0))


def _nobody() -> asyncio.Future[Any]:
    """A future whose outcome nobody waits for."""
    answer = asyncio.get_running_loop().create_future()
    answer.add_done_callback(lambda done: done.cancelled() or done.exception())
    return answer


def _fail(calls: "list[_Call] | deque[_Call]", fault: type[StoreAway]) -> None:
    while calls:
        call = calls.pop()
        if not call.answer.done():
            call.answer.set_exception(fault("Redis did not answer in time"))


@asynccontextmanager
async def connected(url: str, *, timeout_s: float = 5.0) -> AsyncIterator[Pipe]:
    """A pipe that runs while the block does: for commands and housekeeping."""
    pipe = Pipe(url, timeout_s=timeout_s)
    async with meanwhile(pipe.run()):
        yield pipe


@asynccontextmanager
async def meanwhile(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` while the block does, then cancel it and wait for its end."""
    running = asyncio.gather(work)
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
