"""Every refusal a caller can meet, in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`.

    ApiError
    ├── BadRequest                400 invalid_request_error
    │   └── ContextLengthExceeded 400 context_length_exceeded
    ├── InvalidApiKey             401 invalid_api_key (code null when the header is missing)
    ├── NotAllowed                403 model_not_allowed | endpoint_not_budgeted
    ├── NotFound                  404 model_not_found | null for an unknown URL
    ├── MethodNotAllowed          405
    ├── RequestTimeout            408
    ├── BodyTooLarge              413
    ├── UnsupportedCoding         415
    ├── HeadersTooLarge           431
    ├── RateLimited               429 rate_limit_exceeded + retry-after
    ├── InsufficientQuota         429 insufficient_quota + x-should-retry: false
    ├── ServerError               500 server_error
    ├── UpstreamUnavailable       503 server_error + retry-after
    └── UpstreamTimeout           504 server_error

Each error knows its status, OpenAI `type` and `code`, and what a client should do next. SDKs branch on `code`, retry on
408, 409, 429 and >= 500, and obey `x-should-retry` (facts: openai-python and openai-node `_should_retry`).
"""

import json
from typing import ClassVar

Headers = tuple[tuple[bytes, bytes], ...]


class ApiError(Exception):
    """A refusal with its HTTP status and OpenAI body. `retry_after_s` (whole seconds) becomes the header."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    default_code: ClassVar[str | None] = None
    should_retry: ClassVar[bool | None] = None

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code if code is not None else self.default_code
        self.param = param
        self.retry_after_s = retry_after_s

    def body(self) -> bytes:
        """The OpenAI error envelope as JSON bytes, all four keys present."""
        return envelope(self.message, self.type, self.param, self.code)

    def headers(self) -> Headers:
        """`content-type` plus the retry advice."""
        out: list[tuple[bytes, bytes]] = [(b"content-type", b"application/json")]
        if self.retry_after_s is not None:
            out.append((b"retry-after", str(self.retry_after_s).encode()))
        if self.should_retry is not None:
            out.append((b"x-should-retry", b"true" if self.should_retry else b"false"))
        return tuple(out)


def envelope(message: str, kind: str, param: str | None, code: str | None) -> bytes:
    """OpenAI's error body: `{"error": {"message": …, "type": …, "param": …, "code": …}}`."""
    error = {"message": message, "type": kind, "param": param, "code": code}
    return json.dumps({"error": error}, ensure_ascii=False).encode("utf-8", "replace")


class BadRequest(ApiError):
    """The request itself is wrong; sending it again will not help."""

    status = 400
    type = "invalid_request_error"


class ContextLengthExceeded(BadRequest):
    """No candidate's window takes this many tokens."""

    default_code = "context_length_exceeded"


class InvalidApiKey(ApiError):
    """Missing, unknown, revoked or expired key. A missing header has code null, as at OpenAI."""

    status = 401
    type = "invalid_request_error"


class NotAllowed(ApiError):
    """The key is good but may not use this model or endpoint."""

    status = 403
    type = "invalid_request_error"


class NotFound(ApiError):
    """Unknown model, stored object or URL."""

    status = 404
    type = "invalid_request_error"


class MethodNotAllowed(ApiError):
    """The URL exists, with another method."""

    status = 405
    type = "invalid_request_error"


class RequestTimeout(ApiError):
    """The client did not finish sending its request in time."""

    status = 408
    type = "invalid_request_error"


class BodyTooLarge(ApiError):
    """The body is over `server.max_json_mb`."""

    status = 413
    type = "invalid_request_error"


class UnsupportedCoding(ApiError):
    """The body is compressed, which the API does not take either."""

    status = 415
    type = "invalid_request_error"


class HeadersTooLarge(ApiError):
    """More header bytes or fields than any client sends."""

    status = 431
    type = "invalid_request_error"


class RateLimited(ApiError):
    """Transient: it will fit later. Always carries `retry-after`."""

    status = 429
    type = "requests"
    default_code = "rate_limit_exceeded"


class InsufficientQuota(ApiError):
    """The money is gone: retrying costs the caller nothing but time, so SDKs are told not to."""

    status = 429
    type = "insufficient_quota"
    default_code = "insufficient_quota"
    should_retry = False


class ServerError(ApiError):
    """A fault of ours. Its message never carries internal text."""


class UpstreamUnavailable(ApiError):
    """No candidate could be reached, or all of them refused for reasons that are not the caller's."""

    status = 503


class UpstreamTimeout(ApiError):
    """A candidate took the request and did not answer in time; it may have been billed, so it is not resent."""

    status = 504
