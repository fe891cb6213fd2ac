"""Which headers pass, in both directions. Short allow-lists: what is not named here does not pass.

Up: only what the API reads. Down: what clients read (facts §1.5). Never `set-cookie`, hop-by-hop headers, or a length or
encoding that no longer fits the body.
"""

from collections.abc import Iterable
from typing import Final

Header = tuple[bytes, bytes]

UP: Final = frozenset({b"content-type", b"accept", b"openai-beta", b"idempotency-key", b"traceparent"})
UP_PASSTHROUGH: Final = UP | {b"authorization", b"openai-organization", b"openai-project"}
_DOWN: Final = frozenset(
    {b"content-type", b"x-request-id", b"retry-after", b"retry-after-ms", b"x-should-retry"}
)
_DOWN_PREFIXES: Final = (b"openai-", b"x-ratelimit-")
_OURS: Final = b"x-ratelimit-"


def upward(headers: Iterable[Header], *, passthrough: bool) -> tuple[Header, ...]:
    """The client's headers that may go to a provider."""
    allowed = UP_PASSTHROUGH if passthrough else UP
    return tuple([header for header in headers if header[0] in allowed])


def downward(headers: Iterable[Header], *, own_limits: bool) -> list[Header]:
    """The provider's headers that may go to the client; its rate limits only where the key has none of ours."""
    return [
        (name, value)
        for name, value in headers
        if name in _DOWN or (name.startswith(_DOWN_PREFIXES) and not (own_limits and name.startswith(_OURS)))
    ]
