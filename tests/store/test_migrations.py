"""Where migrations stand in the store: one change wins, versions only rise, lost data is given back, all see it by polling."""

import asyncio
from dataclasses import replace

from proxy.migration.state import Event, State, moved
from proxy.store import keys
from proxy.store.accounts import Accounts
from proxy.store.client import connected
from proxy.store.migrations import give_back, packed, read_states, replace_state, states_in
from proxy.store.operator import AuditLine, Operator

FRESH = State("leave", "old", "new", (1, 100))
RUNNING = moved(FRESH, Event.START, now=1.0, who="ann", why="")
DONE = moved(RUNNING, Event.DEADLINE, now=2.0, who="bob", why="")


def line(what="migrate start"):
    return AuditLine(1.0, "ann", what, "leave", "0 % -> 1 %")


def on(url, scenario):
    async def run():
        async with connected(url) as pipe:
            await scenario(pipe)

    asyncio.run(run())


def test_of_two_changes_from_one_state_one_wins_and_one_audit_line_is_left(url):
    """Fifty at once, as two operators and a supervisor might: the others are told that it is another one meanwhile."""

    async def scenario(pipe):
        won = await asyncio.gather(*[replace_state(pipe, FRESH, RUNNING, line()) for _ in range(50)])
        assert sum(won) == 1
        assert await read_states(pipe) == {"leave": RUNNING}
        assert [(each.who, each.what, each.target) for each in await Operator(pipe, "x", 1.0).audit()] == [
            ("ann", "migrate start", "leave")
        ]
        assert not await replace_state(pipe, FRESH, replace(RUNNING, version=9), line()), (
            "not what it follows"
        )
        assert await replace_state(pipe, RUNNING, DONE, line("migrate deadline"))

    on(url, scenario)


def test_a_store_that_lost_its_data_is_given_back_the_highest_version(url):
    """Two replicas with copies of different age, in either order: the later stands, and a lower one never replaces it."""

    async def scenario(pipe):
        assert await replace_state(pipe, FRESH, RUNNING, line())
        assert await replace_state(pipe, RUNNING, DONE, line())
        await pipe.call("FLUSHALL")
        assert await give_back(pipe, {"leave": RUNNING}, await read_states(pipe), 5.0) == 1
        assert await give_back(pipe, {"leave": DONE}, await read_states(pipe), 6.0) == 1
        assert await give_back(pipe, {"leave": RUNNING}, await read_states(pipe), 7.0) == 0
        assert await give_back(pipe, {"leave": RUNNING}, {}, 8.0) == 0, (
            "what was read before it was given back"
        )
        assert await read_states(pipe) == {"leave": DONE}
        assert [each.what for each in await Operator(pipe, "x", 1.0).audit()] == ["migrate restore"] * 2

    on(url, scenario)


def test_workers_see_a_change_by_polling_one_number(url):
    """With keys and limits: a change raises it, a look without one reads nothing more."""

    async def scenario(pipe):
        seen = []
        accounts = Accounts(pipe, lambda found: seen.append(found.migrations))
        assert await accounts.poll()
        await replace_state(pipe, FRESH, RUNNING, line())
        assert await accounts.poll()
        assert not await accounts.poll()
        assert not await replace_state(pipe, FRESH, RUNNING, line())
        assert not await accounts.poll(), "what was refused is no change"
        assert seen == [{}, {"leave": RUNNING}]

    on(url, scenario)


def test_the_audit_keeps_its_length(url):
    """The latest thousand lines, whoever writes them."""

    async def scenario(pipe):
        state = FRESH
        await pipe.call("RPUSH", keys.AUDIT, *["{}"] * 1_000)
        for _ in range(3):
            after = moved(state, Event.START, now=1.0, who="", why="")
            assert await replace_state(pipe, state, after, line())
            state = moved(after, Event.ROLLBACK, now=1.0, who="", why="")
            assert await replace_state(pipe, after, state, line())
        assert await pipe.call("LLEN", keys.AUDIT) == 1_000

    on(url, scenario)


def test_a_state_that_cannot_be_read_is_left_out():
    """Written by a version that knows more statuses: this one plans as if nobody had started it."""
    strange = packed(RUNNING).replace(b'"running"', b'"teleporting"')
    assert states_in({"leave": packed(RUNNING), "other": strange}) == {"leave": RUNNING}
