"""The admin port: metrics, health and what the operator's page reads. Served by the parent, never by a worker.

Beyond loopback every path but the two health checks asks for the admin key; settings refuse to start without one there.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import Depends, FastAPI, Request, Response

from proxy.api.auth import authorization_of
from proxy.api.pages import add_error_shapes, as_json
from proxy.errors import InvalidApiKey
from proxy.metrics.exposition import CONTENT_TYPE


@dataclass(frozen=True, slots=True)
class AdminPort:
    """What the admin port answers from. `admin_key` is `""` where none is asked for; `metrics_open` frees /metrics."""

    admin_key: Callable[[], str]
    metrics_open: Callable[[], bool]
    metrics: Callable[[], Awaitable[bytes]]
    ready: Callable[[], bool]
    status: Callable[[], dict[str, Any]]


def build_admin(port: AdminPort) -> FastAPI:
    """The FastAPI app of the admin port."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)

    def operator(request: Request) -> None:
        wanted = port.admin_key()
        if wanted and not _matches(wanted, authorization_of(request.scope["headers"])):
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

    add_error_shapes(app)
    return app


def _matches(wanted: str, authorization: bytes) -> bool:
    """Digests, so that what is compared has one length whatever was sent."""
    given, right = (hashlib.sha256(text).digest() for text in (authorization, f"Bearer {wanted}".encode()))
    return hmac.compare_digest(given, right)
