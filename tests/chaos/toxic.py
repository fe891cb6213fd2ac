"""A TCP proxy that misbehaves on command: between a program and Redis, or between a program and a provider.

async with Toxic(upstream) as link:      # upstream: ("127.0.0.1", 6379) or a unix socket's path
    link.latency_s = 2.0                 # every block waits
    link.frozen = True                   # nothing passes, connections stay open
    link.cut_after_bytes = 20            # answers break off after so many bytes, then reset
    link.slice_bytes = 1                 # answers come in slices of one byte
    link.refusing = True                 # connections are reset at once
    link.reset_all()                     # every open connection is reset now
"""

import asyncio
import contextlib
import socket
import struct
import threading


class Toxic:
    """Passes bytes both ways; `port` is where it listens. Faults apply to open connections too."""

    def __init__(self, upstream):
        self.upstream = upstream
        self.heal()
        self._tasks = set()
        self._writers = set()

    def heal(self):
        """No faults."""
        self.latency_s = 0.0
        self.frozen = False
        self.cut_after_bytes = None
        self.slice_bytes = None
        self.refusing = False

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        self._reset_now()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self):
        """For Redis clients."""
        return f"redis://127.0.0.1:{self.port}"

    def reset_all(self):
        """RST instead of FIN on every connection, from whatever thread."""
        self._server.get_loop().call_soon_threadsafe(self._reset_now)

    def _reset_now(self):
        for writer in list(self._writers):
            _reset(writer)

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.refusing:
            _reset(writer)
            return
        try:
            there, back = await self._connect()
        except OSError:
            _reset(writer)
            return
        self._writers |= {writer, back}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, back, answers=False))
                group.create_task(self._pass(there, writer, answers=True))
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            for each in (writer, back):
                self._writers.discard(each)
                _reset(each)

    async def _connect(self):
        if isinstance(self.upstream, tuple):
            return await asyncio.open_connection(*self.upstream)
        return await asyncio.open_unix_connection(self.upstream)

    async def _pass(self, reader, writer, *, answers):
        passed = 0
        while block := await reader.read(65536):
            while self.frozen:
                await asyncio.sleep(0.005)
            if self.latency_s:
                await asyncio.sleep(self.latency_s)
            if answers and self.cut_after_bytes is not None:
                writer.write(block[: max(0, self.cut_after_bytes - passed)])
                passed += len(block)
                if passed >= self.cut_after_bytes:
                    raise ConnectionResetError
                continue
            for piece in _slices(block, self.slice_bytes if answers else None):
                writer.write(piece)
                await writer.drain()
        raise ConnectionResetError


@contextlib.contextmanager
def toxic(upstream):
    """A toxic proxy in a thread of its own, for programs that are waited for here. Its faults may be set from this thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work):
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    link = Toxic(upstream)
    try:
        run(link.__aenter__())
        try:
            yield link
        finally:
            run(link.__aexit__())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _slices(block, size):
    return [block] if not size else [block[i : i + size] for i in range(0, len(block), size)]


def _reset(writer):
    with contextlib.suppress(OSError, RuntimeError):
        sock = writer.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
