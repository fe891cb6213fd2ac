"""The life of one request. READ THIS FIRST.

    parse → plan → translate → hold → send → relay → settle → record

`serve` is the line; each step belongs to a room of its own and is called here in order. Three rules shape the code:

* Nothing is retried once a byte has reached the client. The beginning of a stream is looked at before that.
* A `finally` after a stream has no `await`: the request may be cancelled there (the client left, the process drains), and
  a cancelled await loses the bill. What remains to be done is handed over synchronously (`_close`).
* Every attempt that may have been billed is settled on its own hold, exactly once.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from proxy.aftercare import Aftercare
from proxy.choice import way
from proxy.errors import ApiError, UpstreamTimeout, UpstreamUnavailable
from proxy.fanout import attempt_parts
from proxy.headers import Header, downward
from proxy.loops import Loops
from proxy.models.bridge.memory import ReasoningMemory, Sealed
from proxy.money import Money
from proxy.nouns import Call, Caller, Candidate, LedgerRow, Plan
from proxy.parse import Request, parse
from proxy.plan import NOWHERE_BEGUN, Planner
from proxy.question import question_for
from proxy.reshape import Stream
from proxy.routing.pace import Pace
from proxy.tasks import TaskOwner
from proxy.tenants import Tenants
from proxy.trace import Trace, usd
from proxy.upstreams import http
from proxy.upstreams.attempt import Answered, Outcome, Streaming, attempt
from proxy.upstreams.breaker import Breakers, State
from proxy.upstreams.providers import Provider
from proxy.upstreams.refusals import (
    BROKEN_OFF,
    SHUTTING_DOWN,
    Failed,
    answer_for,
    error_frame,
    without_secrets,
)
from proxy.upstreams.retry import Advice, Failure, RetryAllowance, back_off_s, judge


class Client(Protocol):
    """The caller's side of one request. `cutting` is set when a drain has run out of patience."""

    @property
    def cutting(self) -> bool: ...
    @property
    def started(self) -> bool: ...

    async def start(self, status: int, headers: list[Header]) -> None:
        """Send the head of an answer whose length is not known."""

    async def write(self, block: bytes) -> None:
        """Send part of the body; waits while the client reads slowly."""

    def push(self, block: bytes) -> bool:
        """Send part of the body now; False, and nothing is sent, when that means waiting: then `write` it."""

    async def end(self) -> None:
        """The answer is complete."""

    async def whole(self, status: int, headers: list[Header], body: bytes) -> None:
        """Send a complete answer."""


class Onlooker(Protocol):
    """Sees how attempts under a migration end. Nothing it does may wait or raise."""

    def listen(self, client: Client, trace: Trace) -> Client:
        """The client for the rest of the call: one that is listened to, or the same."""

    def failed(self, failed: Failed, trace: Trace, now_s: float) -> None:
        """An attempt gave no answer."""

    def ended(self, outcome: Outcome | None, trace: Trace, now_s: float, house: "House") -> None:
        """The call is over, and its answer out. `outcome` None: the client left before there was one, or we refused."""


@dataclass(slots=True)
class House:
    """What a request meets on its way: one snapshot of the settings, swapped as a whole on reload. `loops` None: there are
    no migrations."""

    planner: Planner
    providers: Mapping[str, Provider]
    money: Money
    aftercare: Aftercare
    tenants: Tenants
    loops: Loops | None
    breakers: Breakers
    pace: Pace
    health_changed: Callable[[Candidate, State], None]
    moved_on: Callable[[Candidate, Candidate, str], None]
    record: Callable[[LedgerRow, bool, int], None]
    tasks: TaskOwner
    wall_clock: Callable[[], float]
    clock: Callable[[], float]
    rng: Callable[[], float]
    onlooker: Onlooker | None = None
    passthrough: bool = False
    retries: RetryAllowance = field(default_factory=RetryAllowance)
    reasoning: ReasoningMemory = field(default_factory=ReasoningMemory)


async def serve(call: Call, caller: Caller, client: Client, house: House) -> None:
    """Answer one request. Returns when the last byte is handed over; raises only CancelledError, when the client left."""
    trace = Trace(call, caller)
    try:
        request = trace.request = parse(call.endpoint, call.raw)
        now = house.wall_clock()
        begun = await house.loops.begun(request, caller, now) if house.loops is not None else NOWHERE_BEGUN
        plan = trace.plan = house.planner.plan(request, call.asks, caller, now, begun)
    except ApiError as refusal:
        trace.refused(refusal)
        _close(trace, house)
        await _refuse(refusal, trace, client, house)
        return
    if plan.drain_on_disconnect:
        # The route wants exact bills: the call goes on without its client, in a task that outlives the request.
        await asyncio.shield(house.tasks.start(_answer(request, plan, trace, client, house)))
        return
    await _answer(request, plan, trace, client, house)


async def _answer(request: Request, plan: Plan, trace: Trace, client: Client, house: House) -> None:
    outcome: Outcome | None = None
    onlooker = house.onlooker if plan.candidates[0].arm is not None else None
    if onlooker is not None:
        client = onlooker.listen(client, trace)
    try:
        outcome = await _ask_in_order(request, plan, trace, house)
        match outcome:
            case Failed():
                await _pass_on(outcome, trace, client, house)
            case Answered():
                await _relay_whole(outcome, trace, client, house)
            case Streaming():
                await _relay_stream(outcome, request, trace, client, house)
    except ApiError as refusal:
        trace.refused(refusal)
        await _refuse(refusal, trace, client, house)
    except asyncio.CancelledError:
        if not client.cutting:
            trace.left()
            raise
        await _break_off(SHUTTING_DOWN, "cut", trace, client, house)
    finally:
        _close(trace, house)
        if onlooker is not None:
            onlooker.ended(outcome, trace, house.clock(), house)


async def _ask_in_order(request: Request, plan: Plan, trace: Trace, house: House) -> Outcome:
    """Ask the candidates as the retry table allows, until one answers or none is left."""
    house.retries.earn()
    preferred = house.money.preferred(request, plan, trace)
    admitted = await house.tenants.admit(request, preferred, trace.caller)
    queue = deque(house.breakers.in_order(admitted, house.clock()))
    asked = 0
    while True:
        candidate = house.aftercare.prepared(request, queue.popleft(), trace.caller, trace.call.at)
        if trace.sent:  # before the next candidate's name and price are the trace's
            _close(trace, house, final=False)
        trace.considering(candidate, fallback=asked > 0)
        outcome = await _ask(request, candidate, trace, house)
        if isinstance(outcome, Failed) and _advice(outcome, plan).same and house.retries.spend():
            await _back_off(outcome, trace, house)
            outcome = await _ask(request, candidate, trace, house)
        if not isinstance(outcome, Failed):
            return outcome
        better = await house.aftercare.candidates(outcome, candidate, request, plan, trace)
        queue.extendleft(reversed(better))
        asked += 1
        if not queue or not (better or _advice(outcome, plan).next):
            return outcome
        house.moved_on(candidate, queue[0], outcome.name)


async def _ask(request: Request, candidate: Candidate, trace: Trace, house: House) -> Outcome:
    """One attempt on its own hold. The one before it, if it may have cost money, is closed first."""
    if trace.sent:
        _close(trace, house, final=False)
    edits = await house.money.hold(request, candidate, trace)
    provider = house.providers[candidate.provider]
    question = question_for(
        trace,
        candidate,
        edits,
        ask_for_usage=provider.stream_usage,
        recall=partial(_recall, house, trace.caller.key_id, candidate.model),
    )
    trace.error = ""  # what the attempt before it failed of is on a row of its own
    trace.sending(house.clock())
    if candidate.fan_out > 1:
        outcome = await attempt_parts(provider, question, candidate.fan_out, house.tasks)
    else:
        outcome = await attempt(provider, question)
    trace.heard(house.clock())
    failure = outcome.failure if isinstance(outcome, Failed) else None
    state = house.breakers.note(candidate, failure, house.clock())
    if state is not None:
        house.health_changed(candidate, state)
    match outcome:
        case Answered(whole=whole):
            trace.seen, trace.status = whole.seen, whole.status
            _remember(whole.sealed, candidate, trace, house)
        case Streaming(response=response, stream=stream):
            trace.seen, trace.status = stream.seen, response.status
        case Failed():
            trace.error, trace.status, trace.sent = outcome.name, outcome.status, outcome.may_be_billed
            trace.seen = outcome.seen
            if candidate.arm is not None and house.onlooker is not None:
                house.onlooker.failed(outcome, trace, house.clock())
    house.tenants.answered(trace)
    if house.loops is not None and not isinstance(outcome, Failed):
        house.loops.note(trace, house.wall_clock())
    return outcome


def _advice(failed: Failed, plan: Plan) -> Advice:
    return judge(failed.failure, retry_after_s=failed.retry_after_s, next_on_timeout=plan.next_on_timeout)


async def _back_off(failed: Failed, trace: Trace, house: House) -> None:
    wait_s = back_off_s(house.rng(), failed.retry_after_s)
    trace.waited_s += wait_s
    await asyncio.sleep(wait_s)


def _recall(house: House, key_id: str, model: str, call_id: str) -> Sequence[Mapping[str, Any]]:
    return house.reasoning.recall(key_id, model, call_id, house.wall_clock())


def _remember(sealed: Sealed | None, candidate: Candidate, trace: Trace, house: House) -> None:
    """Keep sealed reasoning for the next step of a tool loop."""
    if sealed is not None:
        house.reasoning.keep(trace.caller.key_id, candidate.model, sealed, house.wall_clock())


def _close(trace: Trace, house: House, *, final: bool = True) -> None:
    """The bill and the row of the attempt under way, or of a request that never got to one. No await: see above."""
    trace.account()
    row = trace.row(house.clock())
    house.money.settle(trace, row)
    house.record(row, final, trace.seen.events if trace.seen else 0)


async def _relay_whole(answer: Answered, trace: Trace, client: Client, house: House) -> None:
    """Upstream's body as it came (or as it was reshaped), with what we know of it in the headers."""
    trace.account(whole=True)
    headers = _headers(answer.headers, trace, house)
    headers.append((b"x-switchyard-cost-usd", usd(trace.cost_nano)))
    await client.whole(answer.whole.status, headers, answer.whole.body)


async def _relay_stream(
    answer: Streaming, request: Request, trace: Trace, client: Client, house: House
) -> None:
    """Upstream's bytes as they arrive. A stream that breaks shows it; it never ends as if it were whole."""
    response, stream = answer.response, answer.stream
    try:
        await client.start(response.status, _headers(response.headers, trace, house))
        if answer.first:
            await client.write(answer.first)
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

        while not stream.ended and await response.pour(relay):
            if held:
                slow, held = held, b""
                await client.write(slow)
        await _end_stream(stream, request, trace, client)
    except http.UpstreamError as error:
        trace.error = type(error).__name__
        await _break_off(BROKEN_OFF, "error", trace, client, house)
    finally:
        response.close()
        house.tenants.answered(trace)
        if trace.candidate is not None:
            _remember(stream.sealed, trace.candidate, trace, house)


def _spoke(stream: Stream, trace: Trace, house: House, now_s: float) -> bool:
    """Whether the answer has said anything by now; if so, how long that took is remembered of its model."""
    if not stream.seen.text_bytes or trace.candidate is None:
        return False
    house.pace.note(way(trace.candidate), now_s - trace.sent_s, house.wall_clock())
    return True


async def _end_stream(stream: Stream, request: Request, trace: Trace, client: Client) -> None:
    """The end that this stream has: its own, the one of a stop sequence, or none at all."""
    if stream.over:
        trace.account()
        await client.write(stream.ending(trace.usage if request.asks_usage else None))
    elif rest := stream.finish():
        await client.write(rest)
    if stream.broken:
        raise http.BadResponse("the stream held something that is no event", sent=True)
    if not (stream.over or stream.seen.complete or stream.seen.error):
        raise http.ConnectionCut("the stream ended before it was complete", sent=True)
    await client.end()


async def _pass_on(failed: Failed, trace: Trace, client: Client, house: House) -> None:
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


async def _refuse(refusal: ApiError, trace: Trace, client: Client, house: House) -> None:
    headers = _headers(refusal.headers(), trace, house)
    headers.append((b"x-request-id", trace.call.id.encode()))
    await client.whole(refusal.status, headers, refusal.body())


async def _break_off(message: str, finish: str, trace: Trace, client: Client, house: House) -> None:
    """End an answer that cannot be completed: an error frame in a stream, a 503 where nothing was sent yet."""
    trace.finish, trace.error = finish, trace.error or finish
    if not client.started:
        refusal = UpstreamUnavailable(message, retry_after_s=1)
        trace.status = refusal.status
        await _refuse(refusal, trace, client, house)
        return
    await client.write(error_frame(trace.call.endpoint, message))
    await client.end()


def _headers(upstream: tuple[Header, ...] | list[Header], trace: Trace, house: House) -> list[Header]:
    headers = downward(upstream, own_limits=bool(trace.rates))
    headers += trace.rates
    headers += trace.headers(house.clock())
    return headers
