"""The admin port: metrics, health and what the operator's page reads. Served by the parent, never by a worker.

Beyond loopback every path but the two health checks asks for the admin key; settings refuse to start without one there.
"""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Response

from proxy.api.pages import add_error_shapes, as_json
from proxy.errors import InvalidApiKey


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

    def operator(authorization: Annotated[str, Header()] = "") -> None:
        wanted = port.admin_key()
        if wanted and not hmac.compare_digest(f"Bearer {wanted}".encode(), authorization.encode("latin-1", "replace")):
            raise InvalidApiKey("The admin port needs the admin key: Authorization: Bearer …", code="invalid_api_key")

    def scraper(authorization: Annotated[str, Header()] = "") -> None:
        if not port.metrics_open():
            operator(authorization)

    @app.api_route("/livez", methods=["GET", "HEAD"])
    async def livez() -> Response:
        return Response("ok\n", media_type="text/plain")

    @app.api_route("/readyz", methods=["GET", "HEAD"])
    async def readyz() -> Response:
        ready = port.ready()
        return Response("ok\n" if ready else "not ready\n", 200 if ready else 503, media_type="text/plain")

    @app.get("/metrics", dependencies=[Depends(scraper)])
    async def metrics() -> Response:
        return Response(await port.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/admin/status", dependencies=[Depends(operator)])
    async def status() -> Response:
        return as_json(port.status())

    add_error_shapes(app)
    return app
