"""What flow tells of attempts becomes sums and counts in the store: judged afterwards, never before it was decided to."""

import asyncio
import itertools
import json

import pytest

from proxy.measuring.copies import MOST_BYTES, MOST_HELD_BYTES, Listened, Shelf
from proxy.measuring.witness import BASELINE_CALLS, LOOKED_AT_PER_S, Course, Witness
from proxy.migration.comparison import columns
from proxy.migration.guards import Measure
from proxy.nouns import Arm, Asks, Call, Caller, Candidate, Endpoint, Plan, PriceRow, Reason, Usage
from proxy.parse import parse
from proxy.planning.expected import Terms
from proxy.reshape import Whole
from proxy.routing.classifier import Classifier
from proxy.routing.verdicts import Verdicts
from proxy.store.client import connected
from proxy.store.observations import measured, read_baseline, seen
from proxy.trace import Trace
from proxy.upstreams.attempt import Answered
from proxy.upstreams.meter import Seen
from proxy.upstreams.refusals import Failed
from proxy.upstreams.retry import Failure

PRICE = PriceRow(100, 400, 50, 100, 100, 100, 400, 100, 400)
DEARER = PriceRow(200, 800, 100, 200, 200, 200, 800, 200, 800)
COURSE = Course(Terms(PRICE, "none"), Terms(DEARER, "none"))
JSON = {"response_format": {"type": "json_object"}}
numbers = itertools.count()


@pytest.fixture(scope="module")
def verdicts():
    return Verdicts(Classifier.load())


class Reader:
    """A client that reads everything."""

    def __init__(self):
        self.cutting, self.started, self.got = False, False, []

    async def start(self, status, headers, first):
        self.started, self.got = True, [first]

    async def write(self, block):
        self.got.append(block)

    def push(self, block):
        if len(self.got) % 2:
            return False
        self.got.append(block)
        return True

    async def end(self):
        self.got.append(b"END")

    async def whole(self, status, headers, body):
        self.got.append(body)


class Scene:
    """A witness on a store, and calls that end as the test says. Time stands still unless it is moved."""

    def __init__(self, pipe, verdicts):
        self.pipe, self.now_s = pipe, 1_000.0
        self.witness = Witness(pipe, verdicts, lambda: self.now_s)
        self.witness.take_up({"leave": COURSE})

    def trace(self, side="new", unit="u1", version=1, task="code", endpoint=Endpoint.CHAT, **fields):
        body = {"model": "old", "messages": [{"role": "user", "content": "Write a function."}], **fields}
        call = Call(f"c{next(numbers)}", endpoint, b"/chat/completions", b"", (), Asks(), 0.0, 0.0)
        arm = Arm("leave", side, unit, version)
        candidate = Candidate("m", "openai", Reason.MIGRATION, price=PRICE, arm=arm)
        trace = Trace(call, Caller("k", "k"), parse(Endpoint.CHAT, json.dumps(body).encode()))
        trace.plan, trace.candidate = Plan("old", (candidate,), task=task), candidate
        return trace

    async def answer(self, text="{}", cost_nano=500, first_s=0.2, **about):
        """A whole answer that says `text`."""
        trace = self.trace(**about)
        client = self.witness.listen(Reader(), trace)
        trace.sending(10.0)
        trace.heard(10.0 + first_s)
        trace.seen = Seen(finish="stop", done=True, text_bytes=len(text))
        message = {"choices": [{"index": 0, "message": {"content": text}, "finish_reason": "stop"}]}
        await client.whole(200, [], json.dumps(message).encode())
        trace.usage, trace.cost_nano = Usage(10, 5), cost_nano
        whole = Whole(200, b"", trace.seen, None)
        self.witness.ended(Answered([], whole), trace, 11.0, None)

    def fail(self, failure=Failure.OVERLOADED, **about):
        """An attempt that gives nothing, and the end of the call."""
        trace = self.trace(**about)
        self.witness.listen(Reader(), trace)
        trace.sending(10.0)
        trace.heard(10.1)
        failed = Failed(failure, 500)
        self.witness.failed(failed, trace, 10.1)
        self.witness.ended(failed, trace, 10.1, None)

    async def totals(self, measure, task="", version=1):
        await self.witness.catch_up()
        return (await measured(self.pipe, "leave", version, 0.0)).totals[measure, task]


def scene(url, verdicts, scenario):
    async def run():
        async with connected(url) as pipe:
            return await scenario(Scene(pipe, verdicts))

    return asyncio.run(run())


def test_failures_and_bad_answers_count_alike_by_unit_and_task(url, verdicts):
    """A 500, invalid JSON, a good answer, a caller that left: three that count, two of them failed."""

    async def scenario(it):
        it.fail(unit="a")
        await it.answer("{broken", unit="a", **JSON)
        await it.answer('{"a": 1}', unit="b", **JSON)
        left = it.trace(unit="c")
        it.witness.listen(Reader(), left)
        left.sending(10.0)
        left.left()
        it.witness.ended(None, left, 10.5, None)
        arm = (await it.totals(Measure.FAILED, "code")).new
        assert (arm.units, arm.calls, arm.y) == (2, 3, 2)
        found = await seen(it.pipe, "leave", [1])
        assert found.kinds("new", "", "error") == {"overloaded": 1}
        assert found.kinds("new", "", "invalid") == {"json": 1}
        assert (found.count("new", "", "judged"), found.count("new", "", "left")) == (2, 1)

    scene(url, verdicts, scenario)


def test_a_call_nobody_routed_is_told_apart_by_task_all_the_same(url, verdicts):
    """It is classified after its answer went out, failures as well."""

    async def scenario(it):
        await it.answer("hello", task="")
        it.fail(task="")
        await it.witness.catch_up()
        found = await seen(it.pipe, "leave", [1])
        (task,) = found.tasks
        assert task
        assert found.count("new", task, "calls") == found.count("new", "", "calls") == 2

    scene(url, verdicts, scenario)


def test_a_baseline_is_frozen_by_the_share_before_and_nothing_is_slow_until_then(url, verdicts):
    """p95 and p99 of the old model, the planned ratio of its token mix; costs are capped at it, on each arm in its way."""

    async def scenario(it):
        for i in range(BASELINE_CALLS):
            it.now_s += 1
            await it.answer(side="old", unit=f"u{i}", version=0, cost_nano=1_000, first_s=0.1)
        await it.witness.catch_up()
        before = (await measured(it.pipe, "leave", 0, 0.0)).totals
        assert (Measure.SLOW, "") not in before
        await it.answer(side="old", cost_nano=50_000, first_s=5.0)
        it.now_s += 2
        await it.witness.catch_up()
        baseline = await read_baseline(it.pipe, "leave", 1)
        assert baseline.ratio == pytest.approx(2.0)
        assert baseline.cap_nano == pytest.approx(1_000, rel=0.11)
        assert baseline.threshold_s("code", stream=False) == pytest.approx(0.1, rel=0.11)
        await it.answer(side="old", cost_nano=50_000, first_s=5.0)
        await it.answer(side="new", cost_nano=50_000, first_s=0.05)
        slow, cost = await it.totals(Measure.SLOW), await it.totals(Measure.COST)
        assert (slow.old.calls, slow.old.y, slow.new.y) == (1, 1, 0)
        assert cost.new.y == pytest.approx(2 * cost.old.y)

    scene(url, verdicts, scenario)


def test_whether_an_answer_is_looked_at_is_decided_before_it_is_asked_for(url, verdicts):
    """So many in a second, of each side; one that fails is no likelier to be among them. Failures are counted among these
    alone, or what is wrong with answers would be thinned out by those that nobody looked at."""

    async def scenario(it):
        for n in range(LOOKED_AT_PER_S):
            await it.answer("{broken" if n % 5 == 0 else "{}", unit=f"u{n}", **JSON)
        for _ in range(7):
            await it.answer("{broken", **JSON)
            it.fail()
            await it.answer("{broken", side="old", **JSON)
        it.now_s += 1
        it.fail()
        failed = await it.totals(Measure.FAILED)
        found = await seen(it.pipe, "leave", [1])
        assert (failed.new.calls, failed.new.y) == (LOOKED_AT_PER_S + 1, LOOKED_AT_PER_S / 5 + 1)
        assert (failed.old.calls, failed.old.y) == (7, 7)
        assert found.count("new", "", "calls") == LOOKED_AT_PER_S + 15
        assert found.count("new", "", "judged") == LOOKED_AT_PER_S
        assert found.kinds("new", "", "error") == {"overloaded": 8}
        new = next(column for column in columns(found) if column.side == "new")
        assert new.failed == pytest.approx(failed.new.y / failed.new.calls)

    scene(url, verdicts, scenario)


def test_answers_that_nobody_could_look_at_count_as_they_ended(url, verdicts):
    """Vectors are neither good nor bad JSON: every call is one that failed or did not."""

    async def scenario(it):
        for n in range(LOOKED_AT_PER_S + 5):
            it.fail(endpoint=Endpoint.EMBEDDINGS, unit=f"u{n}")
        failed = await it.totals(Measure.FAILED)
        assert (failed.new.calls, failed.new.y) == (LOOKED_AT_PER_S + 5, LOOKED_AT_PER_S + 5)

    scene(url, verdicts, scenario)


def test_a_copy_is_bounded_and_the_client_gets_every_byte():
    """What is too long is not kept; what all copies hold is known, and given back once."""

    async def scenario():
        shelf, client = Shelf(), Reader()
        short, long = Listened(client, shelf), Listened(client, shelf)
        await short.write(b"a" * 10)
        assert not short.push(b"b" * 10)  # nothing was sent, so nothing is kept
        await short.write(b"b" * 10)
        assert short.push(b"x")
        assert short.chunk_writer() is None  # what went past it would be missing
        await long.write(b"c" * MOST_BYTES)
        await long.write(b"d")
        await long.end()
        assert client.got == [b"a" * 10, b"b" * 10, b"x", b"c" * MOST_BYTES, b"d", b"END"]
        assert shelf.held_bytes == 21 + MOST_BYTES
        assert (short.taken(), long.taken(), shelf.held_bytes) == (b"a" * 10 + b"b" * 10 + b"x", None, 0)
        shelf.held_bytes = MOST_HELD_BYTES
        assert shelf.full

    asyncio.run(scenario())


def test_a_body_that_cannot_be_read_to_its_end_ends_nobody(url, verdicts):
    """A number too large for any float shows when the part with it is read, which may be here: the call counts, unjudged."""

    async def scenario(it):
        trace = it.trace(task="")
        trace.request = parse(
            Endpoint.CHAT,
            b'{"model": "old", "messages": [1e999], "tools": [1e999], "response_format": 1e999}',
        )
        client = it.witness.listen(Reader(), trace)
        trace.sending(10.0)
        trace.heard(10.2)
        trace.seen = Seen(finish="stop", done=True)
        await client.whole(200, [], b'{"choices": []}')
        it.witness.ended(Answered([], Whole(200, b"", trace.seen, None)), trace, 11.0, None)
        assert (await it.totals(Measure.FAILED)).new.calls == 1
        assert (await seen(it.pipe, "leave", [1])).count("new", "", "judged") == 0

    scene(url, verdicts, scenario)


def test_a_store_that_is_away_costs_no_more_than_what_was_not_entered(verdicts):
    """Nothing is raised, nothing piles up by call: sums wait, or are given up when they may have arrived."""

    async def scenario():
        async with connected("unix:///nowhere/valkey.sock", timeout_s=0.2) as pipe:
            it = Scene(pipe, verdicts)
            for i in range(50):
                it.fail(unit=f"u{i % 3}")
            await it.witness.catch_up()
            await it.witness.catch_up()

    asyncio.run(scenario())
