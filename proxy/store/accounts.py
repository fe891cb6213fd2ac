"""What operators change while the proxy runs (keys, limits, migrations) as every worker sees it: a copy, under a second old.

A worker looks twice a second at the number of changes and at the audit line of the last one, and reads everything only when
either is another. The number alone could come again: data that was emptied, restored or taken from a replica left behind
counts on from less. While Redis is away the last copy stays in force: known keys go on working, revocations come through as
soon as Redis is back.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

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
        self._last: list[Any] = []

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await self.poll()
            await asyncio.sleep(POLL_S)

    async def poll(self) -> bool:
        """Look once; whether there was something new."""
        try:
            last = await self._pipe.transaction([("GET", keys.VERSION), ("LRANGE", keys.AUDIT, 0, 0)])
            if last == self._last:
                return False
            made, limits, migrations = await asyncio.gather(
                self._pipe.call("HGETALL", keys.KEYS),
                self._pipe.call("HGETALL", keys.LIMITS),
                self._pipe.call("HGETALL", keys.MIGRATIONS),
            )
        except StoreAway:
            return False
        self._last = last
        limits_nano = {name: int(limit) for name, limit in pairs(limits).items()}
        self._changed(RunTime(pairs(made), limits_nano, states_in(pairs(migrations))))
        return True
