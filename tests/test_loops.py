"""A tool loop ends on the side it began on although the share changed under it, on whichever worker its next step arrives."""

import asyncio
import json
import time

import pytest

from proxy.loops import Loops
from proxy.migration.roads import LOOP_S, Road
from proxy.migration.state import Event, State, moved, percent
from proxy.nouns import Arm, Asks, Call, Caller, Candidate, Endpoint, Reason
from proxy.parse import parse
from proxy.planning.candidates import traveller_of
from proxy.store.client import connected
from proxy.tasks import TaskOwner
from proxy.trace import Trace
from proxy.upstreams.meter import Seen
from tests.store.conftest import server, url

__all__ = ["server", "url"]

NOW = 1_795_000_000.0
CALLER = Caller("web", "web")
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
QUESTION = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "how warm is it?"}]
STEP = [
    *QUESTION,
    {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "c1", "content": "21"},
]  # fmt: skip


def state(*events):
    found = State("leave", "old", "new", (10, 60, 100))
    for event in events:
        found = moved(found, event, now=NOW, who="", why="")
    return found


def roads(state):
    return {"old": Road("leave", "", "new", "", "user", {}, frozenset(), state)}


def asked(messages, user, endpoint=Endpoint.CHAT, **more):
    name = "messages" if endpoint is Endpoint.CHAT else "input"
    return parse(
        endpoint, json.dumps({"model": "old", name: messages, "user": user, "tools": TOOLS, **more}).encode()
    )


def moved_user(road):
    """A user that the last change of the share moved."""
    for i in range(10_000):
        who = traveller_of(asked(QUESTION, f"u{i}"), CALLER, {})
        if road.unsettled(who, NOW) is not None:
            return f"u{i}"
    raise AssertionError("nobody was moved")


def answered(request, side, answer_id=""):
    call = Call("sy-1", request.endpoint, b"/", b"", (), Asks(), NOW, 0.0)
    trace = Trace(call, CALLER, request=request)
    trace.candidate = Candidate("new", "openai", Reason.MIGRATION, arm=Arm("leave", side, "u", 1))
    trace.seen = Seen()
    trace.seen.answer_id = answer_id
    return trace


def on(url, scenario):
    async def run():
        async with connected(url) as one, connected(url) as other:
            await scenario(one, other)

    asyncio.run(run())


async def until_noted(pipe, count):
    deadline = time.monotonic() + 5
    while await pipe.call("DBSIZE") < count:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_a_loop_that_nobody_noted_began_before_the_change(url):
    """60 %: those whom it moved were on the old side until then; others are not asked about."""

    async def scenario(pipe, _):
        found = roads(state(Event.START, Event.PROMOTE))
        loops = Loops(found, pipe, TaskOwner())
        user = moved_user(found["old"])
        assert await loops.begun(asked(STEP, user), CALLER, NOW) == {"leave": "old"}
        assert await loops.begun(asked(QUESTION, user), CALLER, NOW) == {}, "no step of a loop"
        assert await loops.begun(asked(STEP, user), CALLER, NOW + LOOP_S) == {}, "no loop lasts so long"
        stays = next(
            f"v{i}"
            for i in range(99)
            if found["old"].unsettled(traveller_of(asked(STEP, f"v{i}"), CALLER, {}), NOW) is None
        )
        assert await loops.begun(asked(STEP, stays), CALLER, NOW) == {}

    on(url, scenario)


@pytest.mark.parametrize("endpoint", [Endpoint.CHAT, Endpoint.RESPONSES])
def test_a_loop_that_began_after_the_change_is_known_on_every_worker(url, endpoint):
    """Its first answer notes the side; the next step finds it through another connection, by its question or by the answer
    that it names."""

    async def scenario(pipe, other):
        found = roads(state(Event.START, Event.PROMOTE))
        user = moved_user(found["old"])
        first = asked(QUESTION, user, endpoint)
        Loops(found, pipe, TaskOwner()).note(
            answered(first, "new", "resp_1" if endpoint is Endpoint.RESPONSES else ""), NOW
        )
        await until_noted(pipe, 2 if endpoint is Endpoint.RESPONSES else 1)
        there = Loops(found, other, TaskOwner())
        step = (
            asked(STEP, user)
            if endpoint is Endpoint.CHAT
            else asked(
                [{"type": "function_call_output", "call_id": "c1", "output": "21"}],
                user,
                endpoint,
                previous_response_id="resp_1",
            )
        )
        assert await there.begun(step, CALLER, NOW) == {"leave": "new"}
        assert await there.begun(step, Caller("other", "other"), NOW) in ({}, {"leave": "old"}), (
            "another key's loop"
        )

    on(url, scenario)


def test_a_rollback_tears_no_loop_apart(url):
    """Whoever is in the middle of one ends it on the new model; new questions go to the old one."""

    async def scenario(pipe, _):
        back = state(Event.START, Event.PROMOTE, Event.ROLLBACK)
        assert percent(back) == 0
        found = roads(back)
        user = moved_user(found["old"])
        loops = Loops(found, pipe, TaskOwner())
        assert await loops.begun(asked(STEP, user), CALLER, NOW) == {"leave": "new"}
        who = traveller_of(asked(STEP, user), CALLER, {"leave": "new"})
        assert found["old"].is_open(NOW)
        assert found["old"].fork(who).side == "new"
        assert found["old"].fork(traveller_of(asked(QUESTION, user), CALLER, {})).side == "old"

    on(url, scenario)


def test_without_an_answer_from_the_store_the_earlier_side_is_taken(url):
    """A store that is away delays nobody for long and tears no loop that began before."""

    async def scenario(pipe, _):
        found = roads(state(Event.START, Event.PROMOTE))
        for _ in range(4):
            pipe.breaker.failed()
        assert pipe.away
        loops = Loops(found, pipe, TaskOwner())
        assert await loops.begun(asked(STEP, moved_user(found["old"])), CALLER, NOW) == {"leave": "old"}

    on(url, scenario)
