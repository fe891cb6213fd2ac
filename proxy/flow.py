"""The life of one request. READ THIS FIRST.

    parse → plan → translate → hold → send → relay → settle → record

`serve` is the line; each step belongs to a room of its own and is called here in order. Three rules shape the code:

* Nothing is retried once a byte has reached the client. The first event of a stream is looked at before that.
* A `finally` after a stream has no `await`: the request may be cancelled there (the client left, the process drains), and
  a cancelled await loses the bill. What remains to be done is handed over synchronously.
* Every attempt that may have been billed is settled on its own hold.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from proxy.errors import ApiError, UpstreamTimeout, UpstreamUnavailable
from proxy.headers import Header, downward
from proxy.nouns import Call, Caller, Candidate, LedgerRow, Plan
from proxy.parse import Request, ask_usage, parse, splice
from proxy.plan import Planner
from proxy.trace import Trace, usd
from proxy.upstreams import http
from proxy.upstreams.attempt import Answer, Question, attempt
from proxy.upstreams.meter import StreamMeter
from proxy.upstreams.providers import Provider
from proxy.upstreams.refusals import Failed, answer_for, error_frame
from proxy.upstreams.retry import Advice, Failure, RetryAllowance, back_off_s, judge

_SHUTTING_DOWN = "The proxy is shutting down and had to cut this answer."
_BROKEN_OFF = "The provider's answer broke off."
_CLIENT_CLOSED = 499
"""Status of a request whose client left before an answer began, as nginx writes it; it exists only in our own records."""


class Client(Protocol):
    """The caller's side of one request. `cutting` is set when a drain has run out of patience."""

    cutting: bool
    started: bool

    async def start(self, status: int, headers: list[Header]) -> None:
        """Send the head of an answer whose length is not known."""

    async def write(self, block: bytes) -> None:
        """Send part of the body; waits while the client reads slowly."""

    async def end(self) -> None:
        """The answer is complete."""

    async def whole(self, status: int, headers: list[Header], body: bytes) -> None:
        """Send a complete answer."""


@dataclass(slots=True)
class House:
    """What a request meets on its way: one snapshot of the settings, swapped as a whole on reload."""

    planner: Planner
    providers: Mapping[str, Provider]
    record: Callable[[LedgerRow, bool], None]
    wall_clock: Callable[[], float]
    clock: Callable[[], float]
    rng: Callable[[], float]
    passthrough: bool = False
    retries: RetryAllowance = field(default_factory=RetryAllowance)


async def serve(call: Call, caller: Caller, client: Client, house: House) -> None:
    """Answer one request. Returns when the last byte is handed over; raises only CancelledError, when the client left."""
    trace = Trace(call, caller)
    try:
        request = trace.request = parse(call.endpoint, call.raw)
        plan = trace.plan = house.planner.plan(request, call.asks, caller, house.wall_clock())
        outcome = await _ask_in_order(request, plan, trace, house)
        if isinstance(outcome, Failed):
            await _pass_on(outcome, trace, client, house)
        elif outcome.meter is None:
            await _relay_whole(outcome, trace, client, house)
        else:
            await _relay_stream(outcome, outcome.meter, trace, client, house)
    except ApiError as refusal:
        await _refuse(refusal, trace, client, house)
    except asyncio.CancelledError:
        if not client.cutting:
            trace.finish, trace.status = "client_gone", trace.status or _CLIENT_CLOSED
            raise
        await _break_off(_SHUTTING_DOWN, "cut", trace, client, house)
    finally:
        _close(trace, house)


async def _ask_in_order(request: Request, plan: Plan, trace: Trace, house: House) -> Answer | Failed:
    """Ask the candidates as the retry table allows, until one answers or none is left."""
    house.retries.earn()
    for position, candidate in enumerate(plan.candidates):
        outcome = await _ask(request, candidate, trace, house, fallback=position > 0)
        if isinstance(outcome, Failed) and _advice(outcome, plan).same and house.retries.spend():
            await _back_off(outcome, trace, house)
            outcome = await _ask(request, candidate, trace, house, fallback=position > 0)
        if isinstance(outcome, Answer) or not _advice(outcome, plan).next:
            break
    return outcome


async def _ask(
    request: Request, candidate: Candidate, trace: Trace, house: House, *, fallback: bool
) -> Answer | Failed:
    """One attempt. The one before it, if it may have cost money, is closed first, on a row of its own."""
    if trace.sent:
        _close(trace, house, final=False)
    provider = house.providers[candidate.provider]
    usage_edit = ask_usage(request) if provider.stream_usage else {}
    body = splice(request.fields, {**candidate.edits, **usage_edit})
    trace.sending(candidate, house.clock(), fallback=fallback)
    outcome = await attempt(provider, Question(trace.call, body, strip_usage=bool(usage_edit)))
    trace.heard(house.clock())
    if isinstance(outcome, Answer):
        trace.seen, trace.status = outcome.seen, outcome.response.status
        return outcome
    trace.error, trace.status, trace.sent = outcome.name, outcome.status, outcome.may_be_billed
    return outcome


def _advice(failed: Failed, plan: Plan) -> Advice:
    return judge(failed.failure, retry_after_s=failed.retry_after_s, next_on_timeout=plan.next_on_timeout)


async def _back_off(failed: Failed, trace: Trace, house: House) -> None:
    wait_s = back_off_s(house.rng(), failed.retry_after_s)
    trace.waited_s += wait_s
    await asyncio.sleep(wait_s)


def _close(trace: Trace, house: House, *, final: bool = True) -> None:
    """The bill and the row of the attempt under way, or of a request that never got to one. No await: see above."""
    trace.account()
    house.record(trace.row(house.clock()), final)


async def _relay_whole(answer: Answer, trace: Trace, client: Client, house: House) -> None:
    """Upstream's body as it came, with what we know of it in the headers."""
    trace.account()
    headers = _headers(answer.response.headers, trace, house)
    headers.append((b"x-switchyard-cost-usd", usd(trace.cost_nano)))
    await client.whole(answer.response.status, headers, answer.body)


async def _relay_stream(
    answer: Answer, meter: StreamMeter, trace: Trace, client: Client, house: House
) -> None:
    """Upstream's bytes as they arrive. A stream that breaks shows it; it never ends as if it were whole."""
    response = answer.response
    try:
        await client.start(response.status, _headers(response.headers, trace, house))
        if answer.body:
            await client.write(answer.body)
        while block := await response.read_chunk():
            if relayed := meter.feed(block):
                await client.write(relayed)
        if rest := meter.finish():
            await client.write(rest)
        if not (meter.seen.complete or meter.seen.error):
            raise http.ConnectionCut("the stream ended before it was complete", sent=True)
        await client.end()
    except http.UpstreamError as error:
        trace.error = type(error).__name__
        await _break_off(_BROKEN_OFF, "error", trace, client, house)
    finally:
        response.close()


async def _pass_on(failed: Failed, trace: Trace, client: Client, house: House) -> None:
    """No attempt gave an answer: say so as the API would."""
    if failed.failure is Failure.TIMEOUT:
        raise UpstreamTimeout("The provider did not answer in time.")
    if failed.status == 0 and failed.failure is not Failure.UNREADABLE:
        raise UpstreamUnavailable("The provider could not be reached.", retry_after_s=1)
    status, headers, body = answer_for(failed, passthrough=house.passthrough)
    trace.status = status
    await client.whole(status, _headers(headers, trace, house), body)


async def _refuse(refusal: ApiError, trace: Trace, client: Client, house: House) -> None:
    trace.status, trace.finish = refusal.status, "refused"
    trace.error = trace.error or refusal.code or type(refusal).__name__
    await client.whole(refusal.status, _headers(refusal.headers(), trace, house), refusal.body())


async def _break_off(message: str, finish: str, trace: Trace, client: Client, house: House) -> None:
    """End an answer that cannot be completed: an error frame in a stream, a 503 where nothing was sent yet."""
    trace.finish = finish
    trace.error = trace.error or finish
    if not client.started:
        await _refuse(UpstreamUnavailable(message, retry_after_s=1), trace, client, house)
        return
    await client.write(error_frame(trace.call.endpoint, message))
    await client.end()


def _headers(upstream: tuple[Header, ...] | list[Header], trace: Trace, house: House) -> list[Header]:
    headers = downward(upstream, own_limits=False)
    headers += trace.headers(house.clock())
    return headers
