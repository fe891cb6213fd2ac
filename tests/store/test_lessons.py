"""What one worker learned, the others know."""

import asyncio

from proxy.store.client import connected
from proxy.store.lessons import SharedLessons, drop_lessons, read_lessons
from tests.chaos.toxic import Toxic


def test_a_lesson_reaches_every_worker_and_outlives_them(url):
    """Told by one, taken up by the other at its next look and by one that starts later; dropped for all at once."""

    async def scenario():
        async with connected(url) as pipe:
            heard = {"one": [], "two": [], "late": []}
            one, two = (
                SharedLessons(pipe, lambda told, to=to: heard[to].append(set(told))) for to in ("one", "two")
            )
            await two.look()
            one.tell("a", b"1")
            one.tell("b", b"2")
            await one.look()
            await two.look()
            await two.look()
            late = SharedLessons(pipe, lambda told: heard["late"].append(set(told)))
            await late.look()
            await drop_lessons(pipe, ["a"])
            await two.look()
            return heard, await read_lessons(pipe), await pipe.call("TTL", "{switchyard}:learned")

    heard, kept, lives_s = asyncio.run(scenario())
    assert heard == {"one": [{b"1", b"2"}], "two": [set(), {b"1", b"2"}, {b"2"}], "late": [{b"1", b"2"}]}
    assert kept == {"b": b"2"}
    assert lives_s > 24 * 3600


def test_what_was_learned_while_redis_was_away_is_told_afterwards(server, url):
    """Nothing is raised, nothing is lost."""

    async def scenario():
        async with Toxic(url.removeprefix("unix://")) as link, connected(link.url) as pipe:
            lessons = SharedLessons(pipe, lambda told: None)
            await lessons.look()
            link.refusing = True
            link.reset_all()
            lessons.tell("a", b"1")
            await lessons.look()
            assert await _kept(url) == {}
            link.heal()
            while not await _kept(url):
                await lessons.look()
                await asyncio.sleep(0.02)
            return await _kept(url)

    async def _kept(at):
        async with connected(at) as pipe:
            return await read_lessons(pipe)

    assert asyncio.run(asyncio.wait_for(scenario(), 20)) == {"a": b"1"}
