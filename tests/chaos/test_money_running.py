"""The money proofs at full size over running proxies, with the figures the README quotes (`make chaos ARGS='-s -k money_running'`)."""

import asyncio
import json
import os
import random
import signal
import statistics
import time
from collections import Counter

import pytest
import town
from money_kit import SECRET, ask, call, config, running
from test_money import check_departures, insist

pytestmark = pytest.mark.chaos

KILLS = int(os.environ.get("SWITCHYARD_KILLS", "100"))
OUTAGE_S = float(os.environ.get("SWITCHYARD_OUTAGE_S", "30"))
LEASE_S = 30


def test_a_thousand_callers_spend_a_dollar_and_no_nano_more():
    """R1: 1,000 at once, random costs, strict $1.00, two workers: overspend 0; ledger = truth = rollups = rows; held 0."""
    rng = random.Random(1)

    def body():
        more = {"max_tokens": rng.randrange(50, 3000)} if rng.random() < 0.7 else {}
        return ask(rng.randrange(1, 900), stream=rng.random() < 0.4, **more)

    async def callers(door):
        return await asyncio.gather(*[insist(door, body(), rng) for _ in range(1000)])

    with running(config("1")) as place:
        began = time.monotonic()
        outcomes = asyncio.run(callers(place.door))
        took_s = time.monotonic() - began
        spent = place.agree()
        codes = Counter(code for _, met in outcomes for code in met)
        print(
            f"R1: spent {spent} of {10**9} nano, overspend {max(0, spent - 10**9)}, {took_s:.1f} s, {dict(codes)}"
        )
        assert 0.9 * 10**9 <= spent <= 10**9
        assert place.counters()["web.total"] == (spent, 0, 0)


@pytest.mark.parametrize(
    ("model", "effort", "output_nano"), [("gpt-4.1", None, 8_000), ("gpt-5.4", "medium", 15_000)]
)
def test_five_hundred_callers_leave_at_random_points(model, effort, output_nano):
    """R5: never under; a visible stream at most 64 tokens over; upstream closed within a second; no row missing."""
    rng = random.Random(5)
    more = {"reasoning_effort": effort} if effort else {}

    async def leave(place, number, seats):
        said = f"[[sandbox:words=60]] [[sandbox:pace=0.005]] [[sandbox:slow_first=0.1]] {number}"
        body = ask(
            said=said,
            model=model,
            stream=rng.random() < 0.7,
            user=f"{model}-{number}",
            max_completion_tokens=4000,
            **more,
        )
        async with seats:
            if body["stream"] and rng.random() < 0.6:
                return await call(place.door, body, leave_after=rng.randrange(1, 9000))
            return await call(place.door, body, leave_s=rng.random() * 0.5)

    async def all_leave(place):
        seats = asyncio.Semaphore(50)
        await asyncio.gather(*[leave(place, number, seats) for number in range(500)])

    with running(config("9000")) as place:
        asyncio.run(all_leave(place))
        began = time.monotonic()
        while place.upstream.totals()["open"]:
            time.sleep(0.02)
        closed_s = time.monotonic() - began
        ledger, truth = place.settled()
        worst = check_departures(place, f"{model}-", output_nano)
        made = [each for each in place.upstream.calls() if each["path"] == "/v1/chat/completions"]
        print(
            f"R5 {model}: {sum(each['client_closed'] for each in made)} left of {len(made)}, worst visible {worst:.0f} tokens over, "
            f"ledger {ledger} >= truth {truth}, last upstream call closed {closed_s:.2f} s after the last caller"
        )
        assert closed_s <= 1
        assert len(place.rows()) >= len(made)


def test_two_hundred_streams_and_a_grace_period_shorter_than_half_of_them():
    """R6: the short half whole, the long half with an error frame, no hold open, out within grace + 5 s."""

    async def streams(place):
        short = [ask(said=f"[[sandbox:words=5]] [[sandbox:pace=0.02]] {n}", stream=True) for n in range(100)]
        long = [ask(said=f"[[sandbox:words=400]] [[sandbox:pace=0.1]] {n}", stream=True) for n in range(100)]
        async with asyncio.TaskGroup() as tasks:
            calls = [tasks.create_task(call(place.door, body)) for body in (*short, *long)]
            while place.upstream.totals().get("calls", 0) < 200:
                await asyncio.sleep(0.02)
            began = time.monotonic()
            place.door.signal(signal.SIGTERM)
        await asyncio.to_thread(place.door.process.wait, 30)
        return [each.result() for each in calls], time.monotonic() - began

    with town.store() as url, running(config("100"), env={"REDIS_URL": url}) as place:
        replies, took_s = asyncio.run(streams(place))
        whole = sum(b"data: [DONE]" in reply.body for reply in replies[:100])
        framed = sum(b'"error"' in reply.body and b"[DONE]" not in reply.body for reply in replies[100:])
        ledger, truth = place.settled()
        print(
            f"R6: {whole} of 100 short whole, {framed} of 100 long framed, out after {took_s:.1f} s, ledger - truth {ledger - truth}"
        )
        assert (whole, framed) == (100, 100)
        assert took_s <= 2 + 5
        assert truth <= ledger <= truth + 100 * 64 * 8_000
        assert ledger == place.spent_by_rollups()
        place.await_rows(ledger)


def test_a_hundred_kills_with_fifty_calls_in_flight():
    """R4: truth <= ledger <= truth + holds open at the kills; nothing held within lease + 5 s, without traffic."""
    rng = random.Random(4)

    async def kill(place):
        async with asyncio.TaskGroup() as tasks:
            for number in range(50):
                said = f"[[sandbox:words={1 + number % 25}]] [[sandbox:pace=0.01]] {number}"
                tasks.create_task(call(place.door, ask(said=said, stream=number % 2 == 0)))
            await asyncio.sleep(0.05 + rng.random() * 0.4)
            for pid in (*place.workers(), place.door.process.pid):
                os.kill(pid, signal.SIGKILL)

    with town.store() as url, town.sandbox("--time-scale", "0") as upstream:
        env = {"REDIS_URL": url}
        for _ in range(KILLS):
            with running(config("9000"), env=env, upstream=upstream) as place:
                asyncio.run(kill(place))
        last_kill = time.monotonic()
        with running(config("9000"), env=env, upstream=upstream) as place:
            while place.counters()["web.total"][1]:
                assert time.monotonic() - last_kill < LEASE_S + 5
                time.sleep(0.1)
            took_s = time.monotonic() - last_kill
            spent, held, unset = place.counters()["web.total"]
            print(
                f"R4: {KILLS} kills, truth {place.truth} <= ledger {spent}, of it unsettled {unset}; held 0 after {took_s:.0f} s"
            )
            assert held == 0
            assert place.truth <= spent <= place.truth + unset
            assert place.spent_by_rollups() == spent


def test_redis_stopped_under_load():
    """R11: 50 a second: every one refused with 503 in 250 ms, none sent, normal within 2 s after."""

    async def timed(place):
        began = time.perf_counter()
        reply = await call(place.door, ask())
        return reply.status, (time.perf_counter() - began) * 1000

    async def load(place, seconds):
        calls = []
        async with asyncio.TaskGroup() as tasks:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                calls.append(tasks.create_task(timed(place)))
                await asyncio.sleep(0.02)
        return [each.result() for each in calls]

    with town.store() as url, running(config("100"), env={"REDIS_URL": url}) as place:
        usual = asyncio.run(load(place, 2))
        sent = place.upstream.totals()["billed_calls"]
        with town.stopped(url):
            outcomes = asyncio.run(load(place, OUTAGE_S))
            assert place.upstream.totals()["billed_calls"] == sent
        back = time.monotonic()
        while asyncio.run(call(place.door, ask())).status != 200:
            assert time.monotonic() - back < 2
        back_s = time.monotonic() - back
        place.agree()
        took = sorted(ms for _, ms in outcomes)
        print(
            f"R11: {len(took)} refused, median {statistics.median(took):.1f} ms, slowest {took[-1]:.0f} ms (usual slowest answer "
            f"{max(ms for _, ms in usual):.0f} ms), back after {back_s:.2f} s"
        )
        assert {status for status, _ in outcomes} == {503}
        assert took[-1] <= 250


def test_an_allowance_in_four_processes():
    """R12: $0.10 in each of two replicas' two workers: at most $0.40 unseen; afterwards ledger = truth, nothing twice."""
    budget = {"on_redis_failure": "allow", "outage_usd": "0.1"}

    async def spend_all(doors):
        rng = random.Random(12)
        replies = []
        for _ in range(12):
            bodies = [ask(rng.randrange(100, 700), max_tokens=2000) for _ in range(40)]
            replies += await asyncio.gather(*[call(rng.choice(doors), body) for body in bodies])
        return replies

    with town.store() as url, town.sandbox("--time-scale", "0") as upstream:
        env = {"REDIS_URL": url}
        with (
            running(config("9000", **budget), env=env, upstream=upstream) as place,
            running(config("9000", **budget), env=env, upstream=upstream) as other,
        ):
            asyncio.run(call(place.door, ask()))
            before = place.settled()[1]
            with town.stopped(url):
                replies = asyncio.run(spend_all([place.door, other.door]))
                unseen = place.truth - before
            deadline = time.monotonic() + 15
            while place.counters()["web.total"][0] != place.truth:
                assert time.monotonic() < deadline, (place.counters(), place.truth)
                time.sleep(0.05)
            ledger, truth = place.settled()
            print(
                f"R12: unseen {unseen} nano of 4 x {10**8}, {Counter(r.status for r in replies)}, ledger - truth {ledger - truth}"
            )
            assert 0 < unseen <= 4 * 10**8
            assert ledger == truth == place.spent_by_rollups()
            place.await_rows(ledger, other)


def test_what_the_budget_says_resets_at_one_moment():
    """R8, the part a caller sees: `resets_at` is the same over a thousand answers."""
    with running(config("9000", per="month")) as place:

        async def moments():
            seen = set()
            for _ in range(1000):
                seen.add(town.ask(f"{place.door.url}/switchyard/me", None, SECRET).body)
            return {json.loads(body)["budgets"][0]["resets_at"] for body in seen}

        assert len(asyncio.run(moments())) == 1
