"""Which headers pass, in both directions. Short allow-lists: what is not named here does not pass.

Up: only what the API reads. Down: what clients read (facts §1.5). Never `set-cookie`, hop-by-hop headers, or a length or
encoding that no longer fits the body.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import compress
from operator import itemgetter
from typing import Final

Header = tuple[bytes, bytes]

UP: Final = frozenset({b"content-type", b"accept", b"openai-beta", b"idempotency-key", b"traceparent"})
UP_PASSTHROUGH: Final = UP | {b"authorization", b"openai-organization", b"openai-project"}
_DOWN: Final = frozenset(
    {b"content-type", b"x-request-id", b"retry-after", b"retry-after-ms", b"x-should-retry"}
)
_DOWN_PREFIXES: Final = (b"openai-", b"x-ratelimit-")
_OURS: Final = b"x-ratelimit-"
_name: Final = itemgetter(0)


def upward(headers: Sequence[Header], *, passthrough: bool) -> tuple[Header, ...]:
    """The client's headers that may go to a provider."""
    passes = (UP_PASSTHROUGH if passthrough else UP).__contains__
    return tuple(compress(headers, map(passes, map(_name, headers))))


def downward(headers: Sequence[Header], *, own_limits: bool) -> list[Header]:
    """The provider's headers that may go to the client; its rate limits only where the key has none of ours."""
    passes = _goes_down_beside_ours if own_limits else _goes_down
    return list(compress(headers, map(passes, map(_name, headers))))


# A provider names the same few dozen headers again and again, so each name is judged once.


@lru_cache(256)
def _goes_down(name: bytes) -> bool:
    return name in _DOWN or name.startswith(_DOWN_PREFIXES)


@lru_cache(256)
def _goes_down_beside_ours(name: bytes) -> bool:
    return _goes_down(name) and not name.startswith(_OURS)
