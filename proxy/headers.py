"""Which headers pass, in both directions. Short allow-lists: what is not named here does not pass.

Up: only what the API reads. Down: what clients read (facts §1.5). Never `set-cookie`, hop-by-hop headers, or a length or
encoding that no longer fits the body.
"""

from collections.abc import Iterable
from typing import Final

Header = tuple[bytes, bytes]

NUL, LF, CR = b"\0\n\r"
"""What no header may contain. Numbers: `b"\\0" in head` raises and catches an error before it looks."""

_UP: Final = frozenset({b"content-type", b"accept", b"openai-beta", b"idempotency-key", b"traceparent"})
_CREDENTIALS: Final = frozenset({b"authorization", b"openai-organization", b"openai-project"})
_DOWN: Final = frozenset(
    {b"content-type", b"x-request-id", b"retry-after", b"retry-after-ms", b"x-should-retry"}
)
_DOWN_PREFIXES: Final = (b"openai-", b"x-ratelimit-")
_OURS: Final = b"x-ratelimit-"


def upward(headers: Iterable[Header]) -> tuple[Header, ...]:
    """The client's headers that may go to any provider."""
    return tuple([header for header in headers if header[0] in _UP])


def credentials(headers: Iterable[Header]) -> tuple[Header, ...]:
    """The client's headers that go up in passthrough mode besides."""
    return tuple([header for header in headers if header[0] in _CREDENTIALS])


def downward(headers: Iterable[Header], *, own_limits: bool) -> list[Header]:
    """The provider's headers that may go to the client; its rate limits only where the key has none of ours."""
    passed: list[Header] = []
    for header in headers:
        name = header[0]
        if name in _DOWN or (name.startswith(_DOWN_PREFIXES) and not (own_limits and name.startswith(_OURS))):
            passed.append(header)
    return passed
