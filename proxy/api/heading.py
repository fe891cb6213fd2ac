"""The head of a request: what follows from its fields, worked out once for all requests that repeat it.

A client sends the same head again and again but for the length of the body, and a connection has one client as a rule. So
it keeps the last heading and compares instead of reading (`repeated`): every byte of every field, in order, a credential in
constant time.
"""

import hmac
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
    provider, `credentials` those for one in passthrough mode; `modern` says HTTP/1.1, `coding` how the body is encoded, `""`
    for not at all."""

    __slots__ = (
        "_asks",
        "_chunked",
        "_count",
        "_credential",
        "_length",
        "_length_at",
        "_line",
        "_rest",
        "_secret",
        "_secret_at",
        "coding",
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
        self.fields = [(name.lower(), value.rstrip(_PADDING)) for name, value in raw]
        self.named = dict(self.fields)
        self.modern = version == "1.1"
        self.coding = framing.coding_of(self.fields) if b"content-encoding" in self.named else ""
        self.expects_continue = (
            b"expect" in self.named and framing.wants_continue(self.fields) and self.modern
        )
        self._chunked = framing.body_length(version, self.fields, self.named) is None
        # What is compared by itself, taken out in this order: its length may differ, its credential tells nothing by the time
        # a comparison takes.
        rest, names = raw.copy(), [name for name, _ in self.fields]
        self._count = len(raw)
        self._length_at, self._length = _taken(_LENGTH, names, rest)
        self._secret_at, self._secret = _taken(_SECRET, names, rest)
        self._rest = rest
        self.up, self.credentials = upward(self.fields), credentials(self.fields)
        self._asks: Asks | None = None
        self._credential: Credential | None = None

    def repeated(self, version: str, method: bytes, target: bytes, raw: list[Header]) -> list[Header] | None:
        """The fields of a head that differs from this one by its length at most; None for any other."""
        if (version, method, target) != self._line or len(raw) != self._count:
            return None
        rest = raw.copy()
        length = secret = None
        if (at := self._length_at) >= 0:
            length = rest.pop(at)
        if (at := self._secret_at) >= 0:
            secret = rest.pop(at)
        if rest != self._rest or not _is_same(secret, self._secret):
            return None
        if length == self._length:
            return self.fields
        if length is None or self._length is None or length[0] != self._length[0]:
            return None
        fields = self.fields.copy()
        fields[self._length_at] = (_LENGTH, length[1].rstrip(_PADDING))
        return fields

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


def _taken(name: bytes, names: list[bytes], fields: list[Header]) -> tuple[int, Header | None]:
    """The first field of this name, taken out of both lists, and where it was; (-1, None) without one."""
    if name not in names:
        return -1, None
    at = names.index(name)
    names.pop(at)
    return at, fields.pop(at)


def _is_same(secret: Header | None, known: Header | None) -> bool:
    """Behind a proxy the request before this one may have been somebody else's."""
    if secret is None or known is None:
        return secret is known
    return secret[0] == known[0] and hmac.compare_digest(secret[1], known[1])
