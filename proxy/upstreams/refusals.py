"""What the client is told when no attempt gave an answer.

Upstream's own errors pass unchanged, with two exceptions: what is about *our* key (the client cannot mend it and must
not learn of it), and what is not an OpenAI error body at all (an HTML page of some gateway in between).
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from proxy.errors import envelope
from proxy.headers import Header
from proxy.nouns import Endpoint
from proxy.upstreams.retry import Failure
from proxy.upstreams.seen import UNREADABLE, Seen

SHUTTING_DOWN = "The proxy is shutting down and had to cut this answer."
BROKEN_OFF = "The provider's answer broke off."
_BLOT = b"***"
_JSON: Header = (b"content-type", b"application/json")


class _Error(msgspec.Struct, gc=False):
    message: str | None = None
    type: str | None = None
    param: str | None = None
    code: str | int | None = None


class _Loose(msgspec.Struct, gc=False):
    """Where servers that are not OpenAI's put what they have to say."""

    message: Any = None
    error: Any = None
    detail: Any = None


class _Envelope(msgspec.Struct, gc=False):
    error: _Error


_envelope = msgspec.json.Decoder(_Envelope)
_loose = msgspec.json.Decoder(_Loose)
_LONGEST_SAID = 2_000
_STATUS = {"rate_limit_exceeded": 429, "insufficient_quota": 429}


@dataclass(frozen=True, slots=True)
class Failed:
    """One attempt that gave no answer. `status` is 0 when upstream said nothing; `code` is OpenAI's, `""` for none.
    `may_be_billed`: the provider got the request and may have worked on it; `seen` is the bill as far as it is known."""

    failure: Failure
    status: int = 0
    headers: tuple[Header, ...] = ()
    body: bytes = b""
    code: str = ""
    retry_after_s: float | None = None
    detail: str = ""
    may_be_billed: bool = False
    seen: Seen | None = None

    @property
    def name(self) -> str:
        """For the log and the ledger: what went wrong, in one word and a detail without content."""
        return f"{self.failure.value}:{self.detail or self.code or self.status}"


def error_code(body: bytes) -> str | None:
    """OpenAI's `error.code` as text, `""` when null; None when the body is not an OpenAI error."""
    try:
        code = _envelope.decode(body).error.code
    except UNREADABLE:
        return None
    return "" if code is None else str(code)


def status_of(body: bytes) -> int:
    """The HTTP status of an error that came inside a 200, where its own was spent already."""
    try:
        error = _envelope.decode(body).error
    except UNREADABLE:
        return 500
    return _STATUS.get(str(error.code), 400 if error.type == "invalid_request_error" else 500)


def retry_after_s(headers: tuple[Header, ...]) -> float | None:
    """Seconds upstream asks to wait: `retry-after-ms`, else `retry-after` in seconds; dates are not waited for."""
    named = dict(headers)
    for name, scale in ((b"retry-after-ms", 0.001), (b"retry-after", 1.0)):
        try:
            return max(0.0, float(named[name]) * scale)
        except (KeyError, ValueError):
            continue
    return None


def answer_for(failed: Failed, *, passthrough: bool) -> tuple[int, tuple[Header, ...], bytes]:
    """(status, headers, body) for the client. In passthrough mode the key is the caller's own, so nothing is masked."""
    if failed.failure is Failure.OUR_KEY and not passthrough:
        return _masked(failed)
    if failed.failure is Failure.UNREADABLE:
        return _own(502, "The provider's answer could not be read.", None)
    if error_code(failed.body) is not None:
        return failed.status, failed.headers, failed.body
    kind = "server_error" if failed.status >= 500 else "invalid_request_error"
    message = f"The provider answered {failed.status} without an OpenAI error body."
    if failed.failure is Failure.CALLER:
        message = _said(failed.body) or message
    return failed.status, as_json(failed.headers), envelope(message, kind, None, failed.code or None)


def as_json(headers: tuple[Header, ...]) -> tuple[Header, ...]:
    """The headers of an answer whose body was written anew."""
    return (*[(name, value) for name, value in headers if name != b"content-type"], _JSON)


def _said(body: bytes) -> str:
    """Why a server that speaks OpenAI's API, but not in its errors, refuses the request; "" where it does not say. Callers
    look into it: too long a context is mended, a wrong parameter found."""
    try:
        loose = _loose.decode(body)
    except UNREADABLE:
        return ""
    said = (loose.message, loose.error, loose.detail)
    return next((text[:_LONGEST_SAID] for text in said if isinstance(text, str) and text), "")


def _masked(failed: Failed) -> tuple[int, tuple[Header, ...], bytes]:
    if failed.status == 401:
        return _own(503, "The provider does not accept this proxy's credentials.", None)
    kind = "insufficient_quota" if failed.status == 429 else "invalid_request_error"
    message = (
        "This proxy's account at the provider has no quota left."
        if failed.status == 429
        else "The provider does not allow this proxy's account to do this."
    )
    body = envelope(message, kind, None, failed.code or None)
    return failed.status, (_JSON, (b"x-should-retry", b"false")), body


def _own(status: int, message: str, code: str | None) -> tuple[int, tuple[Header, ...], bytes]:
    return status, (_JSON,), envelope(message, "server_error", None, code)


def without_secrets(
    headers: tuple[Header, ...], body: bytes, secrets: tuple[bytes, ...]
) -> tuple[tuple[Header, ...], bytes]:
    """The refusal with every occurrence of our own credentials blotted out: some gateways quote what they were sent."""
    for secret in secrets:
        if secret in body:
            body = body.replace(secret, _BLOT)
        headers = tuple([(name, value.replace(secret, _BLOT)) for name, value in headers])
    return headers, body


def error_frame(endpoint: Endpoint, message: str) -> bytes:
    """The SSE event that ends a broken stream: SDKs raise on a truthy `error` key, whatever the event's type."""
    error = envelope(message, "server_error", None, None)
    if endpoint is Endpoint.RESPONSES:
        return b'event: error\ndata: {"type":"error",%b\n\n' % error[1:]
    return b"data: %b\n\n" % error
