"""What every connection of one data port shares: its limits, a coarse clock, and the sets of what is open.

The clock is read once per sweep, not once per request: a connection stamps its phases with `Door.now` (an attribute
load) and the sweep compares ages. A stamp can be one sweep old, so limits are met between `limit` and
`limit + 2 * sweep_s`, never early.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Protocol

from uvicorn.server import ServerState


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """What one client may take of the data port before it is turned away."""

    idle_s: float = 10.0  # a fresh connection that says nothing
    head_s: float = 10.0  # from the first byte of a request to the end of its headers
    body_s: float = 10.0  # without a single byte of an unfinished body
    body_grace_s: float = 30.0  # before the total rate of a body is judged
    body_min_rate_bytes: float = 4096.0  # per second, after the grace
    keep_alive_s: float = 75.0  # between two requests; longer than the pools of clients keep a connection
    linger_s: float = 5.0  # reading on after a refusal, so that the client gets to see it
    write_stall_s: float = 120.0  # a reader that takes nothing at all
    newcomer_s: float = (
        1.0  # into a drain: a connection accepted just before has usually sent its request already
    )
    cut_s: float = 2.0  # for answers to end by themselves once a drain asked them to
    sweep_s: float = 1.0
    head_bytes: int = 65_536
    head_fields: int = 150
    target_bytes: int = 8_192
    framing_bytes: int = 16_384  # chunk extensions and trailers between two bytes of a body
    pipelined: int = 16
    backlog: int = 2048


Callback = Callable[[], None]


class Connected(Protocol):
    """A connection as the door sees it."""

    transport: asyncio.Transport

    @property
    def may_ask(self) -> bool: ...

    def sweep(self, now: float) -> None: ...

    def shutdown(self) -> None: ...


class Running(Protocol):
    """An exchange as the drain sees it."""

    def cut(self) -> None: ...


class Door(ServerState):
    """uvicorn's shared state, plus ours. One per listening server; all of it belongs to one event loop."""

    def __init__(self, limits: DoorLimits, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.limits = limits
        self.loop = loop
        self.now = loop.time()
        self.draining = False
        self.open: set[Connected] = set()
        self.exchanges: set[Running] = set()
        self.date_line = date_line()
        self.changed = asyncio.Event()
        # Indexed by reading.FRESH …: how long a connection may stay in that state when nothing is being answered.
        # A body has its own rule, so its entry is never consulted.
        self.patience_s = (limits.idle_s, limits.keep_alive_s, limits.head_s, limits.body_s, limits.linger_s)

    def left(self) -> None:
        """Something ended; only a drain waits for that."""
        self.changed.set()


def date_line() -> bytes:
    """The `date` header as it stands now, line end included; renewed by the sweep."""
    return b"date: %b\r\n" % formatdate(usegmt=True).encode()
