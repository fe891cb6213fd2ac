"""The wire between the parent and a worker, and the process at its other end.

    parent → worker   {"run": blueprint}       take up this configuration
    worker → parent   {"ready": pid}           accepting requests
                      {"running": ok, "why"}   the answer to every `run` but the first
                      {"dates": […]}           what providers publish of their models' ends, when it changed

One JSON object a line over a socket pair. Either side reads the end of the line as the other's death: a worker whose
parent is gone drains and ends.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from proxy.app.blueprint import Blueprint
from proxy.process.forks import Fork

_PACKAGE_HOME: Final = str(Path(__file__).resolve().parents[2])
"""Where a worker finds this package, whatever directory the command was started in."""
_MOST_LINE_BYTES: Final = 64 * 1024 * 1024


class Control:
    """One end of the wire."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, sock: socket.socket) -> "Control":
        """Take over a connected socket."""
        reader, writer = await asyncio.open_unix_connection(sock=sock, limit=_MOST_LINE_BYTES)
        return cls(reader, writer)

    def send(self, **message: Any) -> None:
        """Queue one message; lost without an error when the other side is gone."""
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def receive(self) -> dict[str, Any] | None:
        """The next message; None when the other side is gone."""
        try:
            line = await self._reader.readline()
        except ConnectionError:
            return None
        # Half a line is what is left of a process that was killed while it wrote.
        message: dict[str, Any] | None = json.loads(line) if line.endswith(b"\n") else None
        return message

    def close(self) -> None:
        self._writer.close()


class WorkerProcess:
    """A worker as the parent sees it: a process and the control wire to it. It waits for its first `run`."""

    def __init__(self, process: asyncio.subprocess.Process | Fork, control: Control) -> None:
        self._process = process
        self._control = control
        self.is_ready = False

    @classmethod
    async def start(cls, listener: socket.socket, metrics: Path) -> "WorkerProcess":
        """A new process on the listening socket. Raises OSError when the system has no room for one.

        It gets a session of its own, so that a Ctrl-C or a closed terminal reaches the parent alone, and is told not to
        look for modules in the current directory (`-P`): what lies there is not ours to run.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-P", "-m", "proxy.process.worker"),
                    *("--listener", str(listener.fileno())),
                    *("--wire", str(theirs.fileno())),
                    *("--metrics", str(metrics)),
                    pass_fds=(listener.fileno(), theirs.fileno()),
                    env={**os.environ, "PYTHONPATH": _PACKAGE_HOME},
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                raise
        return cls(process, await Control.over(ours))

    @classmethod
    async def adopt(cls, fork: Fork, listener: socket.socket, metrics: Path) -> "WorkerProcess":
        """A process that was forked before there was anything to give it. One that is gone shows it as any other does."""
        fork.equip(listener, str(metrics))
        return cls(fork, await Control.over(fork.wire))

    @property
    def pid(self) -> int:
        return self._process.pid

    def run(self, blueprint: Blueprint) -> None:
        """Have it take up a configuration that has been checked."""
        self._control.send(run=asdict(blueprint))

    async def words(self) -> AsyncIterator[dict[str, Any]]:
        """What it says, until it ends."""
        while (message := await self._control.receive()) is not None:
            self.is_ready = self.is_ready or "ready" in message
            yield message

    async def ended(self) -> int:
        """Wait for its end; the exit status, negative for a signal."""
        status = await self._process.wait()
        self.is_ready = False
        self._control.close()
        return status

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it if it is still there."""
        if self._process.returncode is None:
            self._process.send_signal(number)


async def start_demo(url: str) -> asyncio.subprocess.Process:
    """A process that sends traffic to `url` for a while; it ends with its standard input, so with us. Raises OSError."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "proxy.console.demo", url),
        stdin=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": _PACKAGE_HOME},
        start_new_session=True,
    )


def unpack(value: dict[str, Any]) -> Blueprint:
    """The blueprint a message carries."""
    return Blueprint(**value)
