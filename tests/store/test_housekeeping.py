"""What the parent does without traffic: expired leases, rollups, snapshots, lost data, journals left behind."""

import asyncio
import itertools
import json
import time

import pytest

from proxy.budgets.scopes import Counter
from proxy.errors import UpstreamUnavailable
from proxy.nouns import Usage
from proxy.store import keys
from proxy.store.client import connected, meanwhile
from proxy.store.epoch import ANY_EPOCH
from proxy.store.housekeeping import Housekeeping
from proxy.store.journal import PATTERN, Journal
from proxy.store.operator import Operator
from proxy.store.ports import Settlement
from proxy.store.reaper import UNSETTLED, reap
from proxy.store.rollups import latest_rows, roll_up, spend, sums
from proxy.store.snapshot import read_snapshot, take_snapshot
from tests.store.kit import as_raw, make_ledger, money, request, row, running, totals

DOLLAR = 10**9


def house(url, directory, name="p"):
    numbers = itertools.count()
    return Housekeeping(url, directory, wall_clock=time.time, new_id=lambda: f"{name}{next(numbers)}")


async def expire(pipe):
    """Let every lease run out without waiting for it."""
    for name in await pipe.call("ZRANGE", keys.OPEN, 0, -1):
        await pipe.call("ZADD", keys.OPEN, 1, name)


async def reaped(pipe):
    """How many were charged; that Redis refuses one fails the test."""

    def refused(error):
        raise error

    return await reap(pipe, refused)


def test_an_abandoned_hold_is_charged_in_full_and_shown_as_unsettled(url, directory):
    """R4: nobody settles; the reaper charges the hold, held returns to 0, a row says so."""

    async def scenario():
        async with connected(url) as pipe, running(make_ledger(url, directory)) as ledger:
            grant = await ledger.hold(request([money(DOLLAR)], 700))
            assert await reaped(pipe) == 0
            await expire(pipe)
            assert await reaped(pipe) == 1
            assert await reaped(pipe) == 0
            assert await totals(pipe, grant.hold.counters[0]) == (700, 0, 700)
            (entry,) = await latest_rows(pipe, 5)
            assert (entry.row.error, entry.row.cost_nano, entry.row.key_name) == (UNSETTLED, 700, "web")
            assert entry.row.request_id == "req1"

    asyncio.run(scenario())


def test_a_bill_that_arrives_after_all_corrects_the_charge_once(url, directory):
    """R4: trued up by id; counters, rollups and rows agree on the real cost."""

    async def scenario():
        async with connected(url) as pipe, running(make_ledger(url, directory)) as ledger:
            grant = await ledger.hold(request([money(DOLLAR)], 700))
            await expire(pipe)
            await reaped(pipe)
            ledger.settle(grant.hold, 450, row(450))
            await ledger.close()
            assert await totals(pipe, grant.hold.counters[0]) == (450, 0, 0)
            assert await pipe.call("HLEN", keys.UNSETTLED) == 0
            (line,) = (
                await spend(pipe, time.time() - 7200, time.time() + 1, ["key"]) if await roll_up(pipe) else ()
            )
            assert (line.cost_nano, line.counts["requests"]) == (450, 1)

    asyncio.run(scenario())


async def assert_given_back(pipe, hold):
    """Nothing is held, spent or open of it any more."""
    for name in hold.counters:
        assert await totals(pipe, name) == (0, 0, 0)
    assert await pipe.call("ZCARD", keys.OPEN) == 0
    assert await pipe.call("EXISTS", keys.hold(hold.id)) == 0


@pytest.mark.parametrize("tokens", [0, 10])
def test_an_abandoned_hold_of_nothing_gives_its_place_back_and_leaves_no_money_to_settle(
    url, directory, tokens
):
    """R4 for a model that is free: it ends like any other, once, and a bill that comes after all is entered."""

    async def scenario():
        async with connected(url) as pipe, running(make_ledger(url, directory)) as ledger:
            counters = [Counter("c:web", "concurrent", 2, "total"), money(DOLLAR)]
            grant = await ledger.hold(request(counters, 0, tokens=tokens))
            await expire(pipe)
            assert await reaped(pipe) == 1
            await assert_given_back(pipe, grant.hold)
            assert await Operator(pipe, "ann", 1.0).unsettled() == []
            ledger.settle(grant.hold, 45, row(45))
            await ledger.close()
            assert [await totals(pipe, name) for name in grant.hold.counters] == [(0, 0, 0), (45, 0, 0)]

    asyncio.run(scenario())


@pytest.mark.parametrize("nano", [0, 700])
def test_a_hold_that_was_half_released_is_not_charged(url, directory, nano):
    """An older release stopped at an amount of 0, its tombstone set and the request's place given back: when the lease ends the
    rest is given back, and the place is not given back twice."""

    async def scenario():
        async with connected(url) as pipe, running(make_ledger(url, directory)) as ledger:
            counters = [Counter("c:web", "concurrent", 2, "total"), money(DOLLAR)]
            grant = await ledger.hold(request(counters, nano, tokens=0))
            await pipe.call("HSET", keys.done(grant.hold.id), grant.hold.id, "r")
            await pipe.call("HINCRBY", grant.hold.counters[0], "held", -1)
            await expire(pipe)
            assert await reaped(pipe) == 0
            await assert_given_back(pipe, grant.hold)

    asyncio.run(scenario())


def test_an_operator_settles_what_nobody_else_will(url, directory):
    """R4: `budgets settle` trues up unsettled money, once, with an audit line."""

    async def scenario():
        async with connected(url) as pipe, running(make_ledger(url, directory)) as ledger:
            grant = await ledger.hold(request([money(DOLLAR)], 700))
            await expire(pipe)
            await reaped(pipe)
            operator = Operator(pipe, "ann", 123.0)
            (hold,) = await operator.unsettled()
            assert (hold.id, hold.amount_nano) == (grant.hold.id, 700)
            await operator.settle(hold.id, 300)
            assert await totals(pipe, grant.hold.counters[0]) == (300, 0, 0)
            assert await operator.unsettled() == []
            with pytest.raises(Exception, match="no unsettled hold"):
                await operator.settle(hold.id, 300)
            (line,) = await operator.audit()
            assert (line.who, line.what, line.target, line.detail) == (
                "ann",
                "budgets settle",
                hold.id,
                "300",
            )

    asyncio.run(scenario())


def test_a_renewed_lease_is_not_reaped(url, directory):
    """Money rule 5: as long as the call lives, its hold does."""

    async def scenario():
        async with connected(url) as pipe, running(make_ledger(url, directory, lease_s=0.15)) as ledger:
            grant = await ledger.hold(request([money(DOLLAR)], 700))
            for _ in range(12):
                await asyncio.sleep(0.03)
                assert await reaped(pipe) == 0
            ledger.settle(grant.hold, 1, row(1))

    asyncio.run(scenario())


def test_rollups_and_tail_add_up_to_the_counters(url, directory):
    """Wherever the roll-up has got to, what is asked of both is what was spent; nothing is trimmed before it is rolled up."""

    async def scenario():
        async with connected(url) as pipe, running(make_ledger(url, directory)) as ledger:
            budget, truth = money(DOLLAR), 0
            for round_ in range(3):
                for number in range(30):
                    grant = await ledger.hold(request([budget], 1000))
                    cost = 10 * number + round_
                    truth += cost
                    task = ("math", "code")[number % 2]
                    ledger.settle(grant.hold, cost, row(cost, task=task, usage=Usage(7, 5, cached_tokens=2)))
                await ledger.close()
                for _ in range(2):
                    by_task = await spend(pipe, time.time() - 7200, time.time() + 1, ["task"])
                    assert sum(line.cost_nano for line in by_task) == truth
                    assert {line.task for line in by_task} == {"math", "code"}
                    everything = await sums(pipe)
                    assert sum(everything.cost_nano.values()) == truth
                    assert everything.key_cost_nano == {("search", "web"): truth}
                    assert everything.tokens == {
                        "input": 210 * (round_ + 1),
                        "output": 150 * (round_ + 1),
                        "cached": 60 * (round_ + 1),
                    }
                    if round_ < 2:
                        await roll_up(pipe)
            by_user = await spend(pipe, time.time() - 7200, time.time() + 1, ["user"])
            assert [(line.key, line.user, line.cost_nano) for line in by_user] == [("web", "u1", truth)]
            assert (await totals(pipe, grant.hold.counters[0]))[0] == truth

    asyncio.run(scenario())


def test_two_parents_roll_a_row_up_once(url, directory):
    """The mark decides: whoever comes second changes nothing."""

    async def scenario():
        async with (
            connected(url) as one,
            connected(url) as two,
            running(make_ledger(url, directory)) as ledger,
        ):
            for number in range(50):
                ledger.settle(None, 1, row(1, number))
            await ledger.close()
            await asyncio.gather(*[roll_up(pipe) for pipe in (one, two) for _ in range(4)])
            while await roll_up(one):
                pass
            (line,) = await spend(one, time.time() - 7200, time.time() + 1, ["key"])
            assert (line.cost_nano, line.counts["requests"]) == (50, 50)

    asyncio.run(scenario())


def test_one_parent_leads_and_another_takes_over(url, directory):
    """A lock with a lease: when the leader is gone, its successor does the housekeeping."""

    async def scenario():
        first, second = house(url, directory, "a"), house(url, directory, "b")
        async with meanwhile(first.pipe.run()), meanwhile(second.pipe.run()), connected(url) as pipe:
            for _ in range(2):
                await first.tick()
                await second.tick()
                assert (first.is_leader, second.is_leader) == (True, False)
            await pipe.call("DEL", keys.LEADER)
            await second.tick()
            await first.tick()
            assert (first.is_leader, second.is_leader) == (False, True)

    asyncio.run(scenario())


def test_a_script_that_redis_refuses_is_told_and_stops_nothing_else(url, directory, caplog):
    """A bug of ours is no absent Redis: the leader stays, the other holds are charged, rows are rolled up, journals entered, a
    snapshot is written; the log names the script."""

    async def scenario():
        parent = house(url, directory)
        async with (
            meanwhile(parent.pipe.run()),
            connected(url) as pipe,
            running(make_ledger(url, directory)) as ledger,
        ):
            places = [Counter(f"c:{name}", "concurrent", 2, "total") for name in ("one", "two")]
            others = [Counter("r:web", "requests", 9, "total"), money(DOLLAR)]
            grants = [await ledger.hold(request([place, *others], 700)) for place in places]
            broken, rate, key = grants[0].hold.counters
            await pipe.transaction([("SET", name, "no hash") for name in (broken, rate)])
            await pipe.transaction([("ZADD", keys.OPEN, at, each.hold.id) for at, each in enumerate(grants)])
            for name, counter in (("a", rate), ("b", key)):
                dead = Journal(directory, name)
                dead.append([Settlement(f"1-{name}", 5, 0, (counter,), as_raw(row(5)))])
                dead._file.close()
            await parent.tick()
            assert parent.is_leader
            assert parent.charged == 1
            assert (await totals(pipe, key))[0] == 705
            assert [path.name for path in directory.glob(PATTERN)] == ["journal-a.jsonl"]
            assert await pipe.call("GET", keys.ROLLED) is not None
            assert read_snapshot(directory) is not None

    asyncio.run(scenario())
    assert [text.split(":")[1] for text in caplog.messages] == [" expire_v1", " settle_v2"]


def test_flushed_data_is_noticed_at_once_and_rebuilt_to_the_nano(url, directory):
    """R14: after FLUSHALL the next hold is refused; the parent rebuilds from its snapshot, workers hold again what is open
    and enter again what came after it, and the sum is the truth."""

    async def scenario():
        parent = house(url, directory)
        async with (
            meanwhile(parent.pipe.run()),
            connected(url) as pipe,
            running(make_ledger(url, directory)) as ledger,
        ):
            budget = money(DOLLAR)
            for number in range(10):
                grant = await ledger.hold(request([budget], 100))
                ledger.settle(grant.hold, 70, row(70, number))
            await ledger.close()
            await parent.tick()
            for number in range(5):
                grant = await ledger.hold(request([budget], 100))
                ledger.settle(grant.hold, 30, row(30, number))
            await ledger.close()
            still_open = await ledger.hold(request([budget], 100))
            await pipe.call("FLUSHALL")
            with pytest.raises(UpstreamUnavailable, match="being rebuilt"):
                await ledger.hold(request([budget], 100))
            assert ledger.lost
            await parent.tick()
            while ledger.lost:
                await asyncio.sleep(0.02)
            while (await totals(pipe, grant.hold.counters[0]))[0] != 850:
                await asyncio.sleep(0.02)
            await ledger.hold(request([budget], 100))
            await parent.tick()
            assert await totals(pipe, grant.hold.counters[0]) == (850, 200, 0)
            ledger.settle(still_open.hold, 40, row(40))
            await ledger.close()
            assert await totals(pipe, grant.hold.counters[0]) == (890, 100, 0)

    asyncio.run(scenario())


def test_an_old_replica_that_was_promoted_is_noticed(url, directory):
    """R14: the same epoch with a lower seq has forgotten writes: refuse, rebuild, go on."""

    async def scenario():
        parent = house(url, directory)
        async with (
            meanwhile(parent.pipe.run()),
            connected(url) as pipe,
            running(make_ledger(url, directory)) as ledger,
        ):
            budget = money(DOLLAR)
            grant = await ledger.hold(request([budget], 100))
            key = grant.hold.counters[0]
            ledger.settle(grant.hold, 80, row(80))
            await ledger.close()
            old = [await pipe.call("DUMP", name) for name in (keys.META, key)]
            for number in range(4):
                grant = await ledger.hold(request([budget], 100))
                ledger.settle(grant.hold, 80, row(80, number))
            await ledger.close()
            await parent.tick()
            for name, dump in zip((keys.META, key), old, strict=True):
                await pipe.call("RESTORE", name, 0, dump, "REPLACE")
            with pytest.raises(UpstreamUnavailable):
                await ledger.hold(request([budget], 100))
            await parent.tick()
            while ledger.lost:
                await asyncio.sleep(0.02)
            assert (await totals(pipe, key))[0] == 400
            await ledger.hold(request([budget], 100))

    asyncio.run(scenario())


def test_without_a_snapshot_an_operator_decides(url, directory, tmp_path):
    """R14: no parent has a snapshot; hard budgets refuse until `budgets rebuild` says that this data counts."""

    async def scenario():
        async with connected(url) as pipe, running(make_ledger(url, directory)) as ledger:
            budget = money(DOLLAR)
            grant = await ledger.hold(request([budget], 100))
            ledger.settle(grant.hold, 80, row(80))
            await ledger.close()
            await pipe.call("FLUSHALL")
            with pytest.raises(UpstreamUnavailable):
                await ledger.hold(request([budget], 100))
            ledger.settle(None, 5, row(5))
            await ledger.close()
            assert ledger.journalled == 1
            assert await Operator(pipe, "ann", 1.0).rebuild(None, "again")
            assert (await pipe.call("HGET", keys.META, "previous")).decode().startswith(ANY_EPOCH)
            while ledger.lost or ledger.journalled:
                await asyncio.sleep(0.02)
            assert (await totals(pipe, grant.hold.counters[0]))[0] == 80
            await ledger.hold(request([budget], 100))

    asyncio.run(scenario())


def test_a_new_process_does_not_take_empty_data_for_a_beginning(url, directory):
    """A snapshot on disk remembers an epoch; Redis without one has lost it."""

    async def scenario():
        parent = house(url, directory)
        async with meanwhile(parent.pipe.run()), connected(url) as pipe:
            async with running(make_ledger(url, directory)) as ledger:
                await ledger.hold(request([money(DOLLAR)], 100))
            await parent.tick()
            await pipe.call("FLUSHALL")
            async with running(make_ledger(url, directory)) as ledger:
                assert ledger.lost
                async with meanwhile(house(url, directory, "q").run()):
                    while ledger.lost:
                        await asyncio.sleep(0.02)

    asyncio.run(scenario())


def test_a_snapshot_of_other_data_does_not_disturb_a_living_store(url, directory):
    """A replica that comes with an old directory adopts what is there instead of declaring it lost."""

    async def scenario():
        (directory / "snapshot.json").write_text(
            json.dumps({"epoch": "other", "seq": 99999, "at": 1.0, "counters": {}})
        )
        async with connected(url) as pipe:
            await pipe.call("HSET", keys.META, "epoch", "living", "seq", 7)
            parent = house(url, directory)
            async with meanwhile(parent.pipe.run()), running(make_ledger(url, directory)) as ledger:
                await parent.tick()
                assert not ledger.lost
                assert await pipe.call("HGET", keys.META, "epoch") == b"living"
                assert read_snapshot(directory).epoch == "living"

    asyncio.run(scenario())


def test_journals_of_dead_processes_are_entered_and_removed(url, directory):
    """R12, R4: what a killed process had written down is not lost; what a living one owns is left alone."""

    async def scenario():
        parent = house(url, directory)
        budget = money(DOLLAR)
        async with (
            meanwhile(parent.pipe.run()),
            connected(url) as pipe,
            running(make_ledger(url, directory)) as ledger,
        ):
            key = ledger._places.at(request([budget]), time.time()).names[0]
            bills = [Settlement(f"1-{i}", 10, 0, (key,), as_raw(row(10, i))) for i in range(100)]
            dead, living = Journal(directory, "dead"), Journal(directory, "living")
            dead.append(bills)
            living.append([Settlement("1-x", 5, 0, (key,), as_raw(row(5)))])
            dead._file.write(b'{"id":"1-half')
            dead._file.flush()
            dead._file.close()
            await parent.tick()
            assert await totals(pipe, key) == (1000, 0, 0)
            assert [path.name for path in directory.glob(PATTERN)] == ["journal-living.jsonl"]
            living.close()
            await parent.tick()
            assert await totals(pipe, key) == (1005, 0, 0)

    asyncio.run(scenario())


def test_a_snapshot_has_every_live_counter(url, directory):
    """Taken in one transaction, with the seq it is true for."""

    async def scenario():
        async with connected(url) as pipe, running(make_ledger(url, directory)) as ledger:
            names = set()
            for number in range(5):
                grant = await ledger.hold(request([money(DOLLAR, f"b{number}")], 100))
                ledger.settle(grant.hold, number, row(number))
                names.update(grant.hold.counters)
            await ledger.close()
            snapshot = await take_snapshot(pipe, 5.0)
            assert set(snapshot.counters) == names
            assert sorted(spent for spent, *_ in snapshot.counters.values()) == [0, 1, 2, 3, 4]
            assert snapshot.seq == int(await pipe.call("HGET", keys.META, "seq"))

    asyncio.run(scenario())
