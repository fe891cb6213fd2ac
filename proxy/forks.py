"""The first workers are forked, not started: they have what the parent has loaded, at once and in the same memory.

Only a process without threads and without an event loop may fork safely, which the parent is for a moment. A worker that
takes the place of a dead one is therefore a new program (`control.py`); it is slower to start and shares nothing.
"""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Final, NoReturn

Work = Callable[[socket.socket], int]
"""A worker's life at its end of the wire; the exit status."""
_MOST_PATH_BYTES: Final = 4096


class Fork:
    """A forked process as the parent sees it, with what `asyncio.subprocess.Process` has of it, and our end of its wire."""

    def __init__(self, pid: int, wire: socket.socket) -> None:
        self.pid = pid
        self.wire = wire
        self.returncode: int | None = None

    async def wait(self) -> int:
        """Its exit status, negative for a signal. In a thread, which is there only while it ends: its wire has been closed."""
        if self.returncode is None:
            _, status = await asyncio.to_thread(os.waitpid, self.pid, 0)
            self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Its number is nobody else's until it has been waited for."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def equip(self, listener: socket.socket, metrics: str) -> None:
        """What a worker that is started anew finds on its command line. Lost without an error when it is gone."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self.wire, [metrics.encode()], [listener.fileno()])


def fork(count: int, work: Work) -> list[Fork]:
    """Fork workers that wait to be equipped, and end with the parent. Raises OSError when the system has no room."""
    # What is loaded by now is never looked through for garbage again, which would write on every page that is shared.
    gc.collect()
    gc.freeze()
    forks: list[Fork] = []
    for _ in range(count):
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            os.setsid()  # a Ctrl-C or a closed terminal reaches the parent alone
            for line in (ours, *[before.wire for before in forks]):
                line.close()  # held open here, they would hide the parent's end from the others
            _end(work, theirs)
        theirs.close()
        forks.append(Fork(pid, ours))
    return forks


def equipment(wire: socket.socket) -> tuple[socket.socket, str] | None:
    """In the worker: the listening socket and the folder for metrics; None when the parent ended first."""
    path, descriptors, _, _ = socket.recv_fds(wire, _MOST_PATH_BYTES, 1)
    if not descriptors:
        return None
    return socket.socket(fileno=descriptors[0]), path.decode()


def _end(work: Work, wire: socket.socket) -> NoReturn:
    """Live a forked process's life and end it: what the parent does when it ends is not this one's to do."""
    status = 1
    try:
        status = work(wire)
    except BaseException:  # noqa: BLE001 - nobody above could tell of it
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
