"""The admin port: metrics, health and what the operator's page reads. Served by the parent, never by a worker.

Beyond loopback everything that says something asks for the admin key: all but the two health checks and the files of the
page, which hold no data. Settings refuse to start without a key there. No cookie is set or read, so another site can make
a browser ask, but not read the answer. The one thing that can be changed here is where migrations stand, and that only by
JSON from our own origin: what a form of another site sends is refused even where no key is asked for.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Request, Response

from proxy.api.auth import authorization_of
from proxy.api.pages import add_error_shapes, as_json
from proxy.errors import BodyTooLarge, InvalidApiKey, NotAllowed
from proxy.metrics.exposition import CONTENT_TYPE

_MOST_BYTES: Final = 4 * 1024 * 1024
_OWN_SITES: Final = frozenset({"same-origin", "none"})
"""`none`: typed or bookmarked, or no browser at all."""
_UNKEPT: Final = MappingProxyType({"cache-control": "no-store", "x-content-type-options": "nosniff"})


@dataclass(frozen=True, slots=True)
class AdminPort:
    """What the admin port answers from. `admin_key` is `""` where none is asked for; `metrics_open` frees /metrics.
    `migrate` is told a migration, a verb, the body and who asks."""

    admin_key: Callable[[], str]
    metrics_open: Callable[[], bool]
    metrics: Callable[[], Awaitable[bytes]]
    ready: Callable[[], bool]
    status: Callable[[], dict[str, Any]]
    overview: Callable[[], Awaitable[bytes]]
    explain: Callable[[bytes], Awaitable[dict[str, Any]]]
    migrations: Callable[[], Awaitable[list[dict[str, Any]]]]
    migrate: Callable[[str, str, bytes, str], Awaitable[dict[str, Any]]]


def build_admin(port: AdminPort) -> FastAPI:
    """The FastAPI app of the admin port."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)

    def operator(request: Request) -> None:
        wanted = port.admin_key()
        headers = request.scope["headers"]
        if not wanted:
            _refuse_strangers(request)
        elif not _matches(wanted, authorization_of(headers, dict(headers))):
            raise InvalidApiKey(
                "The admin port needs the admin key: Authorization: Bearer …", code="invalid_api_key"
            )

    def scraper(request: Request) -> None:
        if not port.metrics_open():
            operator(request)

    @app.api_route("/livez", methods=["GET", "HEAD"])
    async def livez() -> Response:
        return Response("ok\n", media_type="text/plain")

    @app.api_route("/readyz", methods=["GET", "HEAD"])
    async def readyz() -> Response:
        ready = port.ready()
        return Response("ok\n" if ready else "not ready\n", 200 if ready else 503, media_type="text/plain")

    @app.get("/metrics", dependencies=[Depends(scraper)])
    async def metrics() -> Response:
        return Response(await port.metrics(), headers={"content-type": CONTENT_TYPE})

    @app.get("/admin/status", dependencies=[Depends(operator)])
    async def status() -> Response:
        return as_json(port.status())

    @app.post("/admin/explain", dependencies=[Depends(operator)])
    async def explain(request: Request) -> Response:
        return as_json(await port.explain(await _body(request)))

    @app.get("/admin/overview", dependencies=[Depends(operator)])
    async def overview() -> Response:
        return Response(await port.overview(), media_type="application/json", headers=_UNKEPT)

    @app.get("/admin/migrations", dependencies=[Depends(operator)])
    async def migrations() -> Response:
        return as_json({"migrations": await port.migrations()})

    @app.post("/admin/migrations/{name}/{verb}", dependencies=[Depends(operator), Depends(_refuse_forms)])
    async def migrate(name: str, verb: str, request: Request) -> Response:
        who = f"admin port, {request.client.host if request.client else 'unknown'}"
        return as_json(await port.migrate(name, verb, await _body(request), who))

    add_error_shapes(app)
    return app


async def _body(request: Request) -> bytes:
    """The whole body. Raises BodyTooLarge: the parent shares its time with the care for its workers."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > _MOST_BYTES:
            raise BodyTooLarge(f"At most {_MOST_BYTES} bytes are read here.")
        parts.append(part)
    return b"".join(parts)


def _refuse_strangers(request: Request) -> None:
    """Without a key, only what this machine's user opened may ask: no page of another site, and no other site's name that
    was made to lead here (DNS rebinding). Raises NotAllowed."""
    site, host = request.headers.get("sec-fetch-site", "none"), request.headers.get("host", "")
    if site not in _OWN_SITES or not _is_near(host):
        raise NotAllowed(
            "The admin port answers here to its own page only. Open it as localhost or by its address, or set "
            "server.admin_key.",
            code="not_allowed",
        )


def _refuse_forms(request: Request) -> None:
    """What changes something must be JSON, which no page sends to another site unasked, and come from this origin where the
    browser says where from. Raises NotAllowed."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    origin, host = request.headers.get("origin"), request.headers.get("host", "")
    if kind != "application/json" or (origin is not None and urlsplit(origin).netloc != host):
        raise NotAllowed(
            'Send JSON from this origin: content-type: application/json, and a body such as {"why": "…"}.',
            code="not_allowed",
        )


def _is_near(host: str) -> bool:
    """Whether a Host header is localhost or an address, which no other site's name can be."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name != "localhost":
            ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _matches(wanted: str, authorization: bytes) -> bool:
    """Digests, so that what is compared has one length whatever was sent."""
    given, right = (hashlib.sha256(text).digest() for text in (authorization, f"Bearer {wanted}".encode()))
    return hmac.compare_digest(given, right)
