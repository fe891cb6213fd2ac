"""Whose stored object (response, conversation, file, batch) this is, and on which deployment it lives.

In `keys` mode another key's object does not exist for the caller, so an owner that cannot be looked up is a refusal, never
a guess. Noting an owner never waits: it happens while the answer's first bytes go out. The first key that made an object
keeps it: some compatible servers let a caller choose the id of a response, and would let it choose somebody else's.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from proxy.errors import UpstreamUnavailable
from proxy.store import keys
from proxy.store.client import Pipe, StoreAway
from proxy.store.refusals import RETRY_AWAY_S

KEPT_S: Final = 31 * 86_400
"""Seconds an owner is kept after the object was last made or looked up."""
_REMEMBERED: Final = 4_096
_MOST_PENDING: Final = 100_000
"""Owners that wait for Redis; beyond them the oldest objects become nobody's."""
_AT_ONCE: Final = 256
_RETRY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Owner:
    """The key that made an object, and the deployment (provider) that has it."""

    key_id: str
    deployment: str


class StoredObjects:
    """One per worker; `run` must be running for owners to be noted."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._recent: OrderedDict[str, Owner] = OrderedDict()
        self._pending: dict[str, Owner] = {}
        self._wake = asyncio.Event()

    def note(self, object_id: str, owner: Owner) -> None:
        """Remember whose object this is, unless it has an owner. Does not wait; it is written soon, and known here at once."""
        if object_id in self._recent or not object_id.isascii():
            return
        self._pending.setdefault(object_id, owner)
        if len(self._pending) > _MOST_PENDING:
            del self._pending[next(iter(self._pending))]
        self._wake.set()

    async def owner(self, object_id: str) -> Owner | None:
        """Who made it; None when nobody known did. Raises UpstreamUnavailable when that cannot be known now."""
        if not object_id.isascii():
            return None  # no provider makes such ids; not everything that a URL can hold can be a key
        known = self._recent.get(object_id)
        if known is not None:
            return known
        try:
            kept = _owner(await self._pipe.call("GETEX", keys.stored_object(object_id), "EX", KEPT_S))
        except StoreAway:
            if object_id in self._pending:
                return self._pending[object_id]
            raise UpstreamUnavailable(
                "Stored objects cannot be looked up at the moment.", retry_after_s=RETRY_AWAY_S
            ) from None
        return kept or self._pending.get(object_id) or self._recent.get(object_id)

    async def owned_by(self, key_id: str, object_ids: list[str]) -> list[str]:
        """Those of the objects that this key made, in their order (to filter lists). Raises UpstreamUnavailable."""
        owners = await asyncio.gather(*[self.owner(object_id) for object_id in object_ids])
        return [
            i
            for i, owner in zip(object_ids, owners, strict=True)
            if owner is not None and owner.key_id == key_id
        ]

    def forget(self, object_id: str) -> None:
        """The object was deleted; its owner is kept until the record ends, so that nobody else can claim the id."""
        self._recent.pop(object_id, None)

    async def run(self) -> None:
        """Write what is noted, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if not await self.flush():
                await asyncio.sleep(_RETRY_S)
                self._wake.set()

    async def flush(self) -> bool:
        """Write everything noted so far; False when Redis is away and it must be tried again."""
        while batch := list(islice(self._pending.items(), _AT_ONCE)):
            try:
                kept = await asyncio.gather(*[self._claim(object_id, owner) for object_id, owner in batch])
            except StoreAway:
                return False
            for (object_id, _), owner in zip(batch, kept, strict=True):
                self._pending.pop(object_id, None)
                self._recent[object_id] = owner
                if len(self._recent) > _REMEMBERED:
                    self._recent.popitem(last=False)
        return True

    async def _claim(self, object_id: str, owner: Owner) -> Owner:
        """Write the owner of an object that has none; returns who it then belongs to."""
        key, words = keys.stored_object(object_id), f"{owner.key_id}\n{owner.deployment}"
        earlier = await self._pipe.call("SET", key, words, "NX", "GET", "EX", KEPT_S)
        return _owner(earlier) or owner


def _owner(value: Any) -> Owner | None:
    if value is None:
        return None
    key_id, _, deployment = value.decode().partition("\n")
    return Owner(key_id, deployment)
