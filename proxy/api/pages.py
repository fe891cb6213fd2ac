"""The data port's quiet endpoints on FastAPI: models, health, and OpenAI's error body for everything that is not there.

FastAPI's own shapes (`{"detail": …}`, 422) and its documentation pages never appear on this port.
"""

import json
from collections.abc import Callable
from typing import Annotated, Any, Protocol

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from proxy.api.auth import Credential, KeyRing, allow_endpoint, authorization_of
from proxy.api.listing import Listing
from proxy.api.me import Me
from proxy.api.signing import id_headers, new_id, own_headers
from proxy.errors import ApiError, BadRequest, MethodNotAllowed, NotFound, ServerError
from proxy.nouns import Caller, Endpoint

Refused = Callable[[ApiError, str, str], None]


class Port(Protocol):
    """What the pages read of the data port."""

    keys: KeyRing
    listing: Listing
    me: Me

    def ready(self) -> bool: ...
    def now(self) -> float: ...
    def turned_away(self, refusal: ApiError, endpoint: str, request_id: str) -> None: ...


def build_pages(port: Port) -> FastAPI:
    """The FastAPI app behind the dispatcher."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)

    def caller(request: Request) -> Caller:
        headers = request.scope["headers"]
        credential = Credential.of(authorization_of(headers, dict(headers)))
        return port.keys.identify(credential, port.now())

    known = Annotated[Caller, Depends(caller)]

    def lister(who: known) -> Caller:
        allow_endpoint(who, Endpoint.MODELS)
        return who

    may_list = Annotated[Caller, Depends(lister)]

    @app.api_route("/livez", methods=["GET", "HEAD"])
    async def livez() -> Response:
        return Response("ok\n", media_type="text/plain")

    @app.api_route("/readyz", methods=["GET", "HEAD"])
    async def readyz() -> Response:
        ready = port.ready()
        return Response("ok\n" if ready else "not ready\n", 200 if ready else 503, media_type="text/plain")

    @app.get("/v1/models")
    async def models(who: may_list) -> Response:
        return as_json({"object": "list", "data": port.listing.for_caller(who)})

    @app.get("/v1/models/{name:path}")
    async def model(name: str, who: may_list) -> Response:
        found = port.listing.one(who, name)
        if found is None:
            raise NotFound(f"The model '{name}' does not exist", code="model_not_found", param="model")
        return as_json(found)

    @app.get("/v1/switchyard/me")
    async def me(who: known, user: str = "") -> Response:
        return as_json(await port.me.about(who, user))

    add_error_shapes(app, port.turned_away)
    return app


def add_error_shapes(app: FastAPI, refused: Refused | None = None) -> None:
    """OpenAI's error body for everything that goes wrong in `app`. `refused` is told of it (error, endpoint, id)."""

    def answer(request: Request, error: ApiError) -> Response:
        request_id = new_id()
        if refused is not None:
            refused(error, _endpoint(request), request_id)
        response = Response(error.body(), error.status)
        response.raw_headers += own_headers(error, request_id)
        return response

    async def as_openai(request: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError)
        return answer(request, error)

    async def unrouted(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return answer(request, _unrouted(request.scope["path"], request.method, error.status_code))

    async def misread(request: Request, _: Exception) -> Response:
        return answer(request, BadRequest("The request could not be read."))

    async def fault(request: Request, _: Exception) -> Response:
        return answer(request, ServerError("The proxy had an error while processing this request."))

    app.add_exception_handler(ApiError, as_openai)
    app.add_exception_handler(HTTPException, unrouted)
    app.add_exception_handler(RequestValidationError, misread)
    app.add_exception_handler(Exception, fault)


def _unrouted(path: str, method: str, status: int) -> ApiError:
    if status == 405:
        return MethodNotAllowed(f"Not allowed to {method} on {path}.", code="method_not_supported")
    hint = "" if path.startswith("/v1/") else " The API lives under /v1: set base_url to http://HOST:PORT/v1."
    return NotFound(f"Invalid URL ({method} {path}).{hint}")


def _endpoint(request: Request) -> str:
    """The endpoint as metrics call it; `""` for what is none."""
    return Endpoint.MODELS.value if request.scope["path"].startswith("/v1/models") else ""


def as_json(value: Any) -> Response:
    """An answer of ours under a request id of its own."""
    response = Response(json.dumps(value, ensure_ascii=False), media_type="application/json")
    response.raw_headers += id_headers(new_id())
    return response
