"""One pipeline for all calls of an event-loop tick, over one connection of the `redis` package.

Calls are queued and sent together; while their answers are awaited the next batch gathers, so that the busier the process,
the fewer its writes. Answers belong to calls by their order alone, hence the one rule: whenever a batch does not end
normally (deadline, cut, cancelled process), the connection is thrown away with everything that may still be in it.

Nothing is ever sent twice: the package's default retry repeats an INCR whose answer was slow. The one exception is a script
Redis does not know yet, which it says without having run anything.

A batch that is not answered within `timeout_s`, connecting included, fails together with what queued behind it. A deadline
that passed only because this process was too busy to look is prolonged by one look. After the breaker opens (see
`outage`), calls fail at once and only a PING goes out now and then, until one is answered.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from hiredis import pack_command
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

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
    """Redis answered, with a refusal: out of memory, read-only since a failover, no permission. Nothing was done."""


@dataclass(slots=True, eq=False)
class _Call:
    """`packed` is one or more commands, whose last answer counts (a transaction's EXEC). `script` is what to load when
    Redis does not know it; cleared once it was loaded."""

    packed: bytes
    replies: int
    answer: asyncio.Future[Any]
    script: Script | None = field(default=None, repr=False)


class Pipe:
    """Calls in, futures out; `run` must be running for them to be answered."""

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
        self._wake = asyncio.Event()
        self._connection: AbstractConnection | None = None
        self.breaker = Breaker()

    @property
    def away(self) -> bool:
        """Whether calls would be refused at once."""
        return self.breaker.is_open

    def call(self, *words: Word) -> asyncio.Future[Any]:
        """One command. The future raises StoreAway."""
        return self._put((words,), None)

    def script(self, script: Script, keys: Sequence[str], args: Iterable[Word]) -> asyncio.Future[Any]:
        """One script, by its hash."""
        return self._put((("EVALSHA", script.sha, len(keys), *keys, *args),), script)

    def transaction(self, commands: Sequence[tuple[Word, ...]]) -> asyncio.Future[Any]:
        """Commands that nothing comes between; the future has the list of their answers."""
        return self._put((("MULTI",), *commands, ("EXEC",)), None)

    def _put(self, commands: Sequence[tuple[Word, ...]], script: Script | None) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        if self.breaker.is_open:
            answer.set_exception(StoreUnsent("Redis has not been answering"))
            return answer
        # Packed here, so that words that cannot be sent fail their caller and not the pipe.
        self._queue.append(_Call(_packed(commands), len(commands), answer, script))
        self._wake.set()
        return answer

    async def run(self) -> None:
        """Send and receive until cancelled."""
        try:
            while True:
                if self.breaker.is_open:
                    await self._probe()
                    continue
                await self._wake.wait()
                self._wake.clear()
                while self._queue and not self.breaker.is_open:
                    batch, self._queue = self._queue[:_MOST_AT_ONCE], self._queue[_MOST_AT_ONCE:]
                    await self._exchange(batch)
        finally:
            _fail(self._queue, StoreUnsent)
            await self._drop()

    async def _exchange(self, batch: list[_Call]) -> None:
        """Send a batch and hand out its answers. Every future of it is done afterwards, whatever happens."""
        unanswered = list(reversed(batch))
        fault: type[StoreAway] = StoreUnsent
        loop = asyncio.get_running_loop()
        limit = asyncio.timeout(None)
        alarm = loop.call_later(self._timeout_s, _too_late, limit, loop.time() + self._timeout_s)
        try:
            async with limit:
                try:
                    connection = await self._connected()
                    fault = StoreAway
                    await connection.send_packed_command(
                        b"".join([call.packed for call in batch]), check_health=False
                    )
                    while unanswered:
                        for _ in range(unanswered[-1].replies):
                            reply = await self._read(connection)
                        self._answer(unanswered.pop(), reply)
                finally:
                    # Inside: a limit that has ended takes no more alarms.
                    alarm.cancel()
            self.breaker.succeeded()
        except (RedisError, OSError, EOFError, RuntimeError) as error:
            # uvloop says RuntimeError of a transport that was reset and has not told anybody yet.
            await self._drop()
            self.breaker.failed()
            _fail(unanswered, fault)
            if self.breaker.is_open or isinstance(error, TimeoutError | RedisTimeoutError):
                _fail(self._queue, StoreUnsent)
        except asyncio.CancelledError:
            await self._drop()
            _fail(unanswered, fault)
            raise

    @staticmethod
    async def _read(connection: AbstractConnection) -> Any:
        try:
            return await connection.read_response(disable_decoding=True)
        except ResponseError as refusal:
            return refusal

    def _answer(self, call: _Call, reply: Any) -> None:
        if isinstance(reply, NoScriptError) and call.script is not None:
            script, call.script = call.script, None
            load = _Call(_packed((("SCRIPT", "LOAD", script.text),)), 1, _nobody())
            self._queue[:0] = [load, call]
            self._wake.set()
        elif call.answer.done():
            return
        elif isinstance(reply, Exception):
            call.answer.set_exception(StoreRefused(str(reply)))
        else:
            call.answer.set_result(reply)

    async def _connected(self) -> AbstractConnection:
        if self._connection is None:
            connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
            try:
                await connection.connect()
            except BaseException:
                await connection.disconnect(nowait=True)
                raise
            self._connection = connection
        return self._connection

    async def _drop(self) -> None:
        """Forget the connection and what may still arrive on it. Does not wait for anything."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    async def _probe(self) -> None:
        """Ask whether Redis is back; the breaker closes when it answers."""
        await asyncio.sleep(PROBE_EVERY_S)
        await self._exchange([_Call(_packed((("PING",),)), 1, _nobody())])


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


def _fail(calls: list[_Call], fault: type[StoreAway]) -> None:
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
