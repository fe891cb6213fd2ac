"""The data port's quiet endpoints on FastAPI: models, health, and OpenAI's error body for everything that is not there.

FastAPI's own shapes (`{"detail": …}`, 422) and its documentation pages never appear on this port.
"""

import json
from typing import Annotated, Any, Protocol

from fastapi import Depends, FastAPI, Header, Request, Response
from starlette.exceptions import HTTPException

from proxy.api.auth import KeyRing
from proxy.api.listing import Listing
from proxy.errors import ApiError, MethodNotAllowed, NotFound, ServerError
from proxy.nouns import Caller


class Port(Protocol):
    """What the pages read of the data port."""

    keys: KeyRing
    listing: Listing

    def ready(self) -> bool: ...
    def now(self) -> float: ...


def build_pages(port: Port) -> FastAPI:
    """The FastAPI app behind the dispatcher."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)

    def caller(authorization: Annotated[str, Header()] = "") -> Caller:
        return port.keys.identify(authorization.encode("latin-1", "replace"), port.now())

    known = Annotated[Caller, Depends(caller)]

    @app.api_route("/livez", methods=["GET", "HEAD"])
    async def livez() -> Response:
        return Response("ok\n", media_type="text/plain")

    @app.api_route("/readyz", methods=["GET", "HEAD"])
    async def readyz() -> Response:
        ready = port.ready()
        return Response("ok\n" if ready else "not ready\n", 200 if ready else 503, media_type="text/plain")

    @app.get("/v1/models")
    async def models(who: known) -> Response:
        return as_json({"object": "list", "data": port.listing.for_caller(who)})

    @app.get("/v1/models/{name:path}")
    async def model(name: str, who: known) -> Response:
        found = port.listing.one(who, name)
        if found is None:
            raise NotFound(f"The model '{name}' does not exist", code="model_not_found", param="model")
        return as_json(found)

    add_error_shapes(app)
    return app


def add_error_shapes(app: FastAPI) -> None:
    """OpenAI's error body for everything that goes wrong in `app`."""
    app.add_exception_handler(ApiError, _as_openai)
    app.add_exception_handler(HTTPException, _unrouted)
    app.add_exception_handler(Exception, _fault)


async def _as_openai(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    headers = {name.decode(): value.decode() for name, value in error.headers()}
    return Response(error.body(), error.status, headers)


async def _unrouted(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path, method = request.scope["path"], request.method
    if error.status_code == 405:
        message = f"Not allowed to {method} on {path}."
        return await _as_openai(request, MethodNotAllowed(message, code="method_not_supported"))
    hint = "" if path.startswith("/v1/") else " The API lives under /v1: set base_url to http://HOST:PORT/v1."
    return await _as_openai(request, NotFound(f"Invalid URL ({method} {path}).{hint}"))


async def _fault(request: Request, _: Exception) -> Response:
    return await _as_openai(request, ServerError("The proxy had an error while processing this request."))


def as_json(value: Any) -> Response:
    return Response(json.dumps(value, ensure_ascii=False), media_type="application/json")
