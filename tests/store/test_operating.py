"""What operators change and read while the proxy runs: keys, limits, windows, and who owns what."""

import asyncio
import time

import pytest

from proxy.budgets.scopes import Book, Budget, Counter
from proxy.budgets.windows import window
from proxy.errors import InsufficientQuota, UpstreamUnavailable
from proxy.nouns import NANO_PER_USD
from proxy.settings.values import MOST_USD
from proxy.store import keys
from proxy.store.accounts import Accounts
from proxy.store.client import connected, meanwhile
from proxy.store.objects import KEPT_S, Owner, StoredObjects
from proxy.store.operator import Operator, TooMuch, Unknown
from proxy.store.states import budget_states, standings
from tests.chaos.toxic import Toxic
from tests.store.kit import CALLER, make_ledger, request, row, running

BOOK = Book(
    [
        Budget("company", "global", 1000, "month"),
        Budget("search.month", "team", 500, "month", of="search"),
        Budget("per-user", "user", 100, "day"),
    ],
    {},
)


async def spend_some(ledger, cost, user="u1"):
    grant = await ledger.hold(request(BOOK.tab(CALLER, "m", user).counters, cost))
    ledger.settle(grant.hold, cost, row(cost))
    await ledger.close()


def test_budgets_show_what_is_spent_held_left_and_when_they_reset(url, directory):
    """One state per budget, one per user of a user budget."""

    async def scenario():
        async with connected(url) as pipe, running(make_ledger(url, directory)) as ledger:
            await spend_some(ledger, 40)
            await spend_some(ledger, 30, "u2")
            held = await ledger.hold(request(BOOK.tab(CALLER, "m", "").counters, 5))
            states = {state.counter_id: state for state in await budget_states(pipe, BOOK)}
            assert set(states) == {
                "b:company",
                "b:search.month:search",
                "b:per-user:web:u1",
                "b:per-user:web:u2",
            }
            company = states["b:company"]
            assert (company.spent_nano, company.held_nano, company.left_nano, company.unsettled_nano) == (
                70,
                5,
                925,
                0,
            )
            assert company.window.end > time.time()
            assert states["b:per-user:web:u2"].spent_nano == 30
            mine = await standings(pipe, BOOK.tab(CALLER, "m", "u1").counters)
            assert [(each.counter.id, each.spent, each.left) for each in mine] == [
                ("b:per-user:web:u1", 40, 60),
                ("b:search.month:search", 70, 425),
                ("b:company", 70, 925),
            ]
            ledger.release(held.hold)

    asyncio.run(scenario())


def test_a_raised_budget_lets_more_through_at_once_and_a_reset_one_starts_anew(url, directory):
    """`raise` and `reset` act in the counters; the ledger keeps what was spent."""

    async def scenario():
        async with connected(url) as pipe, running(make_ledger(url, directory)) as ledger:
            operator = Operator(pipe, "ann", 1.0)

            async def user():
                states = await budget_states(pipe, BOOK)
                return next(state for state in states if state.counter_id == "b:per-user:web:u1")

            await spend_some(ledger, 90)
            with pytest.raises(InsufficientQuota, match="per-user"):
                await spend_some(ledger, 50)
            await operator.raise_limit(await user(), 60)
            await spend_some(ledger, 50)
            assert (await user()).left_nano == 20
            await operator.reset(await user())
            assert ((await user()).spent_nano, (await user()).left_nano) == (0, 160)
            await spend_some(ledger, 100)
            assert int(await pipe.call("HGET", (await user()).key, "spent")) == 240
            assert [line.what for line in await operator.audit()] == ["budgets reset", "budgets raise"]

    asyncio.run(scenario())


def test_a_limit_is_raised_no_further_than_it_can_be_counted(url):
    """Lua counts in doubles, exact to 2^53: what may not be asked for at once may not be asked for bit by bit, nor on top of
    what the limit is already; what is refused changes nothing and leaves no audit line."""

    async def scenario():
        most = MOST_USD * NANO_PER_USD
        async with connected(url) as pipe:
            operator = Operator(pipe, "ann", 1.0)

            async def company():
                return (await budget_states(pipe, BOOK))[0]

            with pytest.raises(TooMuch, match=r"above \$9,000,000"):
                await operator.raise_limit(await company(), most)
            before = await company()
            await operator.raise_limit(before, most - 2000)
            with pytest.raises(TooMuch):
                await operator.raise_limit(before, 1001)
            assert (await company()).limit_nano == most - 1000
            await operator.raise_limit(before, 1000)
            assert (await company()).limit_nano == most
            assert [line.detail for line in await operator.audit()] == ["1000", str(most - 2000)]

    asyncio.run(scenario())


def test_an_adjusted_budget_nobody_used_yet_still_ends_with_its_window(url, directory):
    """A counter that exists only because an operator raised it must not stay for ever."""

    async def scenario():
        async with connected(url) as pipe:
            state = (await budget_states(pipe, BOOK))[0]
            await Operator(pipe, "ann", 1.0).raise_limit(state, 5)
            assert 0 < await pipe.call("TTL", state.key) <= 34 * 86_400
            assert await pipe.call("ZSCORE", keys.LIVE, state.key) is not None

    asyncio.run(scenario())


def test_workers_see_new_revoked_and_limited_keys_by_polling_one_number(url):
    """Created, revoked, limited: each poll that finds a new version reads everything, others read nothing."""

    async def scenario():
        seen = []
        async with connected(url) as pipe:
            accounts = Accounts(pipe, lambda found: seen.append((dict(found.keys), dict(found.limits_nano))))
            operator = Operator(pipe, "ann", 1.0)
            assert await accounts.poll()
            assert not await accounts.poll()
            await operator.create_key("bot", "sha256:aa", b'{"name":"bot"}')
            with pytest.raises(ValueError, match="exists"):
                await operator.create_key("bot", "sha256:aa", b"{}")
            assert await accounts.poll()
            await operator.set_limit("company", 77)
            assert await accounts.poll()
            await operator.revoke_key("bot", "sha256:aa")
            with pytest.raises(Unknown):
                await operator.revoke_key("bot", "sha256:aa")
            await operator.set_limit("company", None)
            assert await accounts.poll()
            assert not await accounts.poll()
            made = {"sha256:aa": b'{"name":"bot"}'}
            assert seen == [({}, {}), (made, {}), (made, {"company": 77}), ({}, {})]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "lost",
    [[("FLUSHALL",)], [("HDEL", keys.KEYS, "sha256:aa"), ("DECR", keys.VERSION), ("LPOP", keys.AUDIT)]],
    ids=["emptied", "restored"],
)
def test_a_number_that_comes_again_is_a_change_all_the_same(url, lost):
    """Data emptied, or restored from before a change, and changed as often as then between two looks: the number is the
    same, what it stands for is not."""

    async def scenario():
        seen, numbers = [], []
        async with connected(url) as pipe:
            accounts = Accounts(pipe, lambda found: seen.append(set(found.keys)))
            for at, key_hash in ((1.0, "sha256:aa"), (2.0, "sha256:bb")):
                await Operator(pipe, "ann", at).create_key("bot", key_hash, b"{}")
                numbers.append(await pipe.call("GET", keys.VERSION))
                assert await accounts.poll()
                assert not await accounts.poll()
                await pipe.transaction(lost)
            assert numbers == [b"1", b"1"]
            assert seen == [{"sha256:aa"}, {"sha256:bb"}]

    asyncio.run(scenario())


def test_the_last_copy_of_keys_stays_while_redis_is_away(server, url):
    """Known keys go on working; what changed meanwhile comes through afterwards."""

    async def scenario():
        seen = []
        async with (
            Toxic(server.url.removeprefix("unix://")) as link,
            connected(link.url, timeout_s=1.0) as pipe,
            connected(url) as straight,
        ):
            accounts = Accounts(pipe, lambda found: seen.append(dict(found.keys)))
            await Operator(straight, "ann", 1.0).create_key("bot", "sha256:aa", b"{}")
            await accounts.poll()
            link.refusing = True
            link.reset_all()
            for _ in range(4):
                assert not await accounts.poll()
            await Operator(straight, "ann", 1.0).revoke_key("bot", "sha256:aa")
            link.heal()
            while pipe.away:
                await asyncio.sleep(0.02)
            await accounts.poll()
            assert seen == [{"sha256:aa": b"{}"}, {}]

    asyncio.run(scenario())


def test_a_stored_object_belongs_to_the_key_that_made_it(url):
    """R33: known at once where it was made, soon everywhere; strangers' and unknown objects have no owner of ours."""

    async def scenario():
        async with connected(url) as pipe, connected(url) as elsewhere:
            here, there = StoredObjects(pipe), StoredObjects(elsewhere)
            async with meanwhile(here.run()):
                here.note("resp_1", Owner("k1", "openai"))
                here.note("resp_2", Owner("k2", "azure"))
                assert await here.owner("resp_1") == Owner("k1", "openai")
                assert await here.flush()
            assert await there.owner("resp_1") == Owner("k1", "openai")
            assert await there.owner("resp_3") is None
            assert await there.owner("resp_\ud800") is None
            assert await there.owned_by("k1", ["resp_2", "resp_1", "resp_3"]) == ["resp_1"]
            assert KEPT_S - 10 < await pipe.call("TTL", keys.stored_object("resp_1")) <= KEPT_S
            here.forget("resp_1")
            assert await here.owner("resp_1") == Owner("k1", "openai")

    asyncio.run(scenario())


def test_the_first_key_that_made_an_object_keeps_it(url):
    """R33: an id that a caller chose, or sent twice, moves nothing from one key to another, in whatever process."""

    async def scenario():
        async with connected(url) as pipe, connected(url) as elsewhere:
            here, there = StoredObjects(pipe), StoredObjects(elsewhere)
            here.note("resp_mine", Owner("k1", "openai"))
            here.note("resp_mine", Owner("k2", "openai"))
            assert await here.flush()
            there.note("resp_mine", Owner("k2", "azure"))
            assert await there.owner("resp_mine") == Owner("k1", "openai")
            assert await there.flush()
            here.note("resp_mine", Owner("k2", "openai"))
            assert await here.flush()
            for objects in (here, there, StoredObjects(pipe)):
                assert await objects.owner("resp_mine") == Owner("k1", "openai")

    asyncio.run(scenario())


def test_an_owner_that_cannot_be_looked_up_is_a_refusal_and_is_noted_later(server, url):
    """R33: while Redis is away nobody gets an object on a guess; owners noted meanwhile are written afterwards."""

    async def scenario():
        async with (
            Toxic(server.url.removeprefix("unix://")) as link,
            connected(link.url, timeout_s=1.0) as pipe,
        ):
            objects = StoredObjects(pipe)
            link.refusing = True
            objects.note("resp_9", Owner("k1", "openai"))
            assert not await objects.flush()
            with pytest.raises(UpstreamUnavailable):
                await objects.owner("resp_8")
            assert await objects.owner("resp_9") == Owner("k1", "openai")
            link.heal()
            while pipe.away:
                await asyncio.sleep(0.02)
            assert await objects.flush()
            assert await objects.owner("resp_8") is None

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["b:company", "b:per-user:search-web:5f2c", "b:team.search.month:search"])
def test_a_counters_key_says_what_it_counts_and_when(name):
    """Whatever is in a counter's id, its key can be read back."""
    span = window("day", "UTC", 5e8)
    assert keys.read_counter(keys.counter(Counter(name, "money", 1, "day"), span)) == ("m", name, span)
