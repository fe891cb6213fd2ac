"""Copies to the new model: paid from a budget of their own and from the global one, seen by no caller, whatever becomes of them."""

import asyncio
import json
import time

import pytest
import town

from proxy.measuring.shadow import may_be_copied
from proxy.nouns import Endpoint
from proxy.parse import parse
from proxy.store.client import connected
from proxy.store.observations import seen, shares
from proxy.store.rollups import latest_rows, spend
from tests.money_kit import Money

OLD, NEW = "gpt-4.1-mini", "gpt-6-luna"


def config(upstream, *, usd="1", dead="", share="1"):
    """Everything is copied; `dead` is where the new model is looked for instead."""
    where = dead or f"{upstream.url}/v1"
    return f"""
server: {{workers: 1, drain_seconds: 2}}
providers:
  openai: {{kind: openai, base_url: "{upstream.url}/v1", api_key: sk-a}}
  other: {{kind: openai, base_url: "{where}", api_key: sk-b, max_connections: 16}}
models: {{{NEW}: {{deployments: [{{provider: other}}]}}}}
budgets: [{{name: company, scope: global, usd: 5, per: total}}]
migrations: [{{name: leave, from: {OLD}, to: {NEW}@none, stages: [50, 100], shadow: {{share: {share}, usd: {usd}, per: day}}}}]
"""


@pytest.fixture(scope="module")
def upstream():
    with town.sandbox("--time-scale", "0") as running:
        yield running


@pytest.fixture
def door(upstream):
    upstream.forget()
    with town.proxy(upstream, config(upstream)) as running:
        yield running


def body(number, **more):
    return {
        "model": OLD,
        "messages": [{"role": "user", "content": f"question {number}"}],
        "max_tokens": 50,
        **more,
    }


def chat(door, number, **more):
    return town.ask(f"{door.url}/chat/completions", body(number, **more))


def copies(upstream):
    return [call for call in upstream.calls() if call["key"] == "sk-b"]


def wait(is_so, timeout_s=15):
    deadline = time.monotonic() + timeout_s
    while not (found := is_so()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def read(door, question):
    async def ask():
        async with connected(f"unix://{door.folder}/.switchyard/valkey.sock") as pipe:
            return await question(pipe)

    return asyncio.run(ask())


def counts(door):
    async def question(pipe):
        return await seen(pipe, "leave", await shares(pipe, "leave"))

    return read(door, question)


def one_by_one(door, numbers, **more):
    """Each copy done before the next call, so that none is dropped for want of room."""
    for done, number in enumerate(numbers, 1):
        assert chat(door, number, **more).status == 200
        wait(lambda done=done: counts(door).count("shadow", "", "calls") >= done)


def test_every_copy_is_paid_once_by_its_own_budget_and_the_global_one(upstream, door):
    """To the nano-dollar: the provider's record, the global budget, the shadow's budget, the ledger, its rows."""
    one_by_one(door, range(4))
    money = Money(upstream, door, f"unix://{door.folder}/.switchyard/valkey.sock")
    ledger, truth = money.settled("company")
    assert ledger == truth > 0
    mine = sum(call["cost_nano"] for call in copies(upstream))
    assert money.counters()["shadow.leave"] == (mine, 0, 0)
    lines = read(door, lambda pipe: spend(pipe, 0, time.time() + 3600, ("key", "model")))
    assert {(line.key, line.model): line.cost_nano for line in lines} == {
        ("open", OLD): truth - mine,
        ("shadow/leave", NEW): mine,
    }
    rows = [entry.row for entry in read(door, lambda pipe: latest_rows(pipe, 100))]
    assert sum(row.reason == "shadow" and row.served == NEW for row in rows) == 4
    assert {row.arm for row in rows if row.reason == "shadow"} == {""}


def test_a_copy_is_translated_stores_nothing_and_carries_nothing_of_the_caller(upstream, door):
    """`store: false`, no metadata, the new model's parameters, our key; answers are compared as a side of their own."""
    one_by_one(door, [7], store=True, metadata={"who": "me"}, stop=["x"], stream=True)
    (copy,) = copies(upstream)
    sent = json.loads(copy["body"]) if isinstance(copy["body"], str) else copy["body"]
    assert sent["model"] == NEW
    assert sent["store"] is False
    assert "metadata" not in sent
    assert "stop" not in sent
    assert sent["reasoning_effort"] == "none"
    assert "idempotency-key" not in copy["headers"]
    found = counts(door)
    assert (found.count("shadow", "", "calls"), found.count("shadow", "", "judged")) == (1, 1)
    assert sum(found.histogram("shadow", "", "first").values()) == 1


def test_a_spent_budget_ends_the_copies_and_no_call(upstream):
    """Nothing goes beyond the limit; callers are answered as before."""
    upstream.forget()
    with town.proxy(upstream, config(upstream, usd="0.00000001")) as door:
        assert [chat(door, number).status for number in range(5)] == [200] * 5
        wait(lambda: counts(door).count("old", "", "calls") == 5)
        assert copies(upstream) == []


@pytest.mark.parametrize("dead", ["http://127.0.0.1:9/v1", ""], ids=["refuses connections", "hangs"])
def test_a_dead_shadow_model_changes_nothing_for_callers(upstream, dead):
    """All calls are copied, no copy is answered: every caller gets its answer, and a drain does not wait for copies."""
    upstream.forget()
    with town.proxy(upstream, config(upstream, dead=dead)) as door:
        upstream.fault({"action": "hang", "match": {"model": NEW}})
        assert [chat(door, number).status for number in range(60)] == [200] * 60
        assert len(copies(upstream)) <= 4  # a quarter of the provider's connections
        wait(lambda: counts(door).count("old", "", "calls") == 60)
        assert counts(door).count("old", "", "failed") == 0
        began_s = time.monotonic()
        door.process.terminate()
        door.process.wait(20)
        assert time.monotonic() - began_s < 10
        drained = door.wait_for(lambda line: line["event"] == "drained")
        assert (drained["cut"], drained["aborted"]) == (0, 0)


@pytest.mark.parametrize(
    ("endpoint", "more", "may"),
    [
        (Endpoint.CHAT, {}, True),
        (Endpoint.CHAT, {"tools": [{"type": "function", "function": {"name": "f"}}]}, True),
        (Endpoint.CHAT, {"web_search_options": {}}, False),
        (Endpoint.RESPONSES, {"input": "hi"}, True),
        (Endpoint.RESPONSES, {"input": "hi", "tools": [{"type": "web_search"}]}, False),
        (Endpoint.RESPONSES, {"input": "hi", "previous_response_id": "resp_1"}, False),
        (Endpoint.RESPONSES, {"input": "hi", "background": True}, False),
        (Endpoint.RESPONSES, {"input": "hi", "background": False}, True),
        (Endpoint.CHAT, {"padding": "x" * 300_000}, False),
        (Endpoint.EMBEDDINGS, {"input": "hi"}, False),
    ],
)
def test_only_what_does_nothing_but_cost_is_copied(endpoint, more, may):
    """Hosted tools act, stored answers belong to somebody, large bodies cost memory."""
    assert may_be_copied(parse(endpoint, json.dumps({"model": OLD, **more}).encode())) is may
