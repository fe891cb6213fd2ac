"""Money rules 2-5 and 10 against a real server: nothing is overspent, nothing leaks, nothing is counted twice."""

import asyncio
import random
import time

import pytest
from msgspec.structs import replace

from proxy.budgets.scopes import Budget, Counter
from proxy.budgets.windows import window
from proxy.errors import InsufficientQuota, RateLimited
from proxy.nouns import Usage
from proxy.store import keys
from proxy.store.client import connected
from proxy.store.ports import Settlement
from proxy.store.writer import enter
from tests.store.kit import as_raw, make_ledger, money, request, row, running, totals

DOLLAR = 10**9


def rate(kind, limit, per="minute"):
    return Counter(f"{kind[0]}:web", kind, limit, per)


def total(counter):
    return keys.counter(counter, window(counter.per, counter.zone, time.time()))


def test_a_thousand_concurrent_calls_never_spend_more_than_the_budget(url, directory):
    """R1: random costs against $1.00 in three scopes; overspend 0, ledger = truth, held 0 afterwards."""
    rng = random.Random(1)
    scopes = [money(DOLLAR), money(2 * DOLLAR, "team"), money(DOLLAR * 3 // 2, "key")]
    truth = []

    async def call(ledger, number):
        want = rng.randrange(1, DOLLAR // 100)
        for _ in range(60):
            try:
                grant = await ledger.hold(request(scopes, want, number=number))
            except RateLimited:
                await asyncio.sleep(0)
                continue
            except InsufficientQuota:
                return
            await asyncio.sleep(0)
            cost = rng.randrange(0, want + 1)
            truth.append(cost)
            ledger.settle(grant.hold, cost, row(cost, number))
            return

    async def scenario():
        async with connected(url) as pipe:
            async with (
                running(make_ledger(url, directory)) as one,
                running(make_ledger(url, directory)) as other,
            ):
                await asyncio.gather(*[call((one, other)[i % 2], i) for i in range(1000)])
            for scope in scopes:
                assert await totals(pipe, total(scope)) == (sum(truth), 0, 0)
            assert await pipe.call("ZCARD", keys.OPEN) == 0
            assert sum(truth) <= DOLLAR
            assert await pipe.call("XLEN", keys.TAIL) == len(truth)

    asyncio.run(scenario())


def test_a_budget_is_usable_to_the_last_request_that_fits(url, directory):
    """R2: one by one, at least 98 % is spent before the final refusal, and what still fits then is let through."""

    async def scenario():
        budget = money(DOLLAR)
        async with running(make_ledger(url, directory)) as ledger:
            spent = 0
            while True:
                try:
                    grant = await ledger.hold(request([budget], 7_777_777))
                except InsufficientQuota:
                    break
                ledger.settle(grant.hold, grant.hold.amount_nano, row(grant.hold.amount_nano))
                await ledger.close()
                spent += grant.hold.amount_nano
            assert spent >= 0.98 * DOLLAR
            assert (await ledger.hold(request([budget], DOLLAR - spent))).hold.amount_nano == DOLLAR - spent

    asyncio.run(scenario())


def test_a_request_that_only_waits_for_held_money_is_not_refused_for_good(url, directory):
    """R2: 300 at once; whoever would fit once holds are released gets rate_limit_exceeded with retry-after."""

    async def scenario():
        async with running(make_ledger(url, directory)) as ledger:
            asked = [ledger.hold(request([money(DOLLAR)], DOLLAR // 100, number=i)) for i in range(300)]
            outcomes = await asyncio.gather(*asked, return_exceptions=True)
            assert sum(not isinstance(each, Exception) for each in outcomes) == 100
            refused = [each for each in outcomes if isinstance(each, Exception)]
            assert {type(each) for each in refused} == {RateLimited}
            assert all(each.retry_after_s for each in refused)

    asyncio.run(scenario())


def test_a_final_refusal_names_the_budget_and_its_reset(url, directory):
    """What an operator needs to know is in the message; nothing about other callers is. What never fits is not told to wait."""

    async def refusal(counter, want, number):
        async with running(make_ledger(url, directory)) as ledger:
            with pytest.raises(InsufficientQuota) as refused:
                await ledger.hold(request([counter], want, number=number))
            assert (b"x-should-retry", b"false") in refused.value.headers()
            return refused.value.message

    async def scenario():
        month, bill = money(DOLLAR, per="month"), 3 * DOLLAR // 4
        async with running(make_ledger(url, directory)) as ledger:
            ledger.settle((await ledger.hold(request([month], bill))).hold, bill, row(bill))
        later = await refusal(month, DOLLAR // 2, 2)
        assert "Budget 'company' has $0.25 left of $1.00 per month" in later
        assert "needs at least $0.50" in later
        assert "T00:00:00Z" in later
        never = await refusal(month, 2 * DOLLAR, 3)
        assert "more than the whole budget" in never
        assert "T00:00:00Z" not in never

    asyncio.run(scenario())


def test_every_bill_counts_once_however_often_and_in_whatever_order_it_comes(url, directory):
    """R3: every settle delivered one to five times, shuffled; ledger = truth, delta 0."""
    rng = random.Random(3)

    async def scenario():
        budget = money(DOLLAR)
        async with connected(url) as pipe, running(make_ledger(url, directory)) as ledger:
            deliveries, truth = [], 0
            for number in range(100):
                grant = await ledger.hold(request([budget, rate("tokens", 10**9)], 1000, number=number))
                cost = rng.randrange(1001)
                truth += cost
                bill = Settlement(grant.hold.id, cost, 12, grant.hold.counters, as_raw(row(cost, number)))
                deliveries += [bill] * rng.randrange(1, 6)
                ledger.release(replace(grant.hold, counters=()))
            rng.shuffle(deliveries)
            for start in range(0, len(deliveries), 17):
                assert await enter(pipe, ledger._epoch, deliveries[start : start + 17])
            assert await totals(pipe, total(budget)) == (truth, 0, 0)
            assert (await totals(pipe, total(rate("tokens", 1))))[0] == 1200
            assert await pipe.call("XLEN", keys.TAIL) == 100

    asyncio.run(scenario())


def test_a_hold_that_is_sent_twice_is_taken_once(url, directory):
    """R3: the same id answers with the same amount and changes nothing."""

    async def scenario():
        budget = money(DOLLAR)
        asked = request([budget], 1000)
        async with (
            connected(url) as pipe,
            running(make_ledger(url, directory, new_id=lambda: "same")) as ledger,
        ):
            for _ in range(3):
                grant = await ledger.hold(asked)
                assert grant.hold.amount_nano == 1000
            assert await totals(pipe, total(budget)) == (0, 1000, 0)

    asyncio.run(scenario())


def test_a_hold_that_comes_after_its_release_is_refused(url, directory):
    """Money rule 5: releasing an unknown id leaves a tombstone."""

    async def scenario():
        budget = money(DOLLAR)
        asked = request([budget], at=3600.0)
        async with (
            connected(url) as pipe,
            running(make_ledger(url, directory, new_id=lambda: "late")) as ledger,
        ):
            ledger._open.releases["1-late"] = (total(budget),)
            await ledger.close()
            with pytest.raises(Exception, match="cannot be checked"):
                await ledger.hold(asked)
            assert await totals(pipe, total(budget)) == (0, 0, 0)

    asyncio.run(scenario())


def test_a_release_gives_everything_back(url, directory):
    """A request that was never sent leaves no money, no place and no tokens taken."""

    async def scenario():
        counters = [rate("concurrent", 2, "total"), rate("tokens", 100), money(DOLLAR)]
        async with connected(url) as pipe, running(make_ledger(url, directory)) as ledger:
            grant = await ledger.hold(request(counters))
            ledger.release(grant.hold)
            await ledger.close()
            for counter in counters:
                assert await totals(pipe, total(counter)) == (0, 0, 0)
            assert ledger.open_holds == 0

    asyncio.run(scenario())


@pytest.mark.parametrize(("nano", "tokens"), [(0, 0), (0, 10), (100, 0)])
def test_a_hold_of_nothing_is_given_back_like_any_other(url, directory, nano, tokens):
    """Free models and endpoints without tokens: the place of the request is free again, no more and no less, and nothing
    stays open."""

    async def scenario():
        counters = [rate("concurrent", 2, "total"), rate("tokens", 100), money(DOLLAR)]
        async with connected(url) as pipe, running(make_ledger(url, directory)) as ledger:
            kept = await ledger.hold(request(counters, nano, tokens=tokens))
            grant = await ledger.hold(request(counters, nano, tokens=tokens))
            ledger.release(grant.hold)
            await ledger.close()
            assert not ledger._open.releases
            assert await totals(pipe, total(counters[0])) == (0, 1, 0)
            assert await totals(pipe, total(counters[1])) == (tokens, 0, 0)
            assert await totals(pipe, total(counters[2])) == (0, nano, 0)
            assert await pipe.call("ZRANGE", keys.OPEN, 0, -1) == [kept.hold.id.encode()]
            assert await pipe.call("EXISTS", keys.hold(grant.hold.id)) == 0

    asyncio.run(scenario())


def test_all_scopes_are_held_or_none(url, directory):
    """Money rule 4: when the last counter refuses, the first ones are untouched."""

    async def scenario():
        wide, narrow = money(DOLLAR, "wide"), money(10, "narrow")
        async with connected(url) as pipe, running(make_ledger(url, directory)) as ledger:
            with pytest.raises(InsufficientQuota, match="narrow"):
                await ledger.hold(request([rate("requests", 5), wide, narrow]))
            assert await totals(pipe, total(wide)) == (0, 0, 0)
            assert await totals(pipe, total(rate("requests", 5))) == (0, 0, 0)

    asyncio.run(scenario())


def test_a_shrinkable_request_takes_a_quarter_of_what_is_left_and_no_less_than_its_smallest(url, directory):
    """Money rule 2: the first does not lock out the second; the reasoning allowance is granted when it fits."""

    async def scenario():
        async with running(make_ledger(url, directory)) as ledger:
            budget = [money(1000)]
            assert (await ledger.hold(request(budget, 900, 10))).hold.amount_nano == 250
            assert (await ledger.hold(request(budget, 100, 10))).hold.amount_nano == 100
            assert (await ledger.hold(request(budget, 900, 10, reasoning_nano=600))).hold.amount_nano == 600
            assert (await ledger.hold(request(budget, 900, 45))).hold.amount_nano == 45
            with pytest.raises(RateLimited):
                await ledger.hold(request(budget, 900, 45))

    asyncio.run(scenario())


def test_a_grant_sets_the_cap_that_its_money_pays_for(url, directory):
    """The answer shrinks with the hold: a smaller amount comes back as a smaller cap."""

    async def scenario():
        async with running(make_ledger(url, directory)) as ledger:
            asked = request([money(1000)], 900, 100, fixed_nano=50, output_rate=1_000_000)
            grant = await ledger.hold(asked)
            assert (grant.size.amount_nano, grant.size.cap_to_set) == (250, 200)

    asyncio.run(scenario())


def test_rates_are_limited_with_headers_in_openais_spelling(url, directory):
    """Requests and tokens per minute, and requests under way; refusals carry retry-after."""

    async def scenario():
        counters = [rate("concurrent", 3, "total"), rate("requests", 2), rate("tokens", 25)]
        async with running(make_ledger(url, directory)) as ledger:
            grant = await ledger.hold(request(counters))
            headers = dict(grant.rate_headers(time.time()))
            assert headers[b"x-ratelimit-limit-requests"] == b"2"
            assert headers[b"x-ratelimit-remaining-requests"] == b"1"
            assert headers[b"x-ratelimit-remaining-tokens"] == b"15"
            assert headers[b"x-ratelimit-reset-tokens"].endswith(b"s")
            ledger.settle(grant.hold, 0, row(usage=Usage(input_tokens=3, output_tokens=1)))
            await ledger.close()
            await ledger.hold(request(counters, tokens=21))
            with pytest.raises(RateLimited, match="requests per min: Limit 2, Used 2") as refused:
                await ledger.hold(request(counters))
            assert 1 <= refused.value.retry_after_s <= 60

    asyncio.run(scenario())


def test_a_request_larger_than_a_minute_of_tokens_gets_the_minute_to_itself(url, directory):
    """An estimate that is too high must not refuse for ever; two of them do not fit into one minute."""

    async def scenario():
        async with running(make_ledger(url, directory)) as ledger:
            await ledger.hold(request([rate("tokens", 100)], tokens=5000))
            with pytest.raises(RateLimited):
                await ledger.hold(request([rate("tokens", 100)], tokens=5000))

    asyncio.run(scenario())


def test_places_are_given_back_when_answers_end(url, directory):
    """Three at the same time: the fourth waits until one of them is settled."""

    async def scenario():
        counters = [rate("concurrent", 3, "total")]
        async with running(make_ledger(url, directory)) as ledger:
            grants = [await ledger.hold(request(counters)) for _ in range(3)]
            with pytest.raises(RateLimited, match="3 requests at the same time"):
                await ledger.hold(request(counters))
            ledger.settle(grants[0].hold, 0, row())
            await ledger.close()
            await ledger.hold(request(counters))

    asyncio.run(scenario())


def test_a_bill_goes_before_the_next_hold(url, directory):
    """A caller that may have one request under way can send the next as soon as it has its answer: the place it gave back is
    free for it, although bills are sent together."""

    async def scenario():
        counters = [rate("concurrent", 1, "total")]
        async with running(make_ledger(url, directory)) as ledger:
            ledger.settle(None, 0, row())
            await ledger.close()  # a script that Redis does not know yet runs one batch later
            for number in range(50):
                grant = await ledger.hold(request(counters, number=number))
                ledger.settle(grant.hold, 0, row(number=number))

    asyncio.run(scenario())


def test_bills_without_holds_go_by_themselves(url, directory):
    """Nothing follows the last request of a busy hour; its bill is entered all the same, and so is one without counters."""

    async def scenario():
        async with connected(url) as pipe, running(make_ledger(url, directory)) as ledger:
            grant = await ledger.hold(request([money(DOLLAR)]))
            ledger.settle(grant.hold, 7, row(7))
            ledger.settle(None, 0, row(status=400))
            async with asyncio.timeout(5):
                while await pipe.call("XLEN", keys.TAIL) < 2:
                    await asyncio.sleep(0.005)

    asyncio.run(scenario())


def test_new_users_beyond_the_daily_number_share_a_bucket(url, directory):
    """Money rule 10: inventing users makes no new allowances."""

    async def scenario():
        budget = Budget("per-user", "user", 100, "day")
        async with running(make_ledger(url, directory, most_new_users=2)) as ledger:

            async def hold(user):
                counter = Counter(f"b:per-user:web:{user}", "user", 100, "day", "UTC", budget)
                return await ledger.hold(replace(request([counter], 60), user_hash=user))

            first, second = await hold("u1"), await hold("u2")
            third = await hold("u3")
            assert first.hold.counters != second.hold.counters
            assert ":web:*:" in third.hold.counters[0]
            with pytest.raises(RateLimited):
                await hold("u4")
            ledger.settle(first.hold, 10, row(10))
            ledger.settle(third.hold, 10, row(10))
            await ledger.close()
            assert ":web:u1:" in (await hold("u1")).hold.counters[0]
            await hold("u5")

    asyncio.run(scenario())


def test_a_hold_settles_in_the_window_it_was_taken_in(url, directory):
    """R8: proxies' clocks an hour off in both directions use the windows of Redis' clock, and agree."""

    async def scenario():
        budget = money(DOLLAR, per="hour")
        async with connected(url) as pipe:
            for skew in (-3600, 0, 3600):
                ledger = make_ledger(url, directory)
                ledger._wall_clock = lambda skew=skew: time.time() + skew
                async with running(ledger):
                    grant = await ledger.hold(request([budget]))
                    ledger.settle(grant.hold, 50, row(50))
            assert await totals(pipe, total(budget)) == (150, 0, 0)

    asyncio.run(scenario())


def test_a_late_bill_enters_the_window_of_its_hold(url, directory):
    """R8: held before midnight, settled after it: yesterday is charged, today is untouched."""

    async def scenario():
        budget = money(DOLLAR, per="day")
        yesterday = window("day", "UTC", time.time() - 86_400)
        async with connected(url) as pipe, running(make_ledger(url, directory)) as ledger:
            key = keys.counter(budget, yesterday)
            bill = Settlement("1-night", 70, 0, (key,), as_raw(row(70)))
            assert await enter(pipe, ledger._epoch, [bill])
            assert await totals(pipe, key) == (70, 0, 0)
            assert await totals(pipe, total(budget)) == (0, 0, 0)
            assert 0 < await pipe.call("TTL", key) <= 2 * 86_400

    asyncio.run(scenario())


def test_a_clock_set_back_a_little_does_not_reopen_a_window(url, directory):
    """R8: Redis' clock jumps back; windows go by the latest time that was seen."""

    async def scenario():
        async with connected(url) as pipe, running(make_ledger(url, directory)) as ledger:
            await ledger.hold(request([money(DOLLAR)]))
            ahead = int(time.time() * 1000) + 5000
            await pipe.call("HSET", keys.META, "clock", ahead)
            await ledger.hold(request([money(DOLLAR)]))
            assert int(await pipe.call("HGET", keys.META, "clock")) == ahead

    asyncio.run(scenario())


def test_reset_times_do_not_wobble(url, directory):
    """R8: a thousand answers tell one and the same reset."""

    async def scenario():
        async with running(make_ledger(url, directory)) as ledger:
            asked = [ledger.hold(request([money(DOLLAR, per="month")], 1)) for _ in range(1000)]
            grants = await asyncio.gather(*asked)
            assert len({grant.standings[0].resets_at for grant in grants}) == 1

    asyncio.run(scenario())


def test_each_attempt_of_a_chain_settles_on_its_own_hold(url, directory):
    """R10: the primary fails after it was billed, the fallback answers: both bills count, one row each."""

    async def scenario():
        budget = money(DOLLAR)
        async with connected(url) as pipe, running(make_ledger(url, directory)) as ledger:
            first = await ledger.hold(request([budget], 500))
            ledger.settle(first.hold, 300, row(300, status=500))
            second = await ledger.hold(request([budget], 500))
            ledger.settle(second.hold, 200, row(200, attempt=1))
            await ledger.close()
            assert await totals(pipe, total(budget)) == (500, 0, 0)
            assert await pipe.call("XLEN", keys.TAIL) == 2

    asyncio.run(scenario())


def test_what_is_done_while_redis_is_asked_is_done_once_and_gives_everything_back_when_it_fails(
    url, directory
):
    """It runs before the answer is here; when it raises, the hold that Redis may have taken is released."""

    async def scenario():
        budget, done = money(DOLLAR), []
        async with connected(url) as pipe, running(make_ledger(url, directory)) as ledger:
            grant = await ledger.hold(request([budget], 500), lambda: done.append(ledger.open_holds))
            assert done == [0]
            ledger.settle(grant.hold, 0, row(0))

            def fails():
                raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await ledger.hold(request([budget], 500), fails)
            await ledger.close()
            assert await totals(pipe, total(budget)) == (0, 0, 0)
            assert await pipe.call("ZCARD", keys.OPEN) == 0
            assert ledger.open_holds == 0

    asyncio.run(scenario())


def test_a_request_nobody_counts_touches_no_redis_and_leaves_its_row(url, directory):
    """A row is written for every request, budgets or not."""

    async def scenario():
        async with connected(url) as pipe, running(make_ledger(url, directory)) as ledger:
            grant = await ledger.hold(request([]))
            assert await pipe.call("ZCARD", keys.OPEN) == 0
            ledger.settle(grant.hold, 5, row(5))
            ledger.settle(None, 0, row(status=400))
            await ledger.close()
            assert await pipe.call("XLEN", keys.TAIL) == 2
            assert ledger.open_holds == 0

    asyncio.run(scenario())


def test_the_soft_limit_downgrades_from_the_last_known_state(url, directory):
    """No extra round trip: the answer to the last hold tells where the budget stands."""

    async def scenario():
        budget = money(1000, soft_nano=100, downgrade="gpt-6-luna@none")
        async with running(make_ledger(url, directory)) as ledger:
            assert ledger.downgrade([budget]) == ""
            grant = await ledger.hold(request([budget], 200))
            ledger.settle(grant.hold, 150, row(150))
            await ledger.close()
            assert ledger.downgrade([budget]) == ""
            await ledger.hold(request([budget], 10))
            assert ledger.downgrade([budget]) == "gpt-6-luna@none"

    asyncio.run(scenario())


def test_every_script_stays_in_one_slot_and_dead_windows_leave(url, directory):
    """R15: all keys share the hash tag, and every counter, id and set that a request leaves behind expires."""

    async def scenario():
        async with connected(url) as pipe, running(make_ledger(url, directory)) as ledger:
            for number in range(200):
                budget = Budget("per-user", "user", 100, "minute")
                counters = [
                    money(DOLLAR, f"b{number}", per="day"),
                    Counter(f"b:per-user:k{number}:u", "user", 100, "minute", "UTC", budget),
                    rate("concurrent", 9999, "total"),
                    rate("requests", 9999),
                ]
                grant = await ledger.hold(replace(request(counters), key_name=f"k{number}"))
                if number % 3:
                    ledger.settle(grant.hold, 5, row(5))
                else:
                    ledger.release(grant.hold)
            await ledger.close()
            lasting = {keys.META, keys.LIVE, keys.TAIL}
            for name in await pipe.call("KEYS", "*"):
                assert name.startswith(b"{switchyard}:")
                if name.decode() not in lasting:
                    assert await pipe.call("TTL", name) > 0, name

    asyncio.run(scenario())


def test_draining_waits_for_open_holds(url, directory):
    """A shutdown waits for money, not for tasks."""

    async def scenario():
        async with running(make_ledger(url, directory)) as ledger:
            grant = await ledger.hold(request([money(DOLLAR)]))
            assert await ledger.drain(0.01) == 1
            asyncio.get_running_loop().call_later(0.02, ledger.settle, grant.hold, 1, row(1))
            assert await ledger.drain(5) == 0

    asyncio.run(scenario())
