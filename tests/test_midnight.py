"""The day a model stops: under load, with an injected clock, not one request fails."""

import asyncio
from datetime import UTC, datetime

import pytest
from house_kit import Caught, Home
from town import sandbox

from proxy.migration.state import Event, State, moved


def moment(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


async def ask(home, number, stream):
    body = {
        "model": "gpt-4.1-mini",
        "messages": [{"role": "user", "content": f"question {number}"}],
        "temperature": 0.2,
        "max_tokens": 60,
        "stop": ["never said"],
        "stream": stream,
        "user": f"user-{number}",
    }
    client = Caught()
    await home.ask(client, body, number)
    return client


async def through_the_night(upstream, margin_hours, steps, *migration):
    """20 requests at every step (our clock, the provider's day); the answers."""
    home = Home(upstream.url, {"lifecycle.margin_hours": str(margin_hours)}, *migration)
    answers, number = [], 0
    for ours, theirs in steps:
        home.now = moment(ours)
        await asyncio.to_thread(upstream.control, today=theirs)
        batch = [ask(home, number + i, stream=i % 2 == 0) for i in range(20)]
        number += 20
        answers += await asyncio.gather(*batch)
    home.pools.close()
    return answers


NIGHTS = pytest.mark.parametrize(
    ("margin_hours", "steps"),
    [
        (
            24,
            [("2027-01-12T23:59:58", "2027-01-12"), ("2027-01-13T00:00:01", "2027-01-13"),
             ("2027-01-13T23:59:59", "2027-01-13"), ("2027-01-14T00:00:01", "2027-01-14")],
        ),
        (
            0,
            [("2027-01-13T23:59:50", "2027-01-13"), ("2027-01-13T23:59:57", "2027-01-14"),
             ("2027-01-14T00:00:01", "2027-01-14")],
        ),
    ],
    ids=["a day ahead", "the provider's clock is ahead of ours"],
)  # fmt: skip


@NIGHTS
def test_no_request_fails_when_the_day_comes(margin_hours, steps):
    """Whole and streamed, before, at and after midnight: every answer is a 200, at last from the successor."""
    with sandbox() as upstream:
        answers = asyncio.run(through_the_night(upstream, margin_hours, steps))
    assert {answer.status for answer in answers} == {200}
    assert all(b'"error"' not in answer.body for answer in answers)
    served = [answer.headers[b"x-switchyard-model"].decode() for answer in answers]
    assert set(served[:20]) == {"gpt-4.1-mini"}
    assert set(served[-20:]) == {"gpt-6-luna"}
    assert b"stop:emulated" in answers[-1].headers[b"x-switchyard-changes"]


MIGRATION = "migrations: [{name: leave, from: gpt-4.1-mini, to: gpt-6-luna@none, stages: [25, 100]}]"


@NIGHTS
@pytest.mark.parametrize(
    "events", [[Event.START], [Event.START, Event.ROLLBACK], []], ids=["at 25 %", "rolled back", "waiting"]
)
def test_no_request_fails_when_the_day_comes_in_the_middle_of_a_migration(margin_hours, steps, events):
    """Whatever its stage, and whether or not anybody promoted it: every answer is a 200, before the day by the share, on the
    day from where the migration leads."""
    state = State("leave", "gpt-4.1-mini", "gpt-6-luna@none", (25, 100))
    for event in events:
        state = moved(state, event, now=moment("2027-01-01T00:00:00"), who="", why="")
    with sandbox() as upstream:
        answers = asyncio.run(through_the_night(upstream, margin_hours, steps, MIGRATION, {"leave": state}))
    assert {answer.status for answer in answers} == {200}
    assert all(b'"error"' not in answer.body for answer in answers)
    served = [answer.headers[b"x-switchyard-model"].decode() for answer in answers]
    assert set(served[:20]) == (
        {"gpt-4.1-mini", "gpt-6-luna"} if events == [Event.START] else {"gpt-4.1-mini"}
    )
    assert set(served[-20:]) == {"gpt-6-luna"}
    assert {answer.headers[b"x-switchyard-reason"] for answer in answers[-20:]} == {b"migration"}
