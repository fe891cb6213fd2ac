"""What workers learned from refusals, shared: each is told to all workers of all replicas, and outlives a restart.

A worker that learns something writes it down soon, without making a request wait. Everybody compares one number twice a second
and reads everything only when it has changed. While Redis is away each worker goes on with what it knows.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from proxy.store import keys
from proxy.store.accounts import POLL_S
from proxy.store.client import Pipe, StoreAway
from proxy.store.resp import pairs

_KEPT_S: Final = 8 * 86_400
"""Seconds the whole is kept after the last lesson; each has an expiry of its own, which is the reader's to judge."""


class SharedLessons:
    """One per worker. `changed(lessons as JSON)` is called with every new copy."""

    def __init__(self, pipe: Pipe, changed: Callable[[Iterable[bytes]], None]) -> None:
        self._pipe = pipe
        self._changed = changed
        self._pending: dict[str, bytes] = {}
        self._version: bytes | None = b"never read"

    def tell(self, about: str, lesson: bytes) -> None:
        """Have everybody know. Does not wait; written at the next look."""
        self._pending[about] = lesson

    async def run(self) -> None:
        """Write and read until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(POLL_S)

    async def look(self) -> None:
        """Write down what is new here, take up what is new elsewhere."""
        try:
            if told := dict(self._pending):
                await write_lessons(self._pipe, told)
                self._pending = {
                    about: lesson for about, lesson in self._pending.items() if told.get(about) != lesson
                }
            version = await self._pipe.call("GET", keys.LEARNED_VERSION)
            if version != self._version:
                known = await read_lessons(self._pipe)
                self._version = version
                self._changed({**known, **self._pending}.values())
        except StoreAway:
            return


async def read_lessons(pipe: Pipe) -> Mapping[str, bytes]:
    """Every lesson that was told, expired ones too. Raises StoreAway."""
    return pairs(await pipe.call("HGETALL", keys.LEARNED))


async def write_lessons(pipe: Pipe, told: Mapping[str, bytes]) -> None:
    """Add lessons; one about the same replaces what was there. Raises StoreAway."""
    words = [word for about, lesson in told.items() for word in (about, lesson)]
    await pipe.transaction(
        [
            ("HSET", keys.LEARNED, *words),
            ("EXPIRE", keys.LEARNED, _KEPT_S),
            ("INCR", keys.LEARNED_VERSION),
        ]
    )


async def drop_lessons(pipe: Pipe, about: Iterable[str]) -> None:
    """Have everybody forget. Raises StoreAway."""
    await pipe.transaction([("HDEL", keys.LEARNED, *about), ("INCR", keys.LEARNED_VERSION)])
