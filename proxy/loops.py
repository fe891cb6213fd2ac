"""Tool loops that a migration's change of share could tear apart: on which side they began, where all workers see it.

    begun   before a plan: the side of this request's loop, where the last change moved its unit and the loop may be older
    note    after an answer that may begin one: its side, for an hour

Only units that the last change moved are concerned, and only for as long as `LOOP_S` after it. A question nobody noted was
asked before the change, on the side its unit had then; the same is assumed while the store cannot be asked.
"""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import msgspec

from proxy.migration.assignment import Side
from proxy.migration.roads import LOOP_S, Road, Roads
from proxy.nouns import Caller
from proxy.parse import Request
from proxy.planning.candidates import traveller_of
from proxy.planning.plan import NOWHERE_BEGUN, Begun
from proxy.routing.stickiness import asking_of, talk_of
from proxy.store import keys
from proxy.store.client import Pipe, StoreAway
from proxy.tasks import TaskOwner
from proxy.trace import Trace

_SIDES: Final[dict[bytes, Side]] = {b"old": "old", b"new": "new"}


class Loops:
    """One per snapshot of the settings that has migrations. `pipe` None: there is no store to ask."""

    __slots__ = ("_pipe", "_roads", "_tasks")

    def __init__(self, roads: Roads, pipe: Pipe | None, tasks: TaskOwner) -> None:
        self._roads = tuple(roads.values())
        self._pipe = pipe
        self._tasks = tasks

    async def begun(self, request: Request, caller: Caller, now: float) -> Begun:
        """Where the tool loop that this request is a step of began, by migration."""
        roads = [road for road in self._roads if now - road.state.since < LOOP_S]
        question = _question(request, caller.key_id) if roads else b""
        if not question:
            return NOWHERE_BEGUN
        traveller = traveller_of(request, caller, NOWHERE_BEGUN)
        found = {}
        for road in roads:
            before = road.unsettled(traveller, now)
            if before is not None:
                found[road.name] = await self._noted(road, question) or before
        return found

    def note(self, trace: Trace, now: float) -> None:
        """Remember the side of an answer that may have begun a tool loop. Never waits."""
        request, arm = trace.request, trace.candidate.arm if trace.candidate is not None else None
        if self._pipe is None or arm is None or request is None or not _has_tools(request):
            return
        traveller = traveller_of(request, trace.caller, NOWHERE_BEGUN)
        road = next(road for road in self._roads if road.name == arm.migration)
        if road.unsettled(traveller, now) is not None:
            answer_id = trace.seen.answer_id if trace.seen is not None else ""
            for question in _begins(request, trace.caller.key_id, answer_id):
                self._tasks.start(self._write(self._pipe, _key(road, question), arm.side))

    async def _noted(self, road: Road, question: bytes) -> Side | None:
        if self._pipe is None:
            return None
        try:
            return _SIDES.get(await self._pipe.call("GET", _key(road, question)))
        except StoreAway:
            return None

    async def _write(self, pipe: Pipe, key: str, side: Side) -> None:
        with suppress(StoreAway):
            await pipe.call("SET", key, side, "EX", int(LOOP_S))


def _has_tools(request: Request) -> bool:
    return b"{" in request.fields.raw("tools") or b"{" in request.fields.raw("functions")


def _question(request: Request, key_id: str) -> bytes:
    """What a step of a tool loop goes back to: the answer it names, else its question; b"" for what is no such step."""
    before = request.fields.get("previous_response_id")
    if isinstance(before, str) and before:
        return _digest(key_id, before.encode("utf-8", "surrogatepass"))
    talk = talk_of(request.fields)
    if talk is None or not talk.in_tool_loop:
        return b""
    return _digest(key_id, msgspec.json.encode(talk.asking))


def _begins(request: Request, key_id: str, answer_id: str) -> Iterator[bytes]:
    """Everything a next step may go back to."""
    yield _digest(key_id, msgspec.json.encode(asking_of(request.fields)))
    if answer_id:
        yield _digest(key_id, answer_id.encode("utf-8", "surrogatepass"))


def _digest(key_id: str, what: bytes) -> bytes:
    return hashlib.blake2b(key_id.encode() + b"\0" + what, digest_size=16).digest()


def _key(road: Road, question: bytes) -> str:
    return keys.loop(hashlib.blake2b(road.name.encode() + question, digest_size=16).hexdigest())
