"""How an answer goes out: whole, as a stream, or as the reason why there is none.

A stream that breaks shows it; it never ends as if it were whole. Nothing here asks a provider again.
"""

from collections.abc import Awaitable
from contextlib import suppress

from proxy.errors import ApiError, UpstreamTimeout, UpstreamUnavailable
from proxy.headers import Header, downward
from proxy.house import Client, House
from proxy.parse import Request
from proxy.planning.choice import way
from proxy.reshape import Stream
from proxy.trace import Trace, usd
from proxy.upstreams import http
from proxy.upstreams.attempt import Answered, Streaming
from proxy.upstreams.refusals import BROKEN_OFF, Failed, answer_for, error_frame, without_secrets
from proxy.upstreams.retry import Failure


def relay_whole(answer: Answered, trace: Trace, client: Client, house: House) -> Awaitable[None]:
    """Upstream's body as it came (or as it was reshaped), with what we know of it in the headers."""
    whole = answer.whole
    if whole.sealed is not None:
        house.remember(whole.sealed, trace)
    trace.account(whole=True)
    headers = _headers(answer.headers, trace, house)
    headers.append((b"x-switchyard-cost-usd", usd(trace.cost_nano)))
    return client.whole(whole.status, headers, whole.body)


async def relay_stream(
    answer: Streaming, request: Request, trace: Trace, client: Client, house: House
) -> None:
    """Upstream's bytes as they arrive. A stream that breaks shows it; it never ends as if it were whole."""
    response, stream = answer.response, answer.stream
    pass_frame = stream.pass_frame
    try:
        await client.start(response.status, _headers(response.headers, trace, house), answer.first)
        silent = not _spoke(stream, trace, house, trace.first_byte_s)
        held = b""

        def relay(block: bytes) -> bool:
            """From where it arrived to where it goes. Ends when the stream does, or when the client has to be waited for."""
            nonlocal held, silent
            relayed = stream.feed(block)
            if silent:
                silent = not _spoke(stream, trace, house, house.clock())
            if relayed and not client.push(relayed):
                held = relayed
            return not (held or stream.ended)

        def pass_by(frame: bytes) -> bool:
            """A chunk like those before it but for its text goes on at once, in the frame it came in if it stays what it is."""
            write = client.chunk_writer()
            if write is None or (passing := pass_frame(frame)) is None:
                return False
            write(passing)
            return True

        while not stream.ended and await response.pour(relay, pass_by):
            if held:
                slow, held = held, b""
                await client.write(slow)
        await _end_stream(answer, request, trace, client)
    except http.UpstreamError as error:
        trace.error = type(error).__name__
        await break_off(BROKEN_OFF, "error", trace, client, house)
    finally:
        response.close()
        house.tenants.answered(trace)
        house.remember(stream.sealed, trace)


def _spoke(stream: Stream, trace: Trace, house: House, now_s: float) -> bool:
    """Whether the answer has said anything by now; if so, how long that took is remembered of its model."""
    if not stream.seen.text_bytes or trace.candidate is None:
        return False
    house.pace.note(way(trace.candidate), now_s - trace.sent_s, house.wall_clock())
    return True


async def _end_stream(answer: Streaming, request: Request, trace: Trace, client: Client) -> None:
    """The end that this stream has: its own, the one of a stop sequence, or none at all."""
    stream = answer.stream
    if stream.over:
        await _end_cut(answer, request, trace, client)
        return
    if rest := stream.finish():
        await client.write(rest)
    if stream.broken:
        raise http.BadResponse("the stream held something that is no event", sent=True)
    if not (stream.seen.complete or stream.seen.error):
        raise http.ConnectionCut("the stream ended before it was complete", sent=True)
    await client.end()


async def _end_cut(answer: Streaming, request: Request, trace: Trace, client: Client) -> None:
    """The end of a stream that we cut. What a model thought is told only at its own end: it is read to there, since a guess
    would have to be its whole bound. A client waits for that only if it wants to know."""
    stream = answer.stream
    if not request.asks_usage:
        await client.write(stream.ending(None))
        await client.end()
    if trace.candidate is not None and trace.candidate.reasons:
        await _read_to_end(answer)
    if request.asks_usage:
        trace.account()
        await client.write(stream.ending(trace.usage))
        await client.end()


async def _read_to_end(answer: Streaming) -> None:
    stream = answer.stream

    def read(block: bytes) -> bool:
        stream.feed(block)
        return not stream.broken

    with suppress(http.UpstreamError):
        await answer.response.pour(read)


async def pass_on(failed: Failed, trace: Trace, client: Client, house: House) -> None:
    """No attempt gave an answer: say so as the API would."""
    if failed.failure is Failure.TIMEOUT:
        raise UpstreamTimeout("The provider did not answer in time.")
    if failed.failure is Failure.BUSY:
        raise UpstreamUnavailable("Too many requests to this provider are under way.", retry_after_s=1)
    if failed.status == 0 and failed.failure is not Failure.UNREADABLE:
        raise UpstreamUnavailable("The provider could not be reached.", retry_after_s=1)
    status, headers, body = answer_for(failed, passthrough=house.passthrough)
    trace.status = status
    provider = house.providers[trace.candidate.provider] if trace.candidate else None
    headers, body = without_secrets(headers, body, provider.secrets if provider else ())
    answer = _headers(headers, trace, house)
    if not any(name == b"x-request-id" for name, _ in answer):
        answer.append((b"x-request-id", trace.call.id.encode()))
    await client.whole(status, answer, body)


async def refuse(refusal: ApiError, trace: Trace, client: Client, house: House) -> None:
    """We refuse the request ourselves."""
    headers = _headers(refusal.headers(), trace, house)
    headers.append((b"x-request-id", trace.call.id.encode()))
    await client.whole(refusal.status, headers, refusal.body())


async def break_off(message: str, finish: str, trace: Trace, client: Client, house: House) -> None:
    """End an answer that cannot be completed: an error frame in a stream, a 503 where nothing was sent yet."""
    trace.finish, trace.error = finish, trace.error or finish
    if not client.started:
        refusal = UpstreamUnavailable(message, retry_after_s=1)
        trace.status = refusal.status
        await refuse(refusal, trace, client, house)
        return
    await client.write(error_frame(trace.call.endpoint, message))
    await client.end()


def _headers(upstream: tuple[Header, ...] | list[Header], trace: Trace, house: House) -> list[Header]:
    headers = downward(upstream, own_limits=bool(trace.rates))
    headers += trace.rates
    headers += trace.headers(house.clock())
    return headers
