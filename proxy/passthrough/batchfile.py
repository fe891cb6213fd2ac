"""The requests inside a batch file, looked through before the batch is made: what a key may not send itself it may not
have sent for it.

The file is the caller's own and lives at the provider, where it cannot change; it is read once, line by line, and never
held. Each line may name the models of the caller's key and the caller's own stored objects, nothing else.
"""

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from proxy.errors import BadRequest, UpstreamUnavailable
from proxy.named import named_in, single
from proxy.nouns import Caller, Candidate
from proxy.parse import fields_of
from proxy.passthrough.passage import Passage, Rooms
from proxy.upstreams import http

_MOST_LINE_BYTES: Final = 16 * 1024 * 1024
_NAMES: Final = (b"_id", b'"container"', b'"conversation"', b"item_reference", b'"reasoning"', b"\\u00")
"""Without one of these a line names no stored object."""


async def look_through(
    passage: Passage, candidate: Candidate, caller: Caller, rooms: Rooms, file_id: Any
) -> None:
    """Raises BadRequest for a line that cannot be read, NotFound and NotAllowed for what it may not name."""
    if not isinstance(file_id, str):
        return
    provider = rooms.providers[candidate.provider]
    response = await provider.relay(passage.call, b"GET", b"/files/%b/content" % file_id.encode(), b"", None)
    try:
        if response.status != 200:
            raise UpstreamUnavailable("The batch file cannot be read at the moment.", retry_after_s=1)
        models: set[str] = set()
        async for line in _lines(response):
            if caller.models or any(mark in line for mark in _NAMES):
                await _judge(line, models, caller, rooms, passage.call.at)
    finally:
        response.close()


async def _judge(line: bytes, models: set[str], caller: Caller, rooms: Rooms, at: float) -> None:
    order = single(line)
    body = order.get("body") if isinstance(order, dict) else None
    if not isinstance(body, dict):
        raise BadRequest("Every line of a batch file is an object with a body.", param="input_file_id")
    model = body.get("model")
    if caller.models and not isinstance(model, str):
        raise BadRequest("you must provide a model parameter", param="input_file_id")
    if isinstance(model, str) and model not in models:
        rooms.planner.home(model, caller, at)
        models.add(model)
    await rooms.tenants.home(named_in(fields_of(msgspec.json.encode(body))), caller)


async def _lines(response: http.Response) -> AsyncIterator[bytes]:
    rest = b""
    while piece := await response.read_chunk():
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            if line.strip():
                yield line
        if len(rest) > _MOST_LINE_BYTES:
            raise BadRequest("A line of the batch file is too long.", param="input_file_id")
    if rest.strip():
        yield rest
