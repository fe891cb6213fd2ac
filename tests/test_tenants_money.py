"""R33, the money half: what one key does touches no counter, limit, user or model of another's, in any scope.

An attacker crosses everywhere it can over a running proxy of two workers; every Redis key that counts for the victim, its
team, its users and the model only it may call must be, byte for byte, what it was.
"""

import asyncio
import json
import re

import pytest
import town
from money_kit import ask, call, key_line, running

from proxy.store.client import connected

ATTACKER, VICTIM, MATE, PLAIN = (
    "sk-attacker-0123456789",
    "sk-victim-0123456789",
    "sk-mate-0123456789",
    "sk-plain-0123",
)
LIMITS = {"rpm": 5000, "tpm": 50_000_000, "concurrent": 500}
MINE = {"models": ["gpt-4.1-mini", "gpt-4.1", "auto"], "limits": LIMITS}
LINES = [
    key_line(
        "attacker",
        ATTACKER,
        team="reds",
        trusted_users=True,
        budgets=[{"usd": "0.5", "per": "total"}],
        **MINE,
    ),
    key_line("mate", MATE, team="reds", budgets=[{"usd": 1, "per": "total"}]),
    key_line("plain", PLAIN, team="reds"),
    key_line(
        "victim", VICTIM, team="blues", trusted_users=True, budgets=[{"usd": 1, "per": "day"}], limits=LIMITS
    ),
]
CONFIG = f"""
server: {{workers: 2}}
auth: {{mode: keys}}
teams: [{{name: reds, budgets: [{{usd: 2, per: total}}]}}, {{name: blues, budgets: [{{usd: 1, per: month}}]}}]
keys: [{", ".join(LINES)}]
aliases: {{sneaky: gpt-4.1-nano}}
budgets:
  - {{name: company, scope: global, usd: 100, per: total}}
  - {{name: per-user, scope: user, usd: "0.02", per: day, unpriced: allow}}
  - {{name: of-victim, scope: key, of: victim, usd: 1, per: week}}
  - {{name: nano, scope: model, of: gpt-4.1-nano, usd: 1, per: total}}
"""
THEIRS = re.compile(rb"victim|blues|nano")


@pytest.fixture(scope="module")
def place():
    with running(CONFIG) as running_place:
        yield running_place


@pytest.fixture(scope="module")
def stored(place):
    """What the victim has: money in every scope, a user, a response."""
    for model in ("gpt-4.1-nano", "gpt-4.1-mini"):
        assert chat(place, VICTIM, model=model, user="ann").status == 200
    made = town.ask(
        f"{place.door.url}/responses", {"model": "gpt-4.1-nano", "input": "Hi", "user": "ann"}, VICTIM
    )
    assert made.status == 200
    place.settled("company")
    return json.loads(made.body)


def chat(place, secret, **more):
    return asyncio.run(call(place.door, ask(5, **more), key=secret))


def counted(place):
    """Everything in Redis whose name speaks of the victim, its team or its model; the names of users are hashes."""

    async def read():
        async with connected(place.url) as pipe:
            names = [
                name for name in (await pipe.call("SCAN", 0, "COUNT", 100_000))[1] if THEIRS.search(name)
            ]
            found = {}
            for name in names:
                kind = (await pipe.call("TYPE", name)).decode()
                found[name] = sorted(await pipe.call("SMEMBERS" if kind == "set" else "HGETALL", name))
            return found

    return asyncio.run(read())


def me(place, key, query=""):
    return json.loads(town.ask(f"{place.door.url}/switchyard/me{query}", None, key).body)


def forged():
    """Bodies that claim to be somebody else's."""
    yield {"user": "victim"}
    yield {"user": "victim:ann"}
    yield {"user": "ann:0:253402300800"}
    yield {"safety_identifier": "ann", "user": "victim"}
    yield {"metadata": {"key": "victim", "key_name": "victim", "team": "blues", "user": "ann"}, "store": True}
    yield {"key": "victim", "team": "blues", "key_name": "victim", "key_id": "victim"}
    yield {"extra_body": {"user": "ann"}, "headers": {"authorization": f"Bearer {VICTIM}"}}


def send(place, key, body, headers):
    """Status of one call with headers of its own."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    async def go():
        reader, writer = await asyncio.open_connection("127.0.0.1", place.door.port)
        data = json.dumps(body).encode()
        writer.write(
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n{lines}connection: close\r\n"
            f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n".encode()
            + data
        )
        head = await reader.read()
        writer.close()
        return int(head.split(b" ")[1])

    return asyncio.run(go())


def test_whoever_a_call_claims_to_be_its_own_key_pays(place, stored):
    """Forged `user`, `metadata`, unknown fields and headers, whole, streamed, left early and refused: the victim's counters
    are untouched and the attacker's own have it all."""
    before, company = counted(place), place.counters()["company"][0]
    assert before
    for number, body in enumerate(forged()):
        assert chat(place, ATTACKER, stream=number % 2 == 0, **body).status in (200, 400)
    for headers in (
        {"x-switchyard-key": "victim", "x-switchyard-team": "blues", "x-switchyard-user": "ann"},
        {"openai-organization": "blues", "openai-project": "victim", "api-key": VICTIM, "x-api-key": VICTIM},
        {"x-switchyard-session": "victim", "x-switchyard-task": "math", "x-switchyard-max-cost-usd": "1"},
    ):
        assert send(place, ATTACKER, ask(5, user="ann"), headers) == 200
    asyncio.run(call(place.door, ask(300, stream=True, user="ann"), key=ATTACKER, leave_after=300))
    assert send(place, ATTACKER, ask(5), {"authorization": f"Bearer {VICTIM}"}) == 401  # said twice
    place.settled("company")
    assert counted(place) == before
    spent = place.counters()["company"][0] - company
    assert spent == place.counters()["attacker.total"][0] > 0
    assert place.counters()["team.reds.total"][0] == spent


def test_only_a_trusted_key_has_users(place, stored):
    """`user` from any other key counts nowhere, and makes no user."""
    before = place.counters()["per-user"]
    for key in (MATE, PLAIN):
        assert chat(place, key, user="ann", safety_identifier="ann").status == 200
    place.settled("company")
    assert place.counters()["per-user"] == before
    assert not [name for name in names(place) if b":users:mate" in name or b":users:plain" in name]


def names(place):
    async def read():
        async with connected(place.url) as pipe:
            return (await pipe.call("SCAN", 0, "COUNT", 100_000))[1]

    return asyncio.run(read())


def test_a_user_of_the_same_name_is_another_keys_user(place, stored):
    """The attacker spends its "ann" dry; the victim's "ann" has what she had, is served, and is not shown to others."""
    before = counted(place)
    hers = me(place, VICTIM, "?user=ann")
    replies = [chat(place, ATTACKER, user="ann", max_tokens=2000) for _ in range(3)]
    while replies[-1].status == 200:
        replies.append(asyncio.run(call(place.door, ask(900, user="ann", max_tokens=1000), key=ATTACKER)))
    assert replies[-1].code in ("insufficient_quota", "rate_limit_exceeded")
    place.settled("company")
    assert counted(place) == before
    assert me(place, VICTIM, "?user=ann") == hers
    assert chat(place, VICTIM, user="ann").status == 200
    assert "victim" not in json.dumps(me(place, ATTACKER, "?user=ann"))


def test_a_model_of_another_keys_is_not_reached_by_any_name(place, stored):
    """By its own name, a provider's, an effort's, an alias', a snapshot's, in a responses call or an embedding: refused,
    nothing sent, nothing counted."""
    before, calls = counted(place), place.upstream.totals()["calls"]
    for model in ("gpt-4.1-nano", "openai/gpt-4.1-nano", "gpt-4.1-nano@none", "sneaky", "gpt-4.1-nano-2025-04-14",
                  "text-embedding-3-small", "GPT-4.1-NANO", "gpt-4.1-nano "):  # fmt: skip
        assert chat(place, ATTACKER, model=model).status in (403, 404), model
        for path, body in (("responses", {"input": "Hi"}), ("embeddings", {"input": "Hi"})):
            assert town.ask(f"{place.door.url}/{path}", {"model": model, **body}, ATTACKER).status in (
                403,
                404,
            )
    assert send(place, ATTACKER, ask(model="gpt-4.1-nano"), {"x-switchyard-route": "auto"}) in (200, 403)
    shown = json.loads(town.ask(f"{place.door.url}/models", None, ATTACKER).body)["data"]
    assert "gpt-4.1-nano" not in {each["id"] for each in shown}
    assert town.ask(f"{place.door.url}/models/gpt-4.1-nano", None, ATTACKER).status == 404
    place.settled("company")
    assert counted(place) == before
    assert place.upstream.totals()["calls"] <= calls + 1


def test_a_stored_response_of_anothers_costs_nobody_anything(place, stored):
    """Continued, read, cancelled or deleted by another key: 404, nothing sent, no counter of either moved."""
    before, all_before, calls = counted(place), place.counters(), place.upstream.totals()["calls"]
    body = {"model": "gpt-4.1-mini", "input": "?", "previous_response_id": stored["id"]}
    assert town.ask(f"{place.door.url}/responses", body, ATTACKER).status == 404
    for path in ("", "/input_items"):
        assert town.ask(f"{place.door.url}/responses/{stored['id']}{path}", None, ATTACKER).status == 404
    assert town.ask(f"{place.door.url}/responses/{stored['id']}/cancel", {}, ATTACKER).status == 404
    place.settled("company")
    assert (counted(place), place.counters(), place.upstream.totals()["calls"]) == (before, all_before, calls)


def test_refusals_a_key_provokes_teach_nothing_for_others(place, stored):
    """Crafted 404s and 400s: the model lives on for the victim, and its parameters go up as it sends them."""
    for number in range(3):
        assert chat(place, ATTACKER, model="gpt-4.1-mini", said=f"[[sandbox:404]] {number}").status in (
            404,
            429,
        )
    wrong = ({"temperature": 99}, {"seed": "x"}, {"logit_bias": {"x": 1}}, {"top_p": -1}, {"verbosity": "loud"},
             {"presence_penalty": 9}, {"parallel_tool_calls": "no"}, {"max_tokens": -5})  # fmt: skip
    for more in wrong:
        assert chat(place, MATE, model="gpt-4.1-mini", **more).status == 400, more
    right = {"temperature": 0.5, "seed": 7, "top_p": 0.9, "presence_penalty": 0.5, "max_tokens": 50}
    place.upstream.forget()
    reply = chat(place, VICTIM, model="gpt-4.1-mini", **right)
    assert reply.status == 200
    assert reply.headers["x-switchyard-model"] == "gpt-4.1-mini"
    assert "x-switchyard-changes" not in reply.headers
    (sent,) = place.upstream.calls()
    assert {name: json.loads(sent["raw"])[name] for name in right} == right


def test_the_limits_of_a_key_are_used_by_nobody_else(place, stored):
    """A flood of another key's takes nothing of the victim's requests, tokens and places."""
    before = counted(place)

    async def flood():
        return await asyncio.gather(*[call(place.door, ask(5), key=ATTACKER) for _ in range(60)])

    asyncio.run(flood())
    place.settled("company")
    assert counted(place) == before
    first = chat(place, VICTIM)
    assert first.status == 200
    assert int(first.headers["x-ratelimit-remaining-requests"]) >= LIMITS["rpm"] - 20
