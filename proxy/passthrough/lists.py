"""Lists with the caller's own objects only: the provider's account has those of every key."""

from typing import Final

from proxy.errors import UpstreamUnavailable
from proxy.named import Page, kept, own_page, read_page
from proxy.passthrough.passage import Passage, Rooms
from proxy.passthrough.surface import listing, replaced
from proxy.trace import Trace

MOST_BYTES: Final = 64 * 1024 * 1024
_MOST_PAGES: Final = 20


async def own_objects(passage: Passage, first: bytes, trace: Trace, rooms: Rooms) -> bytes:
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


def with_query(passage: Passage, query: str) -> bytes:
    return passage.call.target.partition(b"?")[0] + b"?" + query.encode()


async def _next_page(passage: Passage, query: str, trace: Trace, rooms: Rooms) -> Page:
    assert trace.candidate is not None
    provider = rooms.providers[trace.candidate.provider]
    response = await provider.relay(passage.call, b"GET", with_query(passage, query), b"", None)
    try:
        page = read_page(await response.read_all(MOST_BYTES)) if response.status == 200 else None
    finally:
        response.close()
    if page is None:
        raise UpstreamUnavailable("The provider's list could not be read to its end.", retry_after_s=1)
    return page
