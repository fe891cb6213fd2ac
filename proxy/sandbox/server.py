"""The sandbox as a server: uvicorn on httptools and uvloop, with the connection exposed so that faults can reset it."""

import argparse
import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date

import uvicorn
import uvloop
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from proxy.sandbox.app import Sandbox, create_app
from proxy.sandbox.config import SandboxConfig
from proxy.sandbox.line import TRANSPORT

Ready = Callable[[str], None]
"""Called once with the base URL (`http://host:port`) when the port is bound and answering."""

GRACE_S = 1
"""How long a stop waits for exchanges to notice that their connection was dropped."""


class _Protocol(HttpToolsProtocol):
    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[TRANSPORT] = self.transport  # type: ignore[literal-required]


class _Server(uvicorn.Server):
    """Says when it is up and leaves signals to whoever runs it."""

    def __init__(self, config: uvicorn.Config, up: Callable[[], None]) -> None:
        super().__init__(config)
        self._up = up

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._up()


async def serve(
    host: str,
    port: int,
    config: SandboxConfig,
    *,
    app: Sandbox | None = None,
    ready: Ready | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until `stop` is set (or this coroutine is cancelled). `port` 0 takes a free one.

    `app` serves an application made before, so that a test can read its log. Raises `OSError` when the port is taken.
    """
    sock = _listen(host, port)
    url = f"http://{f'[{host}]' if ':' in host else host}:{sock.getsockname()[1]}"
    served = app or create_app(config, time.time)
    options = uvicorn.Config(
        served,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = _Server(options, lambda: ready(url) if ready else None)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(_stop_with(stop, server, served)) if stop is not None else None
        try:
            await server.serve(sockets=[sock])
        except asyncio.CancelledError:
            served.hang_up()
            if server.started:
                await server.shutdown([sock])
            raise
        finally:
            sock.close()
            if waiting is not None:
                waiting.cancel()


async def _stop_with(stop: asyncio.Event, server: uvicorn.Server, app: Sandbox) -> None:
    await stop.wait()
    server.should_exit = True
    app.hang_up()


def _listen(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


async def run(host: str, port: int, config: SandboxConfig, ready: Ready) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(host, port, config, ready=ready, stop=stop)


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m proxy.sandbox [--port N]`: prints one line with its URL, then serves until it is told to stop."""
    parser = argparse.ArgumentParser(prog="switchyard sandbox", description="A strict simulated OpenAI.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=4010, help="0 takes a free port")
    parser.add_argument("--today", type=date.fromisoformat, help="pretend it is this day (YYYY-MM-DD)")
    parser.add_argument("--revive", default="", help="retired models that answer again: a,b,c or * for all")
    parser.add_argument(
        "--time-scale", type=float, default=0.02, help="1 is the real models' pace, 0 no waiting"
    )
    asked = parser.parse_args(argv)
    config = SandboxConfig(
        today=asked.today,
        revive=frozenset(name for name in asked.revive.split(",") if name),
        time_scale=asked.time_scale,
    )
    try:
        uvloop.run(run(asked.host, asked.port, config, _announce))
    except OSError as fault:
        parser.exit(1, f"switchyard sandbox: cannot listen on {asked.host}:{asked.port}: {fault.strerror}\n")
    return 0


def _announce(url: str) -> None:
    print(f"sandbox: a simulated OpenAI at {url}/v1 (any key; control at {url}/sandbox/)", flush=True)  # noqa: T201 - the command's one line
