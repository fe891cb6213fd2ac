"""The data port: hot endpoints dispatched straight to flow, everything else through FastAPI.

A request passes door → gate → auth → body → flow. The dispatcher looks only at method and path of the scope; nothing
here reads the request's URL or Host, which a client can write as it likes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from proxy.api.auth import KeyRing, allow_endpoint
from proxy.api.exchange import exchange_of
from proxy.api.guard import ClientGone, Gate, Receive, Scope, Send, read_body, refuse_coding
from proxy.api.listing import Listing
from proxy.api.me import Me
from proxy.api.outlet import Outlet
from proxy.api.pages import build_pages
from proxy.api.passthrough import Surface, target_of
from proxy.api.signing import new_id, own_headers
from proxy.errors import ApiError, UpstreamUnavailable
from proxy.flow import serve
from proxy.house import House
from proxy.nouns import Call, Endpoint

HOT: Final = {
    "/v1/chat/completions": Endpoint.CHAT,
    "/v1/responses": Endpoint.RESPONSES,
    "/v1/embeddings": Endpoint.EMBEDDINGS,
    "/v1/completions": Endpoint.COMPLETIONS,
    "/v1/moderations": Endpoint.MODERATIONS,
}


@dataclass(slots=True)
class DataPort:
    """What the data port works with at this moment. A reload replaces the fields; running requests keep the `house` they
    started with. `started` and `ended` stand around every request that is relayed; `refused` (error, endpoint, request id)
    hears of those that were turned away before they could leave a row."""

    house: House
    keys: KeyRing
    gate: Gate
    max_json_bytes: int
    listing: Listing
    is_ready: Callable[[], bool]
    started: Callable[[], None]
    ended: Callable[[], None]
    refused: Callable[[ApiError, str, str], None]
    me: Me

    def ready(self) -> bool:
        """Whether new requests should be sent here."""
        return self.is_ready()

    def now(self) -> float:
        """The time of day, Unix seconds."""
        return self.house.wall_clock()

    def turned_away(self, refusal: ApiError, endpoint: str, request_id: str) -> None:
        """A request was refused before it could leave a row."""
        self.refused(refusal, endpoint, request_id)


class DataApp:
    """The ASGI app of the data port."""

    def __init__(self, port: DataPort) -> None:
        self._port = port
        self._pages = Surface(port, build_pages(port))

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        endpoint = HOT.get(scope["path"]) if scope["method"] == "POST" else None
        if endpoint is None:
            return self._pages(scope, receive, send)
        return _relay(self._port, endpoint, scope)


async def _relay(port: DataPort, endpoint: Endpoint, scope: Scope) -> None:
    started_s, at = time.perf_counter(), time.time()
    request_id = new_id()
    exchange = exchange_of(scope)
    outlet = Outlet(exchange)
    port.started()
    try:
        with port.gate.enter() as ticket:
            heading = exchange.heading
            credential = heading.credential()
            caller = port.keys.identify(credential, at)
            allow_endpoint(caller, endpoint)
            ticket.claim(credential.header)
            if heading.coding:
                refuse_coding(heading.coding)
            at_hand = exchange.request_complete
            body = await read_body(exchange, port.max_json_bytes, ticket)
            if not at_hand:  # what a client takes to send its body is not our time
                started_s = time.perf_counter()
            call = Call(
                id=request_id,
                endpoint=endpoint,
                target=target_of(scope),
                raw=body,
                headers=heading.up,
                asks=heading.asks(),
                at=at,
                started_s=started_s,
                credentials=heading.credentials,
            )
            await serve(call, caller, outlet, port.house)
    except ApiError as refusal:
        await _refuse(port, refusal, endpoint, request_id, outlet)
    except ClientGone:
        return
    except asyncio.CancelledError:
        if not outlet.cutting or outlet.started:
            raise
        # A drain ran out of patience while the body was still arriving.
        gone = UpstreamUnavailable("The proxy is shutting down.", retry_after_s=1)
        await _refuse(port, gone, endpoint, request_id, outlet)
    finally:
        port.ended()


async def _refuse(
    port: DataPort, refusal: ApiError, endpoint: Endpoint, request_id: str, outlet: Outlet
) -> None:
    port.turned_away(refusal, endpoint.value, request_id)
    await outlet.whole(refusal.status, own_headers(refusal, request_id), refusal.body())
