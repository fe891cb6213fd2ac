"""The life of a call that is passed through: what flow is for the hot endpoints, without planning and translation.

    read what names the model → home → whose objects → hold → (batch file) → send → relay → settle → record

Bodies and answers are streamed as they come; only JSON is read as a whole, where something in it must be judged. One
attempt at one deployment, no fallback: a body that was streamed away cannot be sent again, and SDKs retry by themselves.
The rules at the head of flow hold here too.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from proxy.errors import ApiError
from proxy.named import Named, ids_made
from proxy.nouns import Caller, Candidate, Endpoint, Plan, PriceRow
from proxy.parse import Request
from proxy.passthrough.batchfile import look_through
from proxy.passthrough.endings import break_off, headers, pass_on, refuse
from proxy.passthrough.incoming import Incoming, read_incoming
from proxy.passthrough.lists import MOST_BYTES, own_objects, with_query
from proxy.passthrough.passage import Client, Passage, Rooms
from proxy.passthrough.surface import Answer, cursor, listing
from proxy.trace import Trace
from proxy.upstreams import http
from proxy.upstreams.attempt import transport_failure
from proxy.upstreams.refusals import BROKEN_OFF, SHUTTING_DOWN, Failed, error_code, retry_after_s
from proxy.upstreams.retry import classify

_FREE: Final = PriceRow(0, 0, 0, 0, 0, 0, 0, 0, 0)
_MOST_REFUSAL_BYTES: Final = 1024 * 1024


async def pass_through(passage: Passage, caller: Caller, client: Client, rooms: Rooms) -> None:
    """Answer one call. Raises only CancelledError, when the client left, and what reading the upload raises of its own."""
    trace = Trace(passage.call, caller)
    try:
        incoming = await read_incoming(passage.match.operation, passage.call, passage.upload, caller)
        candidate = await _enter(passage, incoming, trace, rooms)
        response = await _send(passage, incoming, candidate, trace, rooms)
        try:
            await _relay(passage, response, trace, client, rooms)
        finally:
            response.close()
    except ApiError as refusal:
        trace.refused(refusal)
        await refuse(refusal, trace, client, rooms)
    except http.UpstreamError as error:
        await pass_on(transport_failure(error), trace, client, rooms)
    except asyncio.CancelledError:
        if not client.cutting:
            trace.left()
            raise
        await break_off(SHUTTING_DOWN, "cut", trace, client, rooms)
    finally:
        row = trace.row(rooms.clock())
        told = row.as_json()
        rooms.money.settle(trace, row, told)
        rooms.record(row, told, True, 0)


async def _enter(passage: Passage, incoming: Incoming, trace: Trace, rooms: Rooms) -> Candidate:
    """Where the call goes, after everything that may refuse it: key, tenant, budgets."""
    operation, caller = passage.match.operation, trace.caller
    request = _as_request(passage, incoming)
    trace.parsed(request)
    candidate = rooms.planner.home(incoming.model, caller, trace.call.at)
    pointed = passage.match.object_id or (cursor(passage.query) if operation.answer is Answer.LIST else "")
    named = (Named(operation.kind, pointed), *incoming.named) if pointed else incoming.named
    deployment = await rooms.tenants.home(named, caller)
    candidate = replace(
        candidate,
        provider=deployment or candidate.provider,
        price=None if operation.unpriced else _FREE,
    )
    trace.plan = Plan(asked=incoming.model, candidates=(candidate,))
    trace.considering(candidate, fallback=False)
    await rooms.money.hold(request, candidate, trace, _as_it_is)
    if operation.lines and rooms.tenants.keeps:
        await look_through(passage, candidate, caller, rooms, incoming.fields.get("input_file_id"))
    return candidate


def _as_it_is(_edits: Mapping[str, bytes]) -> None:
    """A call that is passed through is not edited, whatever was held for it."""


def _as_request(passage: Passage, incoming: Incoming) -> Request:
    """The call as money and the ledger see it: nothing that is priced in tokens, whatever the endpoint."""
    user = incoming.fields.get("user")
    return Request(
        endpoint=Endpoint.FILES,
        fields=incoming.fields,
        model=incoming.model,
        stream=incoming.fields.raw("stream") == b"true",
        asks_usage=False,
        user=user if isinstance(user, str) else "",
        size_bytes=len(passage.call.raw),
    )


async def _send(
    passage: Passage, incoming: Incoming, candidate: Candidate, trace: Trace, rooms: Rooms
) -> http.Response:
    call, operation = passage.call, passage.match.operation
    provider = rooms.providers[candidate.provider]
    body, length = incoming.body(candidate.edits)
    target = call.target
    if rooms.tenants.keeps and operation.answer is Answer.LIST:
        target = with_query(passage, listing(operation, passage.query)[1])
    trace.sending(rooms.clock())
    try:
        return await provider.relay(call, operation.method.encode(), target, body, length)
    finally:
        trace.heard(rooms.clock())


async def _relay(
    passage: Passage, response: http.Response, trace: Trace, client: Client, rooms: Rooms
) -> None:
    trace.status = response.status
    if response.status >= 400:
        await pass_on(await _read_refusal(response), trace, client, rooms)
        return
    kind = _header(response, b"content-type")
    wanted = passage.match.operation.answer
    if rooms.tenants.keeps and wanted is not Answer.ANYTHING and not kind.startswith(b"text/event-stream"):
        body = await response.read_all(MOST_BYTES)
        if wanted is Answer.LIST:
            body = await own_objects(passage, body, trace, rooms)
        elif trace.candidate is not None:
            rooms.tenants.made(ids_made(body), trace.caller, trace.candidate.provider)
        trace.finish = "stop"
        await client.whole(response.status, headers(response.headers, trace, rooms), body)
        return
    if passage.match.operation.method == "DELETE":
        rooms.tenants.deleted(passage.match.object_id)
    await _stream(response, kind, trace, client, rooms)


async def _stream(response: http.Response, kind: bytes, trace: Trace, client: Client, rooms: Rooms) -> None:
    """Upstream's bytes as they arrive. What breaks off shows it: an error event among events, a cut connection else."""
    down = headers(response.headers, trace, rooms)
    length = _header(response, b"content-length") if response.decoder is None else b""
    is_events = kind.startswith(b"text/event-stream")
    try:
        if length:
            await client.start_sized(response.status, down, length)
        else:
            await client.start(response.status, down)
        while block := await response.read_chunk():
            await client.write(block)
    except http.UpstreamError as error:
        trace.error = type(error).__name__
        await break_off(BROKEN_OFF, "error", trace, client, rooms, events=is_events)
        return
    except asyncio.CancelledError:
        if not client.cutting:
            raise
        await break_off(SHUTTING_DOWN, "cut", trace, client, rooms, events=is_events)
        return
    trace.finish = "stop"
    await client.end()


async def _read_refusal(response: http.Response) -> Failed:
    status, said = response.status, tuple(response.headers)
    body = await response.read_all(_MOST_REFUSAL_BYTES)
    code = error_code(body) or ""
    return Failed(classify(status, code), status, said, body, code, retry_after_s(said))


def _header(response: http.Response, name: bytes) -> bytes:
    return next((value for known, value in response.headers if known == name), b"")
