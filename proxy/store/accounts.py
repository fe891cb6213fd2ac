"""Keys and limits that operators change while the proxy runs, as every worker sees them: a copy, at most two seconds old.

A worker compares one number every 1.5 s and reads everything only when it has changed. While Redis is away the last copy
stays in force: known keys go on working, revocations come through as soon as Redis is back.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from proxy.store import keys
from proxy.store.client import Pipe, StoreAway

POLL_S: Final = 1.5


class Accounts:
    """`changed(key settings as JSON by hash, limits in nano-dollars by budget)` is called with every new copy."""

    def __init__(self, pipe: Pipe, changed: Callable[[Mapping[str, bytes], Mapping[str, int]], None]) -> None:
        self._pipe = pipe
        self._changed = changed
        self._version: bytes | None = b"never read"

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await self.poll()
            await asyncio.sleep(POLL_S)

    async def poll(self) -> bool:
        """Look once; whether there was something new."""
        try:
            version = await self._pipe.call("GET", keys.VERSION)
            if version == self._version:
                return False
            made, limits = await asyncio.gather(
                self._pipe.call("HGETALL", keys.KEYS), self._pipe.call("HGETALL", keys.LIMITS)
            )
        except StoreAway:
            return False
        self._version = version
        self._changed(pairs(made), {name: int(limit) for name, limit in pairs(limits).items()})
        return True


def pairs(flat: list[Any]) -> dict[str, bytes]:
    """A hash as Redis returns it: field, value, field, value."""
    return {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}
