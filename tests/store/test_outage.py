"""Money rule 8: what is refused, what goes on, and what is entered afterwards while Redis does not answer."""

import asyncio
import json
import time

import pytest

from proxy.budgets.holds import HoldSize
from proxy.budgets.scopes import Counter
from proxy.errors import UpstreamUnavailable
from proxy.store import keys
from proxy.store.client import connected
from proxy.store.journal import PATTERN
from proxy.store.ledger import HOLD_TIMEOUT_S
from proxy.store.outage import FAILURES_TO_OPEN, Allowances, Breaker
from tests.chaos.toxic import Toxic
from tests.store.kit import make_ledger, money, request, row, running, totals

DOLLAR = 10**9


def socket_of(server):
    return server.url.removeprefix("unix://")


def sized(amount, smallest=None):
    return HoldSize(amount, None, amount if smallest is None else smallest)


def test_the_breaker_opens_after_failures_in_a_row_only():
    """A slow answer between good ones is no outage."""
    breaker = Breaker()
    for _ in range(10):
        breaker.failed()
        breaker.failed()
        breaker.succeeded()
    assert not breaker.is_open
    for _ in range(FAILURES_TO_OPEN):
        breaker.failed()
    assert breaker.is_open
    breaker.succeeded()
    assert not breaker.is_open


def test_an_allowance_is_shared_by_all_budgets_of_a_request():
    """One budget that denies is enough; the smallest room counts; unused money comes back; a return renews."""
    allowances = Allowances()
    rich = money(DOLLAR, "rich", allow_outage_nano=100).budget
    poor = money(DOLLAR, "poor", allow_outage_nano=30).budget
    strict = money(DOLLAR, "strict").budget
    assert allowances.take([rich, strict], sized(10)) is None
    assert allowances.take([rich, poor], sized(20)) == 20
    assert allowances.take([rich, poor], sized(20)) is None
    assert allowances.take([rich, poor], sized(20, 5)) == 10
    allowances.give_back(("rich", "poor"), 15)
    assert allowances.take([poor], sized(15)) == 15
    assert allowances.take([poor], sized(1)) is None
    allowances.renew()
    assert allowances.take([poor], sized(30)) == 30


async def granted(ledger, asked):
    """A hold, however long a busy machine takes to connect."""
    while True:
        try:
            return await ledger.hold(asked)
        except UpstreamUnavailable:
            await asyncio.sleep(0.05)


def test_deny_refuses_with_503_and_nothing_is_held_afterwards(server, url, directory):
    """R11, R13: refused calls leave no phantom charge, even when their holds arrive late."""

    async def scenario():
        async with (
            Toxic(socket_of(server)) as link,
            connected(url) as pipe,
            running(make_ledger(link.url, directory, hold_timeout_s=HOLD_TIMEOUT_S)) as ledger,
        ):
            budget = money(DOLLAR)
            grant = await granted(ledger, request([budget], 10))
            ledger.settle(grant.hold, 10, row(10))
            await ledger.close()
            link.latency_s = 0.7
            for _ in range(FAILURES_TO_OPEN + 2):
                with pytest.raises(UpstreamUnavailable) as refused:
                    await ledger.hold(request([budget], 10))
                assert refused.value.retry_after_s
            assert not ledger.healthy
            link.heal()
            while not ledger.healthy or ledger._open.releases:
                await asyncio.sleep(0.02)
            assert await totals(pipe, grant.hold.counters[0]) == (10, 0, 0)
            await ledger.hold(request([budget], 10))

    asyncio.run(scenario())


def test_calls_that_were_never_sent_leave_nothing_to_give_back(server, url, directory):
    """An hour of refusals must not fill the memory: only holds that may have been taken are released."""

    async def scenario():
        async with (
            Toxic(socket_of(server)) as link,
            running(make_ledger(link.url, directory)) as ledger,
        ):
            link.refusing = True
            link.reset_all()
            for _ in range(200):
                with pytest.raises(UpstreamUnavailable):
                    await ledger.hold(request([money(DOLLAR)], 10))
            assert len(ledger._open.releases) <= FAILURES_TO_OPEN

    asyncio.run(scenario())


def test_allow_spends_no_more_than_the_allowance_and_enters_it_once(server, url, directory):
    """R12: spend without Redis stops at the allowance; after the replay the ledger is the truth."""

    async def scenario():
        async with Toxic(socket_of(server)) as link, connected(url) as pipe:
            async with running(make_ledger(link.url, directory)) as ledger:
                budget = money(DOLLAR, allow_outage_nano=100)
                link.refusing = True
                link.reset_all()
                spent = 0
                for number in range(20):
                    try:
                        grant = await ledger.hold(request([budget], 30, number=number))
                    except UpstreamUnavailable:
                        continue
                    ledger.settle(grant.hold, 25, row(25, number))
                    spent += 25
                assert spent == 75
                await ledger._writer.flush()
                assert ledger.journalled == 3
                assert len(list(directory.glob(PATTERN))) == 1
                link.heal()
                while ledger.journalled or not ledger.healthy:
                    await asyncio.sleep(0.02)
                key = ledger._places.at(request([budget]), time.time()).names[0]
                assert await totals(pipe, key) == (75, 0, 0)
                assert await pipe.call("XLEN", keys.TAIL) == 3
            assert not list(directory.glob(PATTERN))

    asyncio.run(scenario())


def test_what_only_rates_count_goes_on_without_redis(server, url, directory):
    """Rates protect providers, not money: no 503 for them."""

    async def scenario():
        async with (
            Toxic(socket_of(server)) as link,
            running(make_ledger(link.url, directory)) as ledger,
        ):
            link.refusing = True
            link.reset_all()
            counter = Counter("r:web", "requests", 5, "minute")
            for _ in range(10):
                grant = await ledger.hold(request([counter]))
                ledger.settle(grant.hold, 0, row())

    asyncio.run(scenario())


def test_a_bill_whose_answer_was_lost_is_entered_once(server, url, directory):
    """R3 over a broken line: the batch is journalled, replayed by id, counted once."""

    async def scenario():
        async with (
            Toxic(socket_of(server)) as link,
            connected(url) as pipe,
            running(make_ledger(link.url, directory)) as ledger,
        ):
            budget = money(DOLLAR)
            grants = [await ledger.hold(request([budget], 100, number=i)) for i in range(20)]
            link.cut_after_bytes = 0
            for number, grant in enumerate(grants):
                ledger.settle(grant.hold, 60, row(60, number))
            await ledger._writer.flush()
            link.heal()
            while ledger.journalled:
                await asyncio.sleep(0.02)
            assert await totals(pipe, grants[0].hold.counters[0]) == (1200, 0, 0)
            assert await pipe.call("XLEN", keys.TAIL) == 20

    asyncio.run(scenario())


def test_a_journal_survives_its_process_on_disk(server, url, directory):
    """What Redis could not be told when the process ended is a line of JSON that somebody else can enter."""

    async def scenario():
        async with Toxic(socket_of(server)) as link, running(make_ledger(link.url, directory)) as ledger:
            link.refusing = True
            link.reset_all()
            ledger.settle(None, 5, row(5))
        (path,) = directory.glob(PATTERN)
        assert json.loads(path.read_text())["cost_nano"] == 5
        assert path.stat().st_mode & 0o077 == 0

    asyncio.run(scenario())
