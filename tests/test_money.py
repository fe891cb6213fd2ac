"""Budgets over running programs: what the provider billed, by its own record, is what the ledger says, and never too much.

The long versions of these proofs are in tests/chaos/test_money_running.py.
"""

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter

import pytest
import town
from money_kit import REDIS, ask, call, config, key_line, running

from proxy.trace import user_hash


@pytest.fixture(scope="module")
def rich():
    """Two workers under a budget that nothing here exhausts."""
    with running(config("9000")) as place:
        yield place


@pytest.fixture
def money(rich):
    """The same, with the provider's record emptied and the ledger's present state noted in `before`."""
    rich.upstream.forget()
    rich.before = rich.settled()[0]
    return rich


def billed(money):
    """(what the ledger was told since the test began, what the provider billed)."""
    ledger, truth = money.settled()
    return ledger - money.before, truth


def row_of(money, user):
    """The row of the one request of this user."""
    wanted = user_hash("web", user)
    return money.door.wait_for(lambda line: line.get("user_hash") == wanted)


async def insist(door, body, rng):
    """What a caller gets who tries again while money is only held; and every code it met on the way."""
    met = []
    while True:
        reply = await call(door, body)
        if reply.status == 200:
            return reply, met
        if reply.status == 429:
            met.append(reply.code)
        if reply.code == "insufficient_quota":
            return reply, met
        # A 503 is what a store gets that took longer than 250 ms, as on a busy machine; a client tries again.
        assert reply.headers["retry-after"], reply.body
        await asyncio.sleep(rng.random() * 0.05)


def test_many_callers_at_once_never_overspend_a_strict_budget():
    """150 callers of two workers, random costs, $0.15: overspend 0 nano, ledger = truth = rollups = rows, nothing held."""
    rng = random.Random(1)

    def body():
        more = {"max_tokens": rng.randrange(20, 2000)} if rng.random() < 0.7 else {}
        return ask(rng.randrange(1, 400), stream=rng.random() < 0.4, **more)

    async def callers(door):
        return await asyncio.gather(*[insist(door, body(), rng) for _ in range(150)])

    with running(config("0.15")) as place:
        outcomes = asyncio.run(callers(place.door))
        assert {reply.status for reply, _ in outcomes} == {200, 429}
        spent = place.agree()
        assert 0 < spent <= 15 * 10**7
        assert place.counters()["web.total"] == (spent, 0, 0)
        _shown_on_metrics(place, spent)


def _shown_on_metrics(place, spent):
    """/metrics reads the same integers (R36)."""
    text = town.ask(f"{place.door.admin_url}/metrics").body.decode()
    costs = [
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("switchyard_cost_usd_total{")
    ]
    assert round(sum(costs) * 10**9) == spent
    assert "switchyard_ledger_up 1" in text
    assert 'switchyard_budget_held_usd{budget="web.total",scope="key",window="total"} 0.000000000' in text


def test_a_budget_is_usable_to_its_end_one_request_after_another():
    """At the first refusal all is spent but 2 % and one smallest hold; it is final and says so; a smaller request still fits."""
    with running(config("0.008", workers=1)) as place:
        big = ask(20, said="[[sandbox:words=20]] " + "long question " * 40)
        while (reply := asyncio.run(call(place.door, big))).status == 200:
            remaining = reply.headers["x-switchyard-budget-remaining-usd"]
            assert round(float(remaining) * 10**9) == 8 * 10**6 - place.agree()
        assert reply.code == "insufficient_quota"
        assert reply.headers["x-should-retry"] == "false"
        assert "web.total" in json.loads(reply.body)["error"]["message"]
        spent = place.agree()
        assert spent >= 0.98 * 8 * 10**6 - 16 * 8000 - 600 * 2000
        fitting = ask(1, said="hi", max_tokens=1)
        assert asyncio.run(call(place.door, fitting)).status == 200
        assert place.agree() > spent


def test_held_money_is_never_a_final_refusal():
    """60 at once against a budget that has room for a few: those who wait hear `rate_limit_exceeded`, and all get through."""
    rng = random.Random(2)

    async def callers(door):
        bodies = [
            ask(5, max_tokens=400, said="[[sandbox:words=5]] [[sandbox:slow_first=0.05]]") for _ in range(60)
        ]
        return await asyncio.gather(*[insist(door, body, rng) for body in bodies])

    with running(config("0.02")) as place:
        outcomes = asyncio.run(callers(place.door))
        assert {reply.status for reply, _ in outcomes} == {200}
        assert Counter(code for _, met in outcomes for code in met).keys() == {"rate_limit_exceeded"}
        place.agree()


@pytest.mark.parametrize(
    ("said", "more", "rule"),
    [
        ("[[sandbox:words=30]]", {"stream": True}, "reported"),
        ("[[sandbox:words=30]] [[sandbox:no_usage]]", {"stream": True}, "estimated"),
        ("[[sandbox:words=30]] [[sandbox:zero_usage]]", {"stream": True}, "zero"),
        ("[[sandbox:words=30]] [[sandbox:usage_twice]]", {"stream": True}, "reported"),
        ("[[sandbox:words=30]] [[sandbox:wrong_sum]]", {}, "dearer"),
        ("[[sandbox:words=30]] [[sandbox:cut:9]]", {"stream": True}, "seen"),
        ("[[sandbox:words=30]]", {"n": 2}, "reported"),
        ("[[sandbox:words=30]] " + "the same opening " * 500, {"prompt_cache_key": "k"}, "cached"),
    ],
    ids=["told", "missing", "zero", "twice", "contradicting", "cut", "two choices", "cached"],
)
def test_the_bill_follows_the_written_rule_whatever_usage_says(money, said, more, rule):
    """R7: reported wins; zero is zero; missing is estimated; twice is once; contradicting is the dearer; cut is what was
    seen plus at most 64 tokens; choices add up; cached tokens are cheaper."""
    times = 2 if rule == "cached" else 1
    for _ in range(times):
        asyncio.run(call(money.door, ask(said=said, user=f"r7-{rule}-{said[22:40]}", **more)))
    ours, truth = billed(money)
    match rule:
        case "reported" | "cached":
            assert ours == truth > 0
        case "zero":
            assert ours == 0
        case "dearer":
            assert ours >= truth > 0
        case "estimated" | "seen":
            assert truth <= ours <= truth + 64 * 8000
    if rule == "cached":
        assert money.upstream.totals()["cached_tokens"] > 0
    row = row_of(money, f"r7-{rule}-{said[22:40]}")
    assert row["estimated"] == (rule in ("estimated", "seen"))


@pytest.mark.parametrize("effort", [None, "medium"], ids=["not reasoning", "reasoning"])
def test_a_caller_that_leaves_is_billed_what_the_provider_bills_or_a_little_more(money, effort):
    """R5, 40 times at random points: never under; visible streams at most 64 tokens over, the rest at most the hold, marked;
    upstream is closed, and every call upstream has left its row."""
    rng = random.Random(5)
    model = "gpt-5.4" if effort else "gpt-4.1"
    more = {"reasoning_effort": effort} if effort else {}

    async def leave(number):
        said = f"[[sandbox:words=60]] [[sandbox:pace=0.005]] [[sandbox:slow_first=0.05]] {number}"
        body = ask(
            said=said,
            model=model,
            stream=rng.random() < 0.7,
            user=f"{model}-{number}",
            max_completion_tokens=4000,
            **more,
        )
        if body["stream"] and rng.random() < 0.7:
            return await call(money.door, body, leave_after=rng.randrange(1, 9000))
        return await call(money.door, body, leave_s=rng.random() * 0.3)

    async def all_leave():
        await asyncio.gather(*[leave(number) for number in range(40)])

    asyncio.run(all_leave())
    ours, truth = billed(money)
    assert ours >= truth
    check_departures(money, f"{model}-", output_nano=15_000 if effort else 8_000)


def check_departures(money, prefix, output_nano):
    """Every call upstream beside its row. Returns how many tokens the visible streams were over, at most."""
    worst = 0
    for made in money.upstream.calls():
        if made["path"] != "/v1/chat/completions":
            continue
        row = row_of(money, made["body"]["user"])
        over = row["cost_nano"] - made["cost_nano"]
        assert over >= 0, (row, made["cost_nano"])
        match row["usage"]["source"]:
            case "reported":
                assert over == 0
            case "estimated":
                worst = max(worst, over / output_nano)
                assert over <= 64 * output_nano
                assert row["estimated"]
            case "bound":
                assert row["usage"]["output_tokens"] <= made["body"]["max_completion_tokens"]
                assert row["estimated"]
    return worst


def test_a_route_that_drains_has_exact_bills_for_callers_that_left():
    """`on_disconnect: drain`: the answer is read to its end without its caller; delta 0."""
    drain = "defaults: {on_disconnect: drain}"
    rng = random.Random(6)

    async def leave(door):
        bodies = [
            ask(said="[[sandbox:words=20]] [[sandbox:pace=0.005]]", stream=rng.random() < 0.5)
            for _ in range(20)
        ]
        await asyncio.gather(*[call(door, body, leave_s=0.02 + rng.random() * 0.1) for body in bodies])

    with running(config("10", workers=1, extra=drain)) as place:
        asyncio.run(leave(place.door))
        assert place.agree() > 0
        assert not any(made["client_closed"] for made in place.upstream.calls())


def test_sigterm_cuts_what_takes_too_long_and_enters_every_bill():
    """R6: of 30 streams the short ones end whole, the long ones in an error frame; every bill is in, nothing is held."""

    async def streams(place):
        short = [
            ask(5, stream=True, said=f"[[sandbox:words=5]] [[sandbox:pace=0.02]] {n}") for n in range(15)
        ]
        long = [
            ask(5, stream=True, said=f"[[sandbox:words=400]] [[sandbox:pace=0.1]] {n}") for n in range(15)
        ]
        async with asyncio.TaskGroup() as tasks:
            calls = [tasks.create_task(call(place.door, body)) for body in (*short, *long)]
            while place.upstream.totals().get("open", 0) < 30:
                await asyncio.sleep(0.02)
            began = time.monotonic()
            place.door.signal(signal.SIGTERM)
        replies = [each.result() for each in calls]
        await asyncio.to_thread(place.door.process.wait, 20)
        return replies, time.monotonic() - began

    with town.store() as url, running(config("10"), env={"REDIS_URL": url}) as place:
        replies, took_s = asyncio.run(streams(place))
        assert all(b"data: [DONE]" in reply.body for reply in replies[:15])
        assert all(b'"error"' in reply.body and b"[DONE]" not in reply.body for reply in replies[15:])
        assert took_s <= 2 + 5
        ledger, truth = place.settled()
        assert truth <= ledger <= truth + 15 * 64 * 8000
        place.await_rows(ledger)
        assert len(place.rows()) == 30


def test_every_attempt_of_a_fallback_is_billed_on_its_own():
    """R10: the first provider call is cut after it was billed, the second answers: two rows, two settled holds, one answer."""
    routes = "routes: {two: {default: [gpt-4.1, gpt-4.1-mini]}}"
    with running(config("10", extra=routes)) as place:
        dear = {"billed": True, "match": {"model": "gpt-4.1"}}
        place.upstream.fault({"action": "hang", "seconds": 0.1, **dear}, {"action": "cut", "at": -1, **dear})
        reply = asyncio.run(call(place.door, ask(model="two", max_tokens=200, user="r10")))
        assert (reply.status, reply.headers["x-switchyard-reason"]) == (200, "fallback")
        ledger, truth = place.settled()
        mine = reply.headers["x-switchyard-request-id"]
        place.door.wait_for(lambda line: line.get("request_id") == mine and line["attempt"] == 2)
        first, second = (row for row in place.rows() if row["request_id"] == mine)
        assert (first["served"], second["served"]) == ("gpt-4.1", "gpt-4.1-mini")
        assert (first["estimated"], second["estimated"]) == (True, False)
        assert ledger == first["cost_nano"] + second["cost_nano"] >= truth
        assert json.loads(reply.body)["model"].startswith("gpt-4.1-mini")


def test_a_fallback_that_the_budget_refuses_bills_the_first_attempt_once():
    """The money is gone after an attempt that may have been billed: the caller is refused, and the ledger has it once."""
    routes = "routes: {two: {default: [gpt-4.1-mini, gpt-4.1]}}"
    with running(config("0.0005", extra=routes)) as place:
        dear = {"billed": True, "match": {"model": "gpt-4.1-mini"}}
        place.upstream.fault({"action": "hang", "seconds": 0.1, **dear}, {"action": "cut", "at": -1, **dear})
        reply = asyncio.run(call(place.door, ask(model="two", max_tokens=200)))
        assert (reply.status, reply.code) == (429, "insufficient_quota")
        ledger, truth = place.settled()
        assert 0 < truth <= ledger <= 500_000
        assert place.spent_by_rollups() == ledger
        place.await_rows(ledger)


def test_a_second_attempt_is_counted_like_a_first():
    """By the limits of its key too: its tokens count, the request counts once, and the caller is told of its own limits."""
    key = key_line(
        budgets=[{"usd": 5, "per": "total"}], limits={"rpm": 1000, "tpm": 1_000_000, "concurrent": 50}
    )
    text = f"server: {{drain_seconds: 2}}\nauth: {{mode: keys}}\n{REDIS}keys: [{key}]\n"

    body = ask()

    def asked(place):
        reply = asyncio.run(call(place.door, body))
        assert reply.status == 200
        place.settled()
        left = {name: int(reply.headers[f"x-ratelimit-remaining-{name}"]) for name in ("requests", "tokens")}
        assert reply.headers["x-ratelimit-limit-requests"] == "1000"
        return left, json.loads(reply.body)["usage"]["total_tokens"]

    with running(text) as place:
        place.upstream.fault({"action": "500", "times": 1})
        first, used = asked(place)
        second, _ = asked(place)
    assert second["requests"] == first["requests"] - 1 == 998
    held = 1_000_000 - first["tokens"]
    assert 1_000_000 - second["tokens"] == held + used


def test_a_request_larger_than_its_whole_budget_is_told_what_would_help():
    """Waiting for the budget's window would not."""
    with running(config("0.0001", per="day")) as place:
        large = asyncio.run(call(place.door, ask(max_tokens=4000)))
        assert large.status == 429
        assert b"more than the whole budget" in large.body
        assert b"resets at" not in large.body


def test_a_providers_refusal_costs_nothing(money):
    """A 500 is not an answer that anybody bills: its hold is given back whole."""
    money.upstream.fault({"action": "500", "match": {"model": "gpt-4.1"}})
    assert asyncio.run(call(money.door, ask())).status == 500
    assert billed(money) == (0, 0)


@pytest.mark.parametrize("cap", [-5, 0, 1.5, "50", [1]])
def test_a_cap_that_is_no_count_is_refused_in_the_providers_words(money, cap):
    """A budget sets a cap where there is none; it does not make a wrong request right. Nothing is billed or held."""
    reply = asyncio.run(call(money.door, ask(max_tokens=cap)))
    assert (reply.status, json.loads(reply.body)["error"]["param"]) == (400, "max_tokens")
    assert billed(money) == (0, 0)


def test_nobody_spends_from_anothers_budget():
    """R33: another key's name in `user`, `metadata` or a header, a forged user, a made-up key: 0 nano cross over."""
    other = "sk-other-0123456789"
    lines = [
        key_line(budgets=[{"usd": 1, "per": "total"}], trusted_users=True),
        key_line("other", other, budgets=[{"usd": "0.00001", "per": "total"}]),
    ]
    text = (
        f"server: {{workers: 2}}\nauth: {{mode: keys}}\nkeys: [{', '.join(lines)}]\n"
        "budgets: [{name: per-user, scope: user, usd: 1, per: day}]\n"
    )
    with running(text) as place:
        forged = {"user": "web", "metadata": {"key": "web", "team": "web"}, "safety_identifier": "web:ann"}
        for more in ({}, forged, {"user": "ann"}):
            reply = asyncio.run(call(place.door, ask(**more), key=other))
            assert (reply.status, reply.code) == (429, "insufficient_quota")
        assert asyncio.run(call(place.door, ask(), key="sk-made-up")).status == 401
        assert "web.total" not in place.counters()
        assert "per-user" not in place.counters()
        assert asyncio.run(call(place.door, ask(user="ann"))).status == 200
        spent = place.agree()
        assert place.counters()["per-user"] == (spent, 0, 0)
        assert "other.total" not in place.counters()


def test_while_redis_is_stopped_a_strict_budget_denies_quickly_and_recovers():
    """R11, R13: no answer from Redis: 503 with retry-after, nothing upstream; a request without a budget goes on; normal after."""
    free = "sk-free-0123456789"
    text = (
        f"server: {{workers: 1}}\nauth: {{mode: keys}}\n{REDIS}"
        f"keys: [{key_line(budgets=[{'usd': 1, 'per': 'total'}])}, {key_line('free', free)}]\n"
    )
    with town.store() as url, running(text, env={"REDIS_URL": url}) as place:
        assert asyncio.run(call(place.door, ask())).status == 200
        calls = place.upstream.totals()["billed_calls"]
        with town.stopped(url):
            replies = [asyncio.run(call(place.door, ask())) for _ in range(8)]
            assert {reply.status for reply in replies} == {503}
            assert all(reply.headers["retry-after"] for reply in replies)
            assert place.upstream.totals()["billed_calls"] == calls
            assert asyncio.run(call(place.door, ask(), key=free)).status == 200
        deadline = time.monotonic() + 5
        while asyncio.run(call(place.door, ask())).status != 200:
            assert time.monotonic() < deadline
        ledger, truth = place.settled()
        assert place.spent_by_rollups() == truth
        assert ledger == truth - sum(row["cost_nano"] for row in place.rows() if row["key_name"] == "free")


def test_an_allowance_is_all_that_is_spent_unseen_and_is_entered_later():
    """R12: `allow` $0.01 in each of two workers: upstream spends at most $0.02 unseen; replayed, the ledger is the truth."""
    budget = {"on_redis_failure": "allow", "outage_usd": "0.01"}
    with town.store() as url, running(config("100", **budget), env={"REDIS_URL": url}) as place:
        assert asyncio.run(call(place.door, ask())).status == 200
        before = place.agree()
        with town.stopped(url):
            replies = [asyncio.run(call(place.door, ask(100, max_tokens=300))) for _ in range(60)]
            unseen = place.truth - before
        assert {reply.status for reply in replies} == {200, 503}
        assert 0 < unseen <= 2 * 10**7
        deadline = time.monotonic() + 10
        while place.counters()["web.total"][0] != place.truth:
            assert time.monotonic() < deadline, (place.counters(), place.truth)
            time.sleep(0.05)
        place.agree()


def test_a_killed_worker_leaves_no_money_untold():
    """R4, 3 kills with 20 in flight: spent and held together never fall below what the provider billed."""
    rng = random.Random(4)

    async def kill_once(place):
        said = "[[sandbox:words=20]] [[sandbox:pace=0.01]]"
        async with asyncio.TaskGroup() as tasks:
            for number in range(20):
                body = ask(said=f"{said} {number} {rng.random()}", stream=True)
                tasks.create_task(call(place.door, body))
            await asyncio.sleep(0.05 + rng.random() * 0.1)
            os.kill(rng.choice(place.workers()), signal.SIGKILL)

    with running(config("10")) as place:
        for _ in range(3):
            asyncio.run(kill_once(place))
            spent, held, _ = place.counters()["web.total"]
            assert spent + held >= place.truth
            place.await_workers(2)
        deadline = time.monotonic() + 15
        while asyncio.run(call(place.door, ask())).status != 200:
            assert time.monotonic() < deadline
