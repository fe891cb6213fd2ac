"""One attempt at one deployment: send, and read until the answer can be committed to.

A whole answer is committed to when it has been read and understood; a stream when its first event has been looked at.
Until then a failure is nobody's but ours, and the retry table says what may follow.
"""

from dataclasses import dataclass

from proxy.nouns import Call, Endpoint
from proxy.upstreams import http
from proxy.upstreams.meter import Seen, StreamMeter, read_whole
from proxy.upstreams.providers import Provider
from proxy.upstreams.refusals import Failed, error_code, retry_after_s
from proxy.upstreams.retry import Failure, classify

MAX_ANSWER_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Question:
    """What is sent: the body for this candidate, and whether usage was asked for only by us."""

    call: Call
    body: bytes
    strip_usage: bool


@dataclass(slots=True)
class Answer:
    """An attempt that will be relayed. A stream carries its meter; `body` is what was read to look at its first event."""

    response: http.Response
    seen: Seen
    body: bytes
    meter: StreamMeter | None


async def attempt(provider: Provider, question: Question) -> Answer | Failed:
    """Send once. The response is closed unless a stream goes on being read; cancellation closes it too."""
    response: http.Response | None = None
    streaming = False
    try:
        response = await provider.send(question.call, question.body)
        outcome = await _first_look(response, question)
        streaming = isinstance(outcome, Answer) and outcome.meter is not None
    except http.UpstreamError as error:
        outcome = _transport_failure(error)
    finally:
        if response is not None and not streaming:
            response.close()
    return outcome


async def _first_look(response: http.Response, question: Question) -> Answer | Failed:
    if response.status >= 400:
        return await _read_refusal(response)
    if _is_stream(response):
        return await _peek(response, StreamMeter(question.call.endpoint, strip_usage=question.strip_usage))
    body = await response.read_all(MAX_ANSWER_BYTES)
    seen = read_whole(body)
    if seen is None:
        return Failed(Failure.UNREADABLE, detail="not_json", may_be_billed=True)
    if seen.error and question.call.endpoint is not Endpoint.RESPONSES:
        return Failed(Failure.OVERLOADED, 500, tuple(response.headers), body, detail="error_in_200")
    return Answer(response, seen, body, None)


async def _read_refusal(response: http.Response) -> Failed:
    headers = tuple(response.headers)
    body = await response.read_all(MAX_ANSWER_BYTES)
    code = error_code(body) or ""
    failure = classify(response.status, code)
    return Failed(failure, response.status, headers, body, code, retry_after_s(headers))


async def _peek(response: http.Response, meter: StreamMeter) -> Answer | Failed:
    """Read until the first event: an error there, or an end without any, is a failure nobody has seen yet."""
    first = []
    while not meter.seen.started:
        block = await response.read_chunk()
        if not block:
            first.append(meter.finish())
            break
        first.append(meter.feed(block))
    if not meter.seen.started:
        return Failed(Failure.OVERLOADED, detail="empty_stream")
    if meter.seen.error and not meter.seen.text_bytes:
        body = b'{"error":%b}' % meter.seen.error
        return Failed(Failure.OVERLOADED, 500, tuple(response.headers), body, detail="error_in_200")
    return Answer(response, meter.seen, b"".join(first), meter)


def _is_stream(response: http.Response) -> bool:
    return any(
        name == b"content-type" and value.startswith(b"text/event-stream") for name, value in response.headers
    )


def _transport_failure(error: http.UpstreamError) -> Failed:
    detail, billed = type(error).__name__, error.sent is not False
    if isinstance(error, http.HeadTimeout | http.IdleTimeout):
        return Failed(Failure.TIMEOUT, detail=detail, may_be_billed=billed)
    if isinstance(error, http.BadResponse | http.BodyTooLarge):
        return Failed(Failure.UNREADABLE, detail=detail, may_be_billed=billed)
    return Failed(Failure.UNREACHABLE, detail=detail, may_be_billed=billed)
