"""Copies to the new model: paid from a budget of their own and from the global one, seen by no caller, whatever becomes of them."""

import asyncio
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import town

from proxy.measuring.shadow import may_be_copied
from proxy.nouns import Endpoint
from proxy.parse import parse
from proxy.store.client import connected
from proxy.store.observations import seen, shares
from proxy.store.rollups import latest_rows, spend
from tests.money_kit import Money

ROAD = {
    "leave": "gpt-4.1-mini",
    "poor": "gpt-4.1",
    "dead": "gpt-4o-mini",
    "mute": "gpt-4o",
    "sour": "gpt-5.4-mini",
}
OLD, NEW = ROAD["leave"], "gpt-6-luna"
LUNA = (
    "family: gpt-5.6, context: 922000, max_output: 128000, usd_per_m: {input: 0.1, cached: 0.01, output: 0.5}"
)


GAVE_UP = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": NEW,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "We"}, "finish_reason": "error"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}


class Sour(BaseHTTPRequestHandler):
    """A provider whose every answer stops in the middle and says so: 200, `finish_reason: error`."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(GAVE_UP).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.send_error(404)

    def log_message(self, *_):
        """Says nothing."""


def config(upstream, sour):
    """Everything is copied, in five ways: well, without money, to nobody, to somebody who never answers, or only with errors."""
    roads = "".join(
        f"  - {{name: {name}, from: {old}, to: {name}-luna@none, shadow: {{share: 1, usd: {usd}, per: day}}}}\n"
        for (name, old), usd in zip(ROAD.items(), (1, "0.00000001", 1, 1, 1), strict=True)
    ).replace("to: leave-luna", f"to: {NEW}")
    return f"""
server: {{workers: 1, drain_seconds: 2}}
lifecycle: {{allow_dearer: true}}
providers:
  openai: {{kind: openai, base_url: "{upstream.url}/v1", api_key: sk-a}}
  other: {{kind: openai, base_url: "{upstream.url}/v1", api_key: sk-b, max_connections: 16}}
  dead: {{kind: openai, base_url: "http://127.0.0.1:9/v1", api_key: sk-c}}
  mute: {{kind: openai, base_url: "{upstream.url}/v1", api_key: sk-mute, max_connections: 16}}
  sour: {{kind: openai, base_url: "http://127.0.0.1:{sour}/v1", api_key: sk-sour}}
models:
  {NEW}: {{deployments: [{{provider: other}}]}}
  poor-luna: {{{LUNA}, deployments: [{{provider: other, model: {NEW}}}]}}
  dead-luna: {{{LUNA}, deployments: [{{provider: dead, model: {NEW}}}]}}
  mute-luna: {{{LUNA}, deployments: [{{provider: mute, model: {NEW}}}]}}
  sour-luna: {{{LUNA}, deployments: [{{provider: sour, model: {NEW}}}]}}
budgets: [{{name: company, scope: global, usd: 5, per: total}}]
migrations:
{roads}"""


@pytest.fixture(scope="module")
def upstream():
    with town.sandbox("--time-scale", "0") as running:
        running.fault({"action": "hang", "match": {"key": "sk-mute"}})
        yield running


@pytest.fixture(scope="module")
def sour():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sour)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def door(upstream, sour):
    with town.proxy(upstream, config(upstream, sour)) as running:
        yield running


def chat(door, number, model=OLD, **more):
    body = {"model": model, "messages": [{"role": "user", "content": f"question {number}"}], "max_tokens": 50}
    return town.ask(f"{door.url}/chat/completions", body | more)


def copies(upstream, key="sk-b"):
    return [call for call in upstream.calls() if call["key"] == key]


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


def counts(door, name="leave"):
    async def question(pipe):
        return await seen(pipe, name, await shares(pipe, name))

    return read(door, question)


def until_copied(door, copies_wanted, **more):
    """Calls, one at a time, until so many more copies were answered: one whose hold is not answered in time is left out."""
    wanted = counts(door).count("shadow", "", "calls") + copies_wanted
    deadline, number = time.monotonic() + 30, 0
    while (seen_now := counts(door).count("shadow", "", "calls")) < wanted:
        assert time.monotonic() < deadline, f"{seen_now} copies after {number} calls"
        number += 1
        assert chat(door, number, **more).status == 200
        patience = time.monotonic() + 2
        while counts(door).count("shadow", "", "calls") <= seen_now and time.monotonic() < patience:
            time.sleep(0.05)


def test_every_copy_is_paid_once_by_its_own_budget_and_the_global_one(upstream, door):
    """To the nano-dollar: the provider's record, the global budget, the shadow's budget, the ledger, its rows."""
    until_copied(door, 4)
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
    assert sum(row.reason == "shadow" and row.served == NEW and row.cost_nano > 0 for row in rows) == len(
        copies(upstream)
    )
    assert {row.arm for row in rows if row.reason == "shadow"} == {""}


def test_a_copy_is_translated_stores_nothing_and_carries_nothing_of_the_caller(upstream, door):
    """`store: false`, no metadata, the new model's parameters, our key; answers are compared as a side of their own."""
    until_copied(door, 1, store=True, metadata={"who": "me"}, stop=["x"], stream=True)
    copy = copies(upstream)[-1]
    sent = json.loads(copy["body"]) if isinstance(copy["body"], str) else copy["body"]
    assert sent["model"] == NEW
    assert sent["store"] is False
    assert "metadata" not in sent
    assert "stop" not in sent
    assert sent["reasoning_effort"] == "none"
    assert "idempotency-key" not in copy["headers"]
    found = counts(door)
    assert found.count("shadow", "", "calls") == found.count("shadow", "", "judged")
    assert sum(found.histogram("shadow", "", "first").values()) == 1


def test_a_spent_budget_ends_the_copies_and_no_call(upstream, door):
    """Nothing goes beyond the limit; callers are answered as before."""
    before = len(copies(upstream))
    assert [chat(door, number, ROAD["poor"]).status for number in range(5)] == [200] * 5
    wait(lambda: counts(door, "poor").count("old", "", "calls") == 5)
    assert len(copies(upstream)) == before
    assert counts(door, "poor").count("shadow", "", "calls") == 0


def test_a_copy_whose_answer_ends_in_an_error_has_failed_as_an_arms_would(door):
    """An answer may come whole, with 200, and say that it stopped on an error: nobody could use it, whichever side it is of."""
    assert chat(door, 1, ROAD["sour"]).status == 200
    found = wait(lambda: (now := counts(door, "sour")).count("shadow", "", "calls") and now)
    assert found.kinds("shadow", "", "error") == {"error_in_answer": 1}
    assert (found.count("shadow", "", "failed"), found.count("shadow", "", "judged")) == (1, 0)


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


def test_a_dead_shadow_model_changes_nothing_for_callers(upstream, door):
    """All calls are copied, no copy is answered (one provider refuses connections, one never answers): every caller gets its
    answer, and a drain does not wait for copies."""
    asked = [(number, ROAD[name]) for number in range(40) for name in ("dead", "mute")]
    assert [chat(door, *each).status for each in asked] == [200] * 80
    wait(lambda: counts(door, "dead").count("shadow", "", "failed") > 0)
    for name in ("dead", "mute"):
        wait(lambda name=name: counts(door, name).count("old", "", "calls") == 40)
        assert counts(door, name).count("old", "", "failed") == 0
    assert 0 < len(copies(upstream, "sk-mute")) <= 4  # a quarter of the provider's connections
    door.process.terminate()
    drained = door.wait_for(lambda line: line["event"] == "drained")
    assert (drained["cut"], drained["aborted"]) == (0, 0)
