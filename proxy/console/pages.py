"""The page's files: HTML, script and style of ours, and the charts' library out of its installed package.

They hold no data: what they show comes from `/admin/overview`, which needs the key. Where one is asked for, the page itself is
a 401 that carries the form for it, since a browser sends no key by itself. The policy allows script,
style and requests from this port only; nothing is written into the page, so there is no inline script to allow.
"""

from collections.abc import Awaitable, Callable, Mapping
from importlib import resources
from types import MappingProxyType
from typing import Final

from fastapi import APIRouter, Response

_CHARTS: Final = ("dygraphs", "assets/dygraph-combined.js")
"""Named, never imported: only the file is wanted."""
_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "object-src 'none'",
        "x-frame-options": "DENY",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
    }
)
_FRESH: Final = "no-cache"
_KEPT: Final = "public, max-age=31536000, immutable"


def build_page(version: str, locked: Callable[[], bool]) -> APIRouter:
    """Routes of the page's files. `version` is in the library's address, so that an upgrade is not kept from sight;
    `locked` tells whether the admin port asks for a key."""
    library = f"/page/charts-{version}.js"
    html = _text("page.html").replace("/page/charts.js", library)
    return _router(
        {
            "/": (html, "text/html", _FRESH),
            "/page/page.js": (_text("page.js"), "text/javascript", _FRESH),
            "/page/plots.js": (_text("plots.js"), "text/javascript", _FRESH),
            "/page/icon.svg": (_text("icon.svg"), "image/svg+xml", _FRESH),
            "/page/page.css": (_text("page.css"), "text/css", _FRESH),
            library: (_charts(), "text/javascript", _KEPT),
        },
        locked,
    )


def _router(files: Mapping[str, tuple[str, str, str]], locked: Callable[[], bool]) -> APIRouter:
    router = APIRouter()
    for path, (text, kind, keep) in files.items():
        body, headers = text.encode(), {**_HEADERS, "cache-control": keep}
        barred = locked if path == "/" else _never
        router.add_api_route(path, _serving(body, kind, headers, barred), methods=["GET", "HEAD"])
    return router


def _never() -> bool:
    return False


def _serving(
    body: bytes, kind: str, headers: Mapping[str, str], barred: Callable[[], bool]
) -> Callable[[], Awaitable[Response]]:
    async def serve() -> Response:
        status = 401 if barred() else 200
        return Response(body, status, headers=dict(headers), media_type=f"{kind}; charset=utf-8")

    return serve


def _text(name: str) -> str:
    return (resources.files("proxy.console") / "static" / name).read_text(encoding="utf-8")


def _charts() -> str:
    package, path = _CHARTS
    return (resources.files(package) / path).read_text(encoding="utf-8")
