"""The life of a call that is passed through: what flow is for the hot endpoints, without planning and translation.

    read what names the model → home → whose objects → hold → send → relay → settle → record

Bodies and answers are streamed as they come; only JSON is read as a whole, where something in it must be judged. One
attempt at one deployment, no fallback: a body that was streamed away cannot be sent again, and SDKs retry by themselves.
The rules at the head of flow hold here too.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from proxy.errors import ApiError, UpstreamTimeout, UpstreamUnavailable
from proxy.headers import Header, downward
from proxy.incoming import Incoming, Sent, read_incoming
from proxy.money import Money
from proxy.named import Named, Page, ids_made, kept, own_page, read_page
from proxy.nouns import Call, Caller, Candidate, Endpoint, LedgerRow, Plan, PriceRow
from proxy.parse import Request
from proxy.plan import Planner
from proxy.surface import Answer, Match, cursor, listing, replaced
from proxy.tenants import Tenants
from proxy.trace import Trace
from proxy.upstreams import http
from proxy.upstreams.attempt import transport_failure
from proxy.upstreams.providers import Provider
from proxy.upstreams.refusals import Failed, answer_for, error_code, error_frame, retry_after_s
from proxy.upstreams.retry import Failure, classify

_SHUTTING_DOWN: Final = "The proxy is shutting down and had to cut this answer."
_BROKEN_OFF: Final = "The provider's answer broke off."
_CLIENT_CLOSED: Final = 499
_FREE: Final = PriceRow(0, 0, 0, 0, 0, 0, 0, 0, 0)
_MOST_REFUSAL_BYTES: Final = 1024 * 1024
_MOST_OBJECT_BYTES: Final = 64 * 1024 * 1024
_MOST_PAGES: Final = 20
_DOWN: Final = frozenset({b"content-disposition"})


class Client(Protocol):
    """flow's client, which can also be left with an answer that visibly broke off."""

    cutting: bool
    started: bool

    async def start(self, status: int, headers: list[Header]) -> None: ...
    async def write(self, block: bytes) -> None: ...
    async def end(self) -> None: ...
    async def whole(self, status: int, headers: list[Header], body: bytes) -> None: ...
    def abort(self) -> None: ...


class Rooms(Protocol):
    """What of flow's house a passed-through call enters."""

    @property
    def planner(self) -> Planner: ...
    @property
    def providers(self) -> Mapping[str, Provider]: ...
    @property
    def money(self) -> Money: ...
    @property
    def tenants(self) -> Tenants: ...
    @property
    def record(self) -> Callable[[LedgerRow, bool], None]: ...
    @property
    def clock(self) -> Callable[[], float]: ...
    @property
    def passthrough(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Passage:
    """One call: `call.target` is path and query, `call.raw` a body that was read; `upload` one that is still coming."""

    call: Call
    match: Match
    query: str = ""
    upload: Sent | None = None


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
        await _refuse(refusal, trace, client, rooms)
    except http.UpstreamError as error:
        await _failed(transport_failure(error), trace, client, rooms)
    except asyncio.CancelledError:
        if not client.cutting:
            trace.finish, trace.status = "client_gone", trace.status or _CLIENT_CLOSED
            raise
        await _break_off(_SHUTTING_DOWN, "cut", trace, client, rooms)
    finally:
        row = trace.row(rooms.clock())
        rooms.money.settle(trace, row)
        rooms.record(row, True)


async def _enter(passage: Passage, incoming: Incoming, trace: Trace, rooms: Rooms) -> Candidate:
    """Where the call goes, after everything that may refuse it: key, tenant, budgets."""
    operation, caller = passage.match.operation, trace.caller
    trace.request = _as_request(passage, incoming)
    candidate = rooms.planner.home(incoming.model, caller)
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
    await rooms.money.hold(trace.request, candidate, trace)
    return candidate


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
    provider = rooms.providers.get(candidate.provider)
    if provider is None:
        raise UpstreamUnavailable("The deployment that has this is no longer configured.", retry_after_s=60)
    body, length = incoming.body(candidate.edits)
    target = call.target
    if rooms.tenants.keeps and operation.answer is Answer.LIST:
        target = _with_query(passage, listing(operation, passage.query)[1])
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
        await _failed(await _read_refusal(response), trace, client, rooms)
        return
    kind = _header(response, b"content-type")
    wanted = passage.match.operation.answer
    if rooms.tenants.keeps and wanted is not Answer.ANYTHING and not kind.startswith(b"text/event-stream"):
        body = await response.read_all(_MOST_OBJECT_BYTES)
        if wanted is Answer.LIST:
            body = await _own_objects(passage, body, trace, rooms)
        elif trace.candidate is not None:
            rooms.tenants.made(ids_made(body), trace.caller, trace.candidate.provider)
        trace.finish = "stop"
        await client.whole(response.status, _headers(response.headers, trace, rooms), body)
        return
    if passage.match.operation.method == "DELETE":
        rooms.tenants.deleted(passage.match.object_id)
    await _stream(response, kind, trace, client, rooms)


async def _stream(response: http.Response, kind: bytes, trace: Trace, client: Client, rooms: Rooms) -> None:
    """Upstream's bytes as they arrive. What breaks off shows it: an error event among events, a cut connection else."""
    headers = _headers(response.headers, trace, rooms)
    if response.decoder is None and (length := _header(response, b"content-length")):
        headers.append((b"content-length", length))
    is_events = kind.startswith(b"text/event-stream")
    try:
        await client.start(response.status, headers)
        while block := await response.read_chunk():
            await client.write(block)
    except http.UpstreamError as error:
        trace.error = type(error).__name__
        await _break_off(_BROKEN_OFF, "error", trace, client, rooms, events=is_events)
        return
    except asyncio.CancelledError:
        if not client.cutting:
            raise
        await _break_off(_SHUTTING_DOWN, "cut", trace, client, rooms, events=is_events)
        return
    trace.finish = "stop"
    await client.end()


async def _own_objects(passage: Passage, first: bytes, trace: Trace, rooms: Rooms) -> bytes:
    """A list with the caller's own objects only: read on, page by page, until there are as many as were asked for.

    Within `_MOST_PAGES` of the provider's; beyond them the list says that there is more.
    """
    page = read_page(first)
    if page is None:
        raise UpstreamUnavailable("The provider's list could not be read.", retry_after_s=1)
    wanted, query = listing(passage.match.operation, passage.query)
    own: list[tuple[str, bytes]] = []
    for pages in range(1, _MOST_PAGES + 1):
        own += kept(page, await rooms.tenants.mine(page.ids, trace.caller))
        if len(own) > wanted or not page.has_more or not page.ids or pages == _MOST_PAGES:
            break
        page = await _next_page(passage, replaced(query, "after", page.ids[-1]), trace, rooms)
    shown = own[:wanted]
    has_more = len(own) > wanted or page.has_more
    return own_page(page, [each for each, _ in shown], [raw for _, raw in shown], has_more=has_more)


def _with_query(passage: Passage, query: str) -> bytes:
    return passage.call.target.partition(b"?")[0] + b"?" + query.encode()


async def _next_page(passage: Passage, query: str, trace: Trace, rooms: Rooms) -> Page:
    assert trace.candidate is not None
    provider = rooms.providers[trace.candidate.provider]
    response = await provider.relay(passage.call, b"GET", _with_query(passage, query), b"", None)
    try:
        page = read_page(await response.read_all(_MOST_OBJECT_BYTES)) if response.status == 200 else None
    finally:
        response.close()
    if page is None:
        raise UpstreamUnavailable("The provider's list could not be read to its end.", retry_after_s=1)
    return page


async def _read_refusal(response: http.Response) -> Failed:
    headers = tuple(response.headers)
    body = await response.read_all(_MOST_REFUSAL_BYTES)
    code = error_code(body) or ""
    return Failed(
        classify(response.status, code), response.status, headers, body, code, retry_after_s(headers)
    )


async def _failed(failed: Failed, trace: Trace, client: Client, rooms: Rooms) -> None:
    """There is no answer: say so as the API would."""
    trace.error, trace.status = failed.name, failed.status
    if failed.failure is Failure.TIMEOUT:
        await _refuse(UpstreamTimeout("The provider did not answer in time."), trace, client, rooms)
    elif failed.status == 0 and failed.failure is not Failure.UNREADABLE:
        gone = UpstreamUnavailable("The provider could not be reached.", retry_after_s=1)
        await _refuse(gone, trace, client, rooms)
    else:
        status, headers, body = answer_for(failed, passthrough=rooms.passthrough)
        trace.status = status
        await client.whole(status, _with_id(_headers(list(headers), trace, rooms), trace), body)


async def _refuse(refusal: ApiError, trace: Trace, client: Client, rooms: Rooms) -> None:
    trace.status = refusal.status
    if client.started:
        client.abort()
        return
    headers = _with_id(_headers(list(refusal.headers()), trace, rooms), trace)
    await client.whole(refusal.status, headers, refusal.body())


async def _break_off(
    message: str, finish: str, trace: Trace, client: Client, rooms: Rooms, *, events: bool = False
) -> None:
    """End an answer that cannot be completed, so that nobody takes it for a whole one."""
    trace.finish, trace.error = finish, trace.error or finish
    if not client.started:
        await _refuse(UpstreamUnavailable(message, retry_after_s=1), trace, client, rooms)
    elif events:
        await client.write(error_frame(trace.call.endpoint, message))
        await client.end()
    else:
        client.abort()


def _header(response: http.Response, name: bytes) -> bytes:
    return next((value for known, value in response.headers if known == name), b"")


def _headers(upstream: list[Header], trace: Trace, rooms: Rooms) -> list[Header]:
    headers = downward(upstream, own_limits=bool(trace.rates))
    headers += [(name, value) for name, value in upstream if name in _DOWN]
    headers += trace.rates
    headers += trace.headers(rooms.clock())
    return headers


def _with_id(headers: list[Header], trace: Trace) -> list[Header]:
    if not any(name == b"x-request-id" for name, _ in headers):
        headers.append((b"x-request-id", trace.call.id.encode()))
    return headers
