"""One attempt at one deployment: send, and read until the answer can be committed to.

A whole answer is committed to when it has been read and understood; a stream when its first content has been looked at.
Until then a failure is nobody's but ours, and the retry table says what may follow.
"""

import msgspec

from proxy.headers import Header
from proxy.nouns import Call, Endpoint
from proxy.reshape import Shape, Stream, Whole
from proxy.upstreams import http
from proxy.upstreams.providers import Incoming, Provider
from proxy.upstreams.refusals import Failed, as_json, error_code, retry_after_s, status_of
from proxy.upstreams.retry import Failure, classify

MAX_ANSWER_BYTES = 256 * 1024 * 1024
MAX_PREAMBLE_BYTES = 64 * 1024
"""A preamble longer than this is none: whatever it is, it is sent on."""


class Question(msgspec.Struct, frozen=True, gc=False):
    """What is sent for one candidate, and how its answer has to look. `target` is the path behind the API's root."""

    call: Call
    target: bytes
    body: bytes
    shape: Shape


class Answered(msgspec.Struct, frozen=True, gc=False):
    """A whole answer, read and understood."""

    headers: list[Header]
    whole: Whole


class Streaming(msgspec.Struct, frozen=True):
    """A stream that goes on being read. `first` is what was read to look at its first event, ready to be sent on."""

    response: Incoming
    stream: Stream
    first: bytes


Outcome = Answered | Streaming | Failed


async def attempt(provider: Provider, question: Question) -> Outcome:
    """Send once. The response is closed unless a stream goes on being read; cancellation closes it too."""
    response: Incoming | None = None
    outcome: Outcome | None = None
    try:
        response = await provider.send(question.call, question.target, question.body)
        shape = question.shape
        if response.status >= 400:
            outcome = await _read_refusal(response, shape)
        elif _is_stream(response):
            outcome = await _peek(response, shape)
        else:
            outcome = _understood(response, await response.read_all(MAX_ANSWER_BYTES), shape)
    except http.UpstreamError as error:
        outcome = transport_failure(error)
    finally:
        if response is not None and not isinstance(outcome, Streaming):
            response.close()
    return outcome


def _understood(response: Incoming, body: bytes, shape: Shape) -> Answered | Failed:
    whole = shape.whole(response.status, body)
    if whole is None:
        return Failed(Failure.UNREADABLE, detail="not_json", may_be_billed=True)
    if whole.seen.error and shape.endpoint is not Endpoint.RESPONSES:
        return _failed_inside(response, whole.body)
    return Answered(response.headers, whole)


async def _read_refusal(response: Incoming, shape: Shape) -> Failed:
    headers = tuple(response.headers)
    body = shape.refusal(await response.read_all(MAX_ANSWER_BYTES))
    code = error_code(body) or ""
    failure = classify(response.status, code)
    return Failed(failure, response.status, headers, body, code, retry_after_s(headers))


async def _peek(response: Incoming, shape: Shape) -> Streaming | Failed:
    """Read until the answer begins. What comes before is preamble (a role, `response.created`); an error there, or an end
    without any event, is a failure that nobody has seen yet."""
    stream, first, held_bytes, ended = shape.stream(), [], 0, False
    while not (ended or stream.seen.begun or held_bytes > MAX_PREAMBLE_BYTES):
        block = await response.read_chunk()
        ended = not block
        held_bytes += len(block)
        first.append(stream.finish() if ended else stream.feed(block))
    seen = stream.seen
    if ended and not seen.started:
        return Failed(Failure.OVERLOADED, detail="empty_stream")
    if seen.unreadable and not seen.text_bytes:
        return Failed(Failure.UNREADABLE, detail="not_json", may_be_billed=True)
    if seen.error and not seen.text_bytes:
        return _failed_inside(response, b'{"error":%b}' % seen.error)
    return Streaming(response, stream, b"".join(first))


def _failed_inside(response: Incoming, body: bytes) -> Failed:
    """An error where an answer should have begun: the refusal it would have been."""
    status, code = status_of(body), error_code(body) or ""
    headers = as_json(tuple(response.headers))
    return Failed(classify(status, code), status, headers, body, code, detail="error_in_200")


def _is_stream(response: Incoming) -> bool:
    for name, value in response.headers:
        if name == b"content-type":
            return value.lower().startswith(b"text/event-stream")
    return False


def transport_failure(error: http.UpstreamError) -> Failed:
    """A failure below the level of HTTP statuses, as the retry table knows it."""
    detail, billed = type(error).__name__, error.sent
    if isinstance(error, http.PoolExhausted):
        return Failed(Failure.BUSY, detail=detail)
    if isinstance(error, http.HeadTimeout | http.IdleTimeout):
        return Failed(Failure.TIMEOUT, detail=detail, may_be_billed=billed)
    if isinstance(error, http.BadResponse | http.BodyTooLarge):
        return Failed(Failure.UNREADABLE, detail=detail, may_be_billed=billed)
    return Failed(Failure.CUT if billed else Failure.UNREACHABLE, detail=detail, may_be_billed=billed)
