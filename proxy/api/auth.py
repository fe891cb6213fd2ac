"""Who is calling: the three modes, and the one place where a key is looked at.

    keys         our own keys, known by their SHA-256 only
    passthrough  the caller's provider key; it is sent up as it came and never looked into
    open         anyone (loopback only; settings refuse it elsewhere)

An unknown key and a malformed one take the same path: hash, look up, compare digests. Nothing is built from a key.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

from proxy.errors import InvalidApiKey, NotAllowed
from proxy.headers import Header
from proxy.nouns import Caller, Endpoint

try:  # the interpreter's own: OpenSSL looks its algorithm up for every digest, which cost 4 us a request
    from _sha256 import sha256  # type: ignore[import-not-found]
except ImportError:  # from Python 3.12 on
    from hashlib import sha256

Mode = Literal["keys", "passthrough", "open"]

_MISSING = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
    "(i.e. Authorization: Bearer YOUR_KEY)."
)
_WRONG = "Incorrect API key provided. Ask whoever runs this proxy for a key."
_NOBODY = b"\0" * 32


@dataclass(frozen=True, slots=True)
class Credential:
    """An Authorization header (`b""` for none) and the SHA-256 of its bearer token, `b""` where there is none."""

    header: bytes = field(repr=False)
    digest: bytes = field(repr=False)

    @classmethod
    def of(cls, header: bytes) -> Self:
        scheme, _, token = header.partition(b" ")
        token = token.strip()
        bears = token and scheme.lower() == b"bearer"
        return cls(header, sha256(token).digest() if bears else b"")


@dataclass(frozen=True, slots=True)
class Key:
    """One of our keys. `digest` is the SHA-256 of it, 32 bytes; `expires_at` in Unix seconds, None for never."""

    digest: bytes
    caller: Caller
    expires_at: float | None = None


class KeyRing:
    """The keys of one moment; replaced as a whole when keys change."""

    __slots__ = ("_keys", "mode")

    def __init__(self, mode: Mode, keys: Mapping[bytes, Key]) -> None:
        self.mode = mode
        self._keys = keys

    def identify(self, credential: Credential, now: float) -> Caller:
        """The caller behind a credential. Raises InvalidApiKey."""
        if self.mode == "open":
            return _ANYONE
        digest = credential.digest
        if not digest:
            raise InvalidApiKey(_MISSING)
        if self.mode == "passthrough":
            return Caller(key_id=digest.hex()[:12], key_name="passthrough", credential=credential.header)
        key = self._keys.get(digest)
        if not hmac.compare_digest(key.digest if key else _NOBODY, digest) or key is None:
            raise InvalidApiKey(_WRONG, code="invalid_api_key")
        if key.expires_at is not None and now >= key.expires_at:
            raise InvalidApiKey("This API key has expired.", code="invalid_api_key")
        return key.caller


def allow_endpoint(caller: Caller, endpoint: Endpoint) -> None:
    """Raises NotAllowed when the key may not call this endpoint."""
    if caller.endpoints and endpoint.value not in caller.endpoints:
        raise NotAllowed(f"This key may not use the {endpoint.value} endpoint.", code="endpoint_not_allowed")


def authorization_of(headers: Sequence[Header], named: Mapping[bytes, bytes]) -> bytes:
    """The one Authorization header, `b""` when there is none; `named` are the headers by name. Raises InvalidApiKey for
    two: nobody could say which of them was judged and which was sent up."""
    found = named.get(b"authorization", b"")
    if len(named) < len(headers) and [name for name, _ in headers].count(b"authorization") > 1:
        raise InvalidApiKey("There is more than one Authorization header.", code="invalid_api_key")
    return found


_ANYONE = Caller(key_id="open", key_name="open")
