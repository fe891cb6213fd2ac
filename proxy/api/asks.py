"""The optional `x-switchyard-*` request headers: what a caller may ask of the proxy beside the request itself."""

from collections.abc import Mapping
from typing import Final

from proxy.errors import BadRequest
from proxy.nouns import NANO_PER_USD, Asks


def asks_of(named: Mapping[bytes, bytes]) -> Asks:
    """What the headers (by their lower-case names) ask for. Raises BadRequest for an amount that is none."""
    if _ASKING.isdisjoint(named):
        return _NOTHING_ASKED
    return Asks(
        task=_text(named, b"x-switchyard-task"),
        route=_text(named, b"x-switchyard-route"),
        session=_text(named, b"x-switchyard-session"),
        max_cost_nano=_max_cost_nano(_text(named, b"x-switchyard-max-cost-usd")),
        read_timeout_s=_seconds(_text(named, b"x-stainless-read-timeout")),
    )


_NOTHING_ASKED: Final = Asks()
_ASKING: Final = frozenset(
    {
        b"x-switchyard-task",
        b"x-switchyard-route",
        b"x-switchyard-session",
        b"x-switchyard-max-cost-usd",
        b"x-stainless-read-timeout",
    }
)


def _text(named: Mapping[bytes, bytes], name: bytes) -> str:
    return named.get(name, b"").decode("latin-1").strip()


def _max_cost_nano(text: str) -> int | None:
    if not text:
        return None
    try:
        return int(_positive(text) * NANO_PER_USD)
    except ValueError:
        raise BadRequest(
            "x-switchyard-max-cost-usd must be an amount in US dollars such as 0.05",
            param="x-switchyard-max-cost-usd",
        ) from None


def _seconds(text: str) -> float | None:
    """The SDK's own read timeout; anything unreadable counts as not sent, since the app did not write it."""
    try:
        return _positive(text)
    except ValueError:
        return None


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < 1e9:
        raise ValueError(text)
    return number
