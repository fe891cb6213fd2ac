"""litellm's answers, chunks and errors as OpenAI's JSON. Pure; what it is given are plain values.

litellm's objects carry a null for every field any provider has, and names of its own; neither is sent on. An error's
status decides its type and code. What a provider says about a caller's request is passed on; about itself or our key it
is not.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from proxy.errors import envelope
from proxy.headers import Header
from proxy.models.sse import event

_OWN_NAMES: Final = frozenset({"provider_specific_fields", "_hidden_params", "citations"})
_PREFIX: Final = re.compile(r"^(?:litellm\.\w+: )*(?:\w+(?:Exception|Error) - )?")
_NO_CREDIT: Final = re.compile(
    r"credit balance is too low|exceeded your current quota|insufficient.quota", re.IGNORECASE
)
_UNSUPPORTED: Final = re.compile(r"does not support parameters: \[?'?(\w+)")
_LONGEST_MESSAGE: Final = 1000
_UNSENT: Final = frozenset(
    ("ConnectError", "ConnectTimeout", "ClientConnectorError", "ClientConnectorDNSError", "gaierror")
)
_TYPES: Final[Mapping[int, tuple[str, str | None]]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "permission_denied"),
    404: ("invalid_request_error", "model_not_found"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("requests", "rate_limit_exceeded"),
}
_CODES: Final[Mapping[str, str]] = {
    "ContextWindowExceededError": "context_length_exceeded",
    "ContentPolicyViolationError": "content_policy_violation",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer in OpenAI's form."""

    status: int
    body: bytes
    headers: tuple[Header, ...] = ()


def whole_body(answer: dict[str, Any]) -> bytes:
    """A whole answer (litellm's, dumped) as JSON."""
    plain = _plain(answer)
    for choice in plain.get("choices", ()):
        choice.setdefault("logprobs", None)
        message = choice.get("message", {})
        message.setdefault("content", None)
        message.setdefault("refusal", None)
    return msgspec.json.encode(plain)


def chunk_event(chunk: dict[str, Any]) -> bytes:
    """One chunk (litellm's, dumped) as an event. Usage comes alone, as at OpenAI."""
    plain = _plain(chunk)
    usage = plain.get("usage")
    if usage is not None:
        plain["choices"] = [
            one for one in plain.get("choices", ()) if one.get("delta") or "finish_reason" in one
        ]
    for choice in plain.get("choices", ()):
        choice.setdefault("finish_reason", None)
    plain.setdefault("usage", None)
    return event(msgspec.json.encode(plain))


def error_event(refusal: Refusal) -> bytes:
    """An error in the middle of a stream."""
    return event(refusal.body)


def refusal_of(error: Exception) -> Refusal:
    """An exception of litellm's as the answer OpenAI would have given."""
    said = str(getattr(error, "message", "") or error)
    status = int(getattr(error, "status_code", 500) or 500)
    kind = type(error).__name__
    if status == 402 or _NO_CREDIT.search(said):
        return _refusal(
            429, "The provider's account has no credit left.", "insufficient_quota", "insufficient_quota"
        )
    if status in (408, 504) or status >= 500:
        return _refusal(status, "The provider failed to answer.", "server_error", None)
    if found := _UNSUPPORTED.search(said):
        text = f"Unsupported parameter: '{found[1]}' is not supported with this provider."
        return _refusal(400, text, "invalid_request_error", "unsupported_parameter", param=found[1])
    group, code = _TYPES.get(status, _TYPES[400])
    return _refusal(
        status if status in _TYPES else 400,
        _message(said),
        group,
        _CODES.get(kind, code),
        headers=_retry_after(error),
    )


def unsent(error: BaseException) -> bool:
    """Whether the provider was never connected to, so that the request cannot have cost anything."""
    return any(
        type(cause).__name__ in _UNSENT or isinstance(cause, ConnectionRefusedError)
        for cause in _causes(error)
    )


def _refusal(
    status: int,
    message: str,
    kind: str,
    code: str | None,
    *,
    param: str | None = None,
    headers: tuple[Header, ...] = (),
) -> Refusal:
    return Refusal(status, envelope(message, kind, param, code), headers)


def refused(message: str, param: str | None, code: str | None, status: int = 400) -> Refusal:
    """A refusal of our own, before anything is sent."""
    return _refusal(status, message, "invalid_request_error", code, param=param)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _plain(item) for name, item in value.items() if item is not None and name not in _OWN_NAMES
        }
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _message(said: str) -> str:
    """The provider's own words, taken out of litellm's."""
    start = said.find("{")
    try:
        told = msgspec.json.decode(said[start : said.rfind("}") + 1]) if start >= 0 else None
    except (msgspec.DecodeError, UnicodeEncodeError):
        told = None
    inner = told.get("error") if isinstance(told, dict) else None
    if isinstance(inner, dict) and isinstance(inner.get("message"), str):
        return str(inner["message"])[:_LONGEST_MESSAGE]
    return _PREFIX.sub("", said)[:_LONGEST_MESSAGE]


def _retry_after(error: BaseException) -> tuple[Header, ...]:
    for cause in _causes(error):
        for holder in (cause, getattr(cause, "response", None)):
            headers = getattr(holder, "headers", None) or {}
            value = headers.get("retry-after") if hasattr(headers, "get") else None
            if isinstance(value, str) and value.isascii() and value.isprintable():
                return ((b"retry-after", value.encode()),)
    return ()


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
