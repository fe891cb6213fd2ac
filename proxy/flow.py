"""The life of one request. READ THIS FIRST.

    parse → plan → translate → hold → send → relay → settle → record

`serve` is the line; each step belongs to a room of its own and is called here in order (`house.py` lists them, `relay.py` is how
answers go out). Three rules shape the code:

* Nothing is retried once a byte has reached the client. The beginning of a stream is looked at before that.
* A `finally` after a stream has no `await`: the request may be cancelled there (the client left, the process drains), and
  a cancelled await loses the bill. What remains to be done is handed over synchronously (`_close`).
* Every attempt that may have been billed is settled on its own hold, exactly once.
"""

import asyncio

from proxy.errors import ApiError
from proxy.house import Client, House, ServedClient
from proxy.nouns import Call, Caller, Candidate, Plan
from proxy.parse import Request, parse
from proxy.planning.plan import NOWHERE_BEGUN
from proxy.relay import break_off, pass_on, refuse, relay_stream, relay_whole
from proxy.trace import Trace
from proxy.upstreams.attempt import Answered, Outcome, Streaming
from proxy.upstreams.refusals import SHUTTING_DOWN, Failed
from proxy.upstreams.retry import back_off_s, judge


async def serve(call: Call, caller: Caller, client: ServedClient, house: House) -> None:
    """Answer one request. Returns when the last byte is handed over; raises only CancelledError, when the client left."""
    trace = Trace(call, caller)
    try:
        request = parse(call.endpoint, call.raw, call.asks.session)
        trace.parsed(request)
        now = house.wall_clock()
        begun = await house.loops.begun(request, caller, now) if house.loops is not None else NOWHERE_BEGUN
        plan = trace.plan = house.planner.plan(request, call.asks, caller, now, begun)
    except ApiError as refusal:
        trace.refused(refusal)
        _close(trace, house)
        await refuse(refusal, trace, client, house)
        return
    except asyncio.CancelledError:
        trace.left()
        _close(trace, house)
        raise
    if plan.drain_on_disconnect:
        # The route wants exact bills: the call goes on without its client, in a task that outlives the request.
        answering = house.tasks.start(_answer(request, plan, trace, client, house))
        client.answered_by(answering)
        await asyncio.shield(answering)
        return
    await _answer(request, plan, trace, client, house)


async def _answer(request: Request, plan: Plan, trace: Trace, client: Client, house: House) -> None:
    outcome: Outcome | None = None
    onlooker = house.onlooker if plan.candidates[0].arm is not None else None
    if onlooker is not None:
        client = onlooker.listen(client, trace)
    try:
        outcome = await _ask_in_order(request, plan, trace, house)
        if isinstance(outcome, Answered):
            await relay_whole(outcome, trace, client, house)
        elif isinstance(outcome, Streaming):
            await relay_stream(outcome, request, trace, client, house)
        else:
            await pass_on(outcome, trace, client, house)
    except ApiError as refusal:
        trace.refused(refusal)
        await refuse(refusal, trace, client, house)
    except asyncio.CancelledError:
        if not client.cutting:
            trace.left()
            raise
        await break_off(SHUTTING_DOWN, "cut", trace, client, house)
    finally:
        _close(trace, house)
        if onlooker is not None:
            onlooker.ended(outcome, trace, house.clock(), house)


async def _ask_in_order(request: Request, plan: Plan, trace: Trace, house: House) -> Outcome:
    """Ask the candidates as the retry table allows, each attempt on its own hold, until one answers or none is left."""
    house.retries.earn()
    preferred = house.money.preferred(request, plan, trace)
    admitted = await house.tenants.admit(request, preferred, trace.caller)
    queue = house.breakers.in_order(admitted, house.clock())
    again: Candidate | None = None  # whose turn is its second
    fallback = False
    while True:
        turn = queue.pop(0)
        if trace.sent:  # the attempt before this one may have cost money
            _close(trace, house, final=False)
        candidate = house.aftercare.prepared(request, turn, trace.caller, trace.call.at)
        trace.considering(candidate, fallback=fallback)
        question = await house.hold(request, candidate, trace)
        outcome = await house.send(candidate, question, trace)
        house.heard(outcome, trace)
        _note(outcome, candidate, trace, house)
        if not isinstance(outcome, Failed):
            return outcome
        advice = judge(
            outcome.failure, retry_after_s=outcome.retry_after_s, next_on_timeout=plan.next_on_timeout
        )
        if advice.same and turn is not again and house.retries.spend():
            await _back_off(outcome, trace, house)
            queue.insert(0, turn)
            again = turn
            continue
        better = await house.aftercare.candidates(outcome, candidate, request, plan, trace)
        queue[:0] = better
        if not queue or not (better or advice.next):
            return outcome
        house.moved_on(candidate, queue[0], outcome.name)
        fallback = True


def _note(outcome: Outcome, candidate: Candidate, trace: Trace, house: House) -> None:
    """What others remember of an attempt: breakers, owners of stored objects, tool loops, migrations."""
    failure = outcome.failure if isinstance(outcome, Failed) else None
    state = house.breakers.note(candidate, failure, trace.first_byte_s)
    if state is not None:
        house.health_changed(candidate, state)
    house.tenants.answered(trace)
    if candidate.arm is not None:
        _note_side(outcome, trace, house)


def _note_side(outcome: Outcome, trace: Trace, house: House) -> None:
    """What a migration wants to know at once of an attempt on one of its sides."""
    if not isinstance(outcome, Failed):
        if house.loops is not None:
            house.loops.note(trace, house.wall_clock())
    elif house.onlooker is not None:
        house.onlooker.failed(outcome, trace, trace.first_byte_s)


async def _back_off(failed: Failed, trace: Trace, house: House) -> None:
    wait_s = back_off_s(house.rng(), failed.retry_after_s)
    trace.waited_s += wait_s
    await asyncio.sleep(wait_s)


def _close(trace: Trace, house: House, *, final: bool = True) -> None:
    """The bill and the row of the attempt under way, or of a request that never got to one. No await: see above."""
    trace.account()
    row = trace.row(house.clock())
    told = row.as_json()
    house.money.settle(trace, row, told)
    house.record(row, told, final, trace.seen.events if trace.seen else 0)
