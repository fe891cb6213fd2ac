"""Stored objects belong to the key that made them: who may refer to what, and which deployment has it.

Only in `keys` mode; elsewhere a `Tenants` keeps nothing and admits everybody. An object nobody is known to have made does
not exist for any key: what another key made and what never was are answered alike. A request that names stored objects
goes to the deployment that has them, and nowhere else.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from proxy.errors import BadRequest, UpstreamUnavailable
from proxy.named import Named, item_ids, named_in
from proxy.nouns import Caller, Candidate, Endpoint, Reason
from proxy.parse import Request
from proxy.store.objects import Owner, StoredObjects
from proxy.trace import Trace

_RESPONSES: Final = Endpoint.RESPONSES
_MOST_NAMED: Final = 2_000
"""More than any conversation refers to; each one is a look into the store."""


class Tenants:
    """`keeps`: owners are kept (mode `keys`). `objects` None: there is no store, so no object can be told to be anybody's.
    `deployments` are those there are now: an object may be on one that is gone."""

    __slots__ = ("_deployments", "_objects", "keeps")

    def __init__(self, objects: StoredObjects | None, deployments: Collection[str], *, keeps: bool) -> None:
        self._objects = objects
        self._deployments = deployments
        self.keeps = keeps

    async def admit(
        self, request: Request, candidates: tuple[Candidate, ...], caller: Caller
    ) -> tuple[Candidate, ...]:
        """The candidates that may answer: those on the deployment that has what the request names.

        Raises NotFound for what is not the caller's, BadRequest, UpstreamUnavailable.
        """
        if not self.keeps:
            return candidates
        named = named_in(request.fields)
        deployment = await self.home(named, caller) if named else ""
        if not deployment:
            return candidates
        there = [each for each in candidates if each.provider == deployment]
        # Planned for elsewhere only: what is asked goes to where its objects are, as it would have gone there.
        chosen = there or [replace(candidates[0], provider=deployment)]
        return tuple([replace(each, reason=Reason.PINNED) for each in chosen])

    async def home(self, named: Sequence[Named], caller: Caller) -> str:
        """The deployment that has the first of these objects, all of which are the caller's; `""` without any.

        Raises NotFound, BadRequest for too many, UpstreamUnavailable.
        """
        if not self.keeps or not named:
            return ""
        if len(named) > _MOST_NAMED:
            raise BadRequest(f"A request may name at most {_MOST_NAMED} stored objects.")
        store = self._store()
        owners = await asyncio.gather(*[store.owner(each.id) for each in named])
        deployments = []
        for each, owner in zip(named, owners, strict=True):
            if owner is None or owner.key_id != caller.key_id:
                raise each.missing()
            deployments.append(owner.deployment)
        if deployments[0] not in self._deployments:
            raise UpstreamUnavailable(
                "The deployment that has this is no longer configured.", retry_after_s=60
            )
        return deployments[0]

    async def mine(self, ids: Sequence[str], caller: Caller) -> set[str]:
        """Those of the objects that the caller made. Raises UpstreamUnavailable."""
        return set(await self._store().owned_by(caller.key_id, [each for each in ids if each]))

    def answered(self, trace: Trace) -> None:
        """Note whose the answer of an attempt is, as far as its ids are known, if it is stored. Never waits."""
        seen, request, candidate = trace.seen, trace.request, trace.candidate
        if not self.keeps or seen is None or not seen.answer_id or request is None or candidate is None:
            return
        if _is_stored(request) and not candidate.bridged:
            self.made([seen.answer_id, *item_ids(seen.items)], trace.caller, candidate.provider)

    def made(self, ids: Iterable[str], caller: Caller, deployment: str) -> None:
        """These objects are the caller's. Never waits."""
        if self.keeps and self._objects is not None:
            owner = Owner(caller.key_id, deployment)
            for each in ids:
                self._objects.note(each, owner)

    def deleted(self, object_id: str) -> None:
        """The object is gone at its deployment."""
        if self._objects is not None:
            self._objects.forget(object_id)

    def _store(self) -> StoredObjects:
        if self._objects is None:
            raise UpstreamUnavailable(
                "This proxy runs without Redis, so it cannot tell whose a stored object is.", retry_after_s=60
            )
        return self._objects


def _is_stored(request: Request) -> bool:
    """Responses are stored unless told not to, chat completions only when asked to."""
    store = request.fields.raws.get("store")
    return store != b"false" if request.endpoint is _RESPONSES else store == b"true"
