"""How a passed-through call ends when there is no answer, or only a part of one."""

from typing import Final

from proxy.errors import ApiError, UpstreamTimeout, UpstreamUnavailable
from proxy.headers import Header, downward
from proxy.passthrough.passage import Client, Rooms
from proxy.trace import Trace
from proxy.upstreams.refusals import Failed, answer_for, error_frame, without_secrets
from proxy.upstreams.retry import Failure

_DOWN: Final = frozenset({b"content-disposition"})


async def pass_on(failed: Failed, trace: Trace, client: Client, rooms: Rooms) -> None:
    """There is no answer: say so as the API would."""
    trace.error, trace.status = failed.name, failed.status
    if failed.failure is Failure.TIMEOUT:
        await refuse(UpstreamTimeout("The provider did not answer in time."), trace, client, rooms)
    elif failed.status == 0 and failed.failure is not Failure.UNREADABLE:
        gone = UpstreamUnavailable("The provider could not be reached.", retry_after_s=1)
        await refuse(gone, trace, client, rooms)
    else:
        status, upstream, body = answer_for(failed, passthrough=rooms.passthrough)
        trace.status = status
        provider = rooms.providers.get(trace.candidate.provider) if trace.candidate else None
        upstream, body = without_secrets(upstream, body, provider.secrets if provider else ())
        await client.whole(status, _with_id(headers(list(upstream), trace, rooms), trace), body)


async def refuse(refusal: ApiError, trace: Trace, client: Client, rooms: Rooms) -> None:
    """We refuse it ourselves; an answer that has begun is broken off."""
    trace.status = refusal.status
    if client.started:
        client.abort()
        return
    own = _with_id(headers(list(refusal.headers()), trace, rooms), trace)
    await client.whole(refusal.status, own, refusal.body())


async def break_off(
    message: str, finish: str, trace: Trace, client: Client, rooms: Rooms, *, events: bool = False
) -> None:
    """End an answer that cannot be completed, so that nobody takes it for a whole one."""
    trace.finish, trace.error = finish, trace.error or finish
    if not client.started:
        await refuse(UpstreamUnavailable(message, retry_after_s=1), trace, client, rooms)
    elif events:
        await client.write(error_frame(trace.call.endpoint, message))
        await client.end()
    else:
        client.abort()


def headers(upstream: list[Header], trace: Trace, rooms: Rooms) -> list[Header]:
    """What goes down with an answer."""
    down = downward(upstream, own_limits=bool(trace.rates))
    down += [(name, value) for name, value in upstream if name in _DOWN]
    down += trace.rates
    down += trace.headers(rooms.clock())
    return down


def _with_id(headers: list[Header], trace: Trace) -> list[Header]:
    if not any(name == b"x-request-id" for name, _ in headers):
        headers.append((b"x-request-id", trace.call.id.encode()))
    return headers
