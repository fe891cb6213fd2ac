"""The head of a request: what follows from its fields, worked out once for all requests that repeat it.

A client sends the same head again and again but for the length of the body, and a connection has one client as a rule. So
it keeps the last heading and compares instead of reading (`repeated`): every byte of every field, in order, a credential in
constant time.
"""

import hmac
from collections.abc import Sequence
from typing import Final

from proxy.api import framing
from proxy.api.asks import asks_of
from proxy.api.auth import Credential, authorization_of
from proxy.headers import Header, credentials, upward
from proxy.nouns import Asks

_LENGTH: Final = b"content-length"
_SECRET: Final = b"authorization"
_PADDING: Final = b" \t"


class Heading:
    """One head, judged. `fields` have names in lower case; `named` the last of each name; `up` are those that may go to any
    provider, `credentials` those for one in passthrough mode; `modern` says HTTP/1.1."""

    __slots__ = (
        "_alike",
        "_asks",
        "_chunked",
        "_credential",
        "_length_at",
        "_line",
        "_raw",
        "_secret_at",
        "credentials",
        "expects_continue",
        "fields",
        "modern",
        "named",
        "up",
    )

    def __init__(self, version: str, method: bytes, target: bytes, raw: list[Header]) -> None:
        """`raw` are the fields as the parser gave them. Raises BadRequest for a head that is not read here."""
        framing.check_request_line(version, method, target)
        self._line = (version, method, target)
        self._raw = raw
        self.fields = [(name.lower(), value.rstrip(_PADDING)) for name, value in raw]
        self.named = dict(self.fields)
        self.modern = version == "1.1"
        self.expects_continue = (
            b"expect" in self.named and framing.wants_continue(self.fields) and self.modern
        )
        self._chunked = framing.body_length(version, self.fields, self.named) is None
        names = [name for name, _ in self.fields]
        self._length_at = names.index(_LENGTH) if _LENGTH in self.named else -1
        self._secret_at = names.index(_SECRET) if _SECRET in self.named else -1
        self._alike = _between(sorted({self._length_at, self._secret_at} - {-1}), len(raw))
        self.up, self.credentials = upward(self.fields), credentials(self.fields)
        self._asks: Asks | None = None
        self._credential: Credential | None = None

    def repeated(self, version: str, method: bytes, target: bytes, raw: list[Header]) -> list[Header] | None:
        """The fields of a head that differs from this one by its length at most; None for any other."""
        mine = self._raw
        if (version, method, target) != self._line or len(raw) != len(mine):
            return None
        for some in self._alike:
            if raw[some] != mine[some]:
                return None
        if (at := self._secret_at) >= 0:
            (name, value), (own_name, own_value) = raw[at], mine[at]
            # Behind a proxy the request before this one may have been somebody else's.
            if name != own_name or not hmac.compare_digest(value, own_value):
                return None
        if (at := self._length_at) >= 0:
            (name, value), (own_name, own_value) = raw[at], mine[at]
            if name != own_name:
                return None
            if value != own_value:
                fields = self.fields.copy()
                fields[at] = (_LENGTH, value.rstrip(_PADDING))
                return fields
        return self.fields

    def body_bytes(self, fields: list[Header]) -> int | None:
        """How many bytes follow the head with these `fields`, its own or those of one that repeats it; None for a chunked
        body. Raises BadRequest for a length that is none."""
        if self._length_at < 0:
            return None if self._chunked else 0
        return framing.length_of(fields[self._length_at][1])

    def asks(self) -> Asks:
        """What it asks of the proxy. Raises BadRequest for an amount that is none."""
        if self._asks is None:
            self._asks = asks_of(self.named)
        return self._asks

    def credential(self) -> Credential:
        """Its credential. Raises InvalidApiKey where there are two."""
        if self._credential is None:
            self._credential = Credential.of(authorization_of(self.fields, self.named))
        return self._credential


def _between(gaps: Sequence[int], count: int) -> tuple[slice, ...]:
    """The runs of `count` fields that the gaps leave."""
    starts, ends = [0, *[gap + 1 for gap in gaps]], [*gaps, count]
    return tuple([slice(start, end) for start, end in zip(starts, ends, strict=True) if start < end])
