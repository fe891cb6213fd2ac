"""The quieter endpoints of the data port: audio, images, files, batches, stored objects; and what is left out on purpose.

They pass the same gate, keys and limits as the hot ones. A multipart body is handed on while it arrives, so its size is
counted, not held; what is none of these endpoints goes on to the pages.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Protocol

from proxy.api.auth import KeyRing, allow_endpoint
from proxy.api.exchange import Exchange, exchange_of
from proxy.api.guard import ClientGone, Gate, Receive, Scope, Send, Ticket, read_body, refuse_coding
from proxy.api.outlet import Outlet
from proxy.api.signing import new_id, own_headers
from proxy.errors import ApiError, BodyTooLarge, MethodNotAllowed, NotFound, UpstreamUnavailable
from proxy.house import House
from proxy.nouns import Call
from proxy.passthrough.incoming import Sent, held_bytes, wants_form
from proxy.passthrough.line import pass_through
from proxy.passthrough.passage import Passage
from proxy.passthrough.surface import Match, is_known, left_out, match

ROOT: Final = b"/v1"
MAX_UPLOAD_BYTES: Final = 513 * 1024 * 1024
"""The largest file the API takes, 512 MB, with the form around it."""

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Port(Protocol):
    """What is needed of the data port."""

    house: House
    keys: KeyRing
    gate: Gate
    max_json_bytes: int

    @property
    def started(self) -> Callable[[], None]: ...
    @property
    def ended(self) -> Callable[[], None]: ...
    def turned_away(self, refusal: ApiError, endpoint: str, request_id: str) -> None: ...


class Surface:
    """Takes the paths it knows, leaves the others to `pages`."""

    def __init__(self, port: Port, pages: App) -> None:
        self._port = port
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = _path(scope)
        found = match(scope["method"], path) if path else None
        if found is not None:
            await _relay(self._port, found, scope, receive)
        elif refusal := _not_here(scope["method"], path):
            await _refuse(self._port, refusal, "", new_id(), Outlet(exchange_of(scope)))
        else:
            await self._pages(scope, receive, send)


def target_of(scope: Scope) -> bytes:
    """The path behind the API's root, with its query: what clients put there is meant for the provider."""
    path, query = scope["raw_path"][len(ROOT) :], scope["query_string"]
    return b"%b?%b" % (path, query) if query else path


def _path(scope: Scope) -> str:
    """The path behind the API's root as it was sent, `""` for another."""
    raw: bytes = scope["raw_path"]
    return raw[len(ROOT) :].decode("latin-1") if raw.startswith(ROOT + b"/") else ""


def _not_here(method: str, path: str) -> ApiError | None:
    if path and is_known(path):
        return MethodNotAllowed(f"Not allowed to {method} on /v1{path}.", code="method_not_supported")
    if path and (part := left_out(path)):
        return NotFound(
            f"Invalid URL ({method} /v1{path}). Switchyard leaves {part} out on purpose: call the provider directly."
        )
    return None


async def _relay(port: Port, found: Match, scope: Scope, receive: Receive) -> None:
    started_s, at = time.perf_counter(), time.time()
    request_id, endpoint = new_id(), found.operation.endpoint
    exchange = exchange_of(scope)
    outlet = Outlet(exchange)
    port.started()
    try:
        with port.gate.enter() as ticket:
            heading, query = exchange.heading, scope["query_string"]
            credential = heading.credential()
            caller = port.keys.identify(credential, at)
            allow_endpoint(caller, endpoint)
            ticket.claim(credential.header)
            if heading.coding and found.operation.method == "POST":
                refuse_coding(heading.coding)
            kind = next((value for name, value in heading.up if name == b"content-type"), b"")
            upload, raw = None, b""
            if wants_form(found.operation, kind):
                ticket.hold(held_bytes(found.operation, caller))
                upload = _sent(exchange, receive, kind)
            else:
                at_hand = exchange.request_complete
                raw = await _read(port, found, exchange, ticket)
                if not at_hand:
                    started_s = time.perf_counter()
            call = Call(
                id=request_id,
                endpoint=endpoint,
                target=target_of(scope),
                raw=raw,
                headers=heading.up,
                asks=heading.asks(),
                at=at,
                started_s=started_s,
                credentials=heading.credentials,
            )
            passage = Passage(call, found, query.decode("latin-1"), upload)
            await pass_through(passage, caller, outlet, port.house)
    except ApiError as refusal:
        await _refuse(port, refusal, endpoint.value, request_id, outlet)
    except ClientGone:
        return
    except asyncio.CancelledError:
        if not outlet.cutting or outlet.started:
            raise
        gone = UpstreamUnavailable("The proxy is shutting down.", retry_after_s=1)
        await _refuse(port, gone, endpoint.value, request_id, outlet)
    finally:
        port.ended()


async def _read(port: Port, found: Match, exchange: Exchange, ticket: Ticket) -> bytes:
    body = await read_body(exchange, port.max_json_bytes, ticket)
    return body if found.operation.method == "POST" else b""


def _sent(exchange: Exchange, receive: Receive, kind: bytes) -> Sent:
    declared = exchange.declared_bytes
    if declared is not None and declared > MAX_UPLOAD_BYTES:
        raise _too_large()
    return Sent(_pieces(receive), declared, kind)


async def _pieces(receive: Receive) -> AsyncIterator[bytes]:
    total_bytes, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece: bytes = message.get("body", b"")
        total_bytes += len(piece)
        if total_bytes > MAX_UPLOAD_BYTES:
            raise _too_large()
        more = message.get("more_body", False)
        if piece:
            yield piece


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"The request body is larger than the {MAX_UPLOAD_BYTES} bytes accepted here.")


async def _refuse(port: Port, refusal: ApiError, endpoint: str, request_id: str, outlet: Outlet) -> None:
    port.turned_away(refusal, endpoint, request_id)
    await outlet.whole(refusal.status, own_headers(refusal, request_id), refusal.body())
