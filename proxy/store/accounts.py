"""What operators change while the proxy runs (keys, limits, migrations) as every worker sees it: a copy, under a second old.

A worker compares one number twice a second and reads everything only when it has changed. While Redis is away the last copy
stays in force: known keys go on working, revocations come through as soon as Redis is back.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.migration.state import State
from proxy.store import keys
from proxy.store.client import Pipe, StoreAway
from proxy.store.migrations import states_in
from proxy.store.resp import pairs

POLL_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class RunTime:
    """What operators changed while the proxy runs: key settings as JSON by hash, limits in nano-dollars by budget, states
    of migrations by name."""

    keys: Mapping[str, bytes] = field(default_factory=dict)
    limits_nano: Mapping[str, int] = field(default_factory=dict)
    migrations: Mapping[str, State] = field(default_factory=dict)


class Accounts:
    """`changed` is called with every new copy."""

    def __init__(self, pipe: Pipe, changed: Callable[[RunTime], None]) -> None:
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
            made, limits, migrations = await asyncio.gather(
                self._pipe.call("HGETALL", keys.KEYS),
                self._pipe.call("HGETALL", keys.LIMITS),
                self._pipe.call("HGETALL", keys.MIGRATIONS),
            )
        except StoreAway:
            return False
        self._version = version
        limits_nano = {name: int(limit) for name, limit in pairs(limits).items()}
        self._changed(RunTime(pairs(made), limits_nano, states_in(pairs(migrations))))
        return True
