"""`explain` tells what the proxy would do: by the same code, without calling anybody, and as an error where it would refuse."""

import contextlib
import io
import json
import sys
import types
import urllib.error
import urllib.request

import pytest
import town
from town import ask

from proxy import cli

CONFIG = """
auth: {mode: keys}
keys: [{name: web, hash: "sha256:%s", models: [auto, gpt-4.1-mini], budgets: [{usd: 1, per: day}], limits: {rpm: 9}}]
""" % ("0" * 64)

PROMPTS = [
    "Translate to French: good morning",
    "Traduce al inglés: ¿dónde está la biblioteca?",
    "Write a haiku about autumn.",
    "Write a short story about a lighthouse keeper.",
    "Classify the sentiment as positive, negative or neutral: I loved it.",
    "Is this email spam? Answer yes or no: You have won a prize!",
    "Extract the names and dates: Anna met Bob on 3 May 2021 in Rome.",
    "Summarise in one sentence: The cat sat on the mat. Then it slept all day in the sun.",
    "What is the capital of Australia?",
    "hello",
    "thanks!",
    "Tell me a joke.",
    "Recommend a book on Roman history.",
    "Prove that the square root of 2 is irrational.",
    "What is 17 * 23?",
    "Solve for x: 3x^2 - 5x + 2 = 0",
    "Compute the integral of x^2 e^x dx.",
    "A train leaves at 9 and travels 120 km at 60 km/h. When does it arrive?",
    "How many ways can 8 rooks be placed on a chessboard so that none attacks another?",
    "Write a Python function that reverses a linked list.",
    "Fix this bug: def f(x): retrun x + 1",
    "Explain what `git rebase -i` does.",
    "Write a SQL query for the ten customers with the highest revenue.",
    "Why does my React component re-render on every keystroke?",
    "Implement an LRU cache in Go that is safe for concurrent use.",
    "Three people each say one statement; exactly one lies. A: B lies. B: C lies. C: A and B lie. Who lies?",
    "If all bloops are razzies and all razzies are lazzies, are all bloops lazzies?",
    "You have 12 coins, one is fake. Find it in three weighings.",
    "Plan a migration of a monolith to services, step by step.",
    "翻译成英文：今天天气很好",
    "写一个快速排序的 Python 函数",
    "Schreibe eine E-Mail an meinen Vermieter wegen der Heizung.",
    "Berechne die Ableitung von sin(x) * x^3.",
    "日本の首都はどこですか？",
    "Resume el siguiente texto: El perro corre por el parque todos los días.",
    "Rewrite this more politely: Send me the file now.",
    "Give me three names for a coffee shop.",
    "What is the difference between TCP and UDP?",
    "Write a regular expression for ISO dates.",
    "What is the probability of two sixes in three throws of a die?",
]
IMAGE = [
    {"type": "text", "text": "What is in this picture?"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
]
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "x",
        "schema": {"type": "object", "properties": {"label": {"type": "string", "enum": ["a", "b"]}}},
    },
}


def user(text):
    return [{"role": "user", "content": text}]


BODIES = [
    *[{"model": "auto", "messages": user(prompt)} for prompt in PROMPTS],
    {"model": "auto", "messages": user(IMAGE)},
    {"model": "auto", "messages": user("What is the weather in Rome?"), "tools": [TOOL]},
    {"model": "auto", "messages": user("Label it: fine"), "response_format": SCHEMA},
    {"model": "auto", "messages": user(PROMPTS[13]), "logprobs": True},
    {"model": "auto", "messages": [*user(PROMPTS[0]), {"role": "assistant", "content": "Bonjour"}, *user(PROMPTS[13])]},
    {"model": "auto", "messages": [*user(PROMPTS[13]), {"role": "assistant", "content": "So. " * 9000}, *user(PROMPTS[0])]},
    *[
        {"model": model, "messages": user("hi")}
        for model in (
            "gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", "o4-mini", "o4-mini-2025-04-16", "o3-mini", "gpt-5-mini",
            "gpt-6-luna", "gpt-6-luna@none", "gpt-6.1-terra@high", "openai/gpt-4.1-mini", "openai/gpt-6.1-terra@low",
            "gpt-4.1", "no-such-model", "ft:gpt-4.1-mini-2025-04-14:org::id",
        )
    ],
    {"model": "o4-mini", "messages": user("hi"), "temperature": 0.3, "stop": ["x"]},
]  # fmt: skip


def explained(door, body, **more):
    answer = ask(f"{door.admin_url}/admin/explain", {"body": body, **more} if more else body)
    return answer.status, json.loads(answer.body)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: f"{body['model']}-{BODIES.index(body)}")
def test_explain_and_the_proxy_never_disagree(door, body):
    """Over tasks, languages, images, tools, conversations, pinned, retired, dated and provider names: the model, the task
    and the changes that explain tells are those of the answer's headers, and a refusal is the same refusal."""
    status, told = explained(door, body)
    assert status == 200
    answer = ask(f"{door.url}/chat/completions", body)
    if told["refusal"] is not None:
        assert answer.status == told["refusal"]["status"]
        assert json.loads(answer.body)["error"]["message"] == told["refusal"]["message"]
        return
    assert answer.headers["x-switchyard-model"] == told["model"]
    assert answer.headers["x-switchyard-reason"] == told["reason"]
    assert answer.headers.get("x-switchyard-task", "") == (told["task"]["name"] if told["task"] else "")
    assert answer.headers.get("x-switchyard-changes", "") == ", ".join(told["candidates"][0]["changes"])


def test_a_full_request_has_headers_and_an_endpoint(door):
    """What the optional headers ask for is in the plan, and a Responses body is known by its fields."""
    _, told = explained(door, BODIES[0], headers={"X-Switchyard-Task": "math"})
    assert told["task"]["name"] == "math"
    assert told["task"]["evidence"] == []
    assert told["reason"] in {"caller", "successor"}
    _, told = explained(door, {"model": "auto", "input": "Translate to French: good morning"})
    assert told["candidates"][0]["endpoint"] == "responses"
    _, told = explained(door, BODIES[0], headers={"x-switchyard-max-cost-usd": "0.00000001"})
    assert told["refusal"]["status"] == 400
    assert {option["place"] for option in told["candidates"]} == {0}


def test_every_candidate_is_kept_or_dropped_with_its_reason(door):
    """Evidence for the task, costs, first-token times and the chain of a retired name; and what was not consulted."""
    _, told = explained(door, {"model": "auto", "messages": user(PROMPTS[13])})
    assert told["task"]["evidence"]
    first, *rest = told["candidates"]
    assert first["place"] == 1
    assert first["target"] == "o4-mini"
    assert float(first["expected_usd"]) > 0
    assert all(option["place"] or option["why"] for option in rest)
    assert {heir["ended"] for heir in told["successors"]} == {"o4-mini"}
    assert any("1.5" in heir["skipped"] for heir in told["successors"])
    assert told["notes"][0].startswith("live health not consulted")


def test_nobody_is_called(upstream, door):
    """Explaining sends nothing to any provider."""
    explained(door, BODIES[0])
    assert upstream.calls() == []


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"no json", "We could not parse the JSON body"),
        (b"[1]", "expected an object"),
        (b"{}", "you must provide a model parameter"),
        (b'{"body": {}}', "you must provide a model parameter"),
        (b'{"body": {"model": "auto", "messages": []}, "headers": 3}', "headers"),
        (b'{"body": {"model": "auto"}, "endpoint": "audio"}', "`endpoint` must be one of"),
        (
            b'{"body": {"model": "auto", "messages": []}, "headers": {"x-switchyard-max-cost-usd": "lots"}}',
            "amount",
        ),
        (b'{"body": {"model": "auto", "messages": []}, "key": "nobody"}', "No key"),
        (b'{"model": "auto", "messages": ' + b"[" * 5000, "parse"),
    ],
)
def test_what_is_no_request_is_a_400_in_openais_shape(door, raw, says):
    """All four keys of the envelope, and a message that says what is wrong."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(f"{door.admin_url}/admin/explain", raw), timeout=20)
    assert refused.value.code == 400
    error = json.loads(refused.value.read())["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert says in error["message"]


def test_a_body_larger_than_anybody_would_paste_is_refused(door):
    """The parent shares its time with the care for its workers."""
    answer = ask(f"{door.admin_url}/admin/explain", {"model": "auto", "messages": user("x" * 5_000_000)})
    assert answer.status == 413


def test_budgets_show_where_the_request_would_count(upstream):
    """With a key's name: its limits, its budgets as they stand, and what would be held."""
    with town.proxy(upstream, CONFIG) as door:
        _, told = explained(door, {"model": "auto", "messages": user("hello")}, key="web")
        counts = {count["name"]: count for count in told["counts"]}
        assert counts["requests"]["limit"] == 9
        assert counts["web.day"]["left"] == 1_000_000_000
        assert 0 < float(told["candidates"][0]["hold_usd"]) < 1
        _, told = explained(door, {"model": "gpt-4.1", "messages": user("hello")}, key="web")
        assert told["refusal"]["code"] == "model_not_allowed"


def run(monkeypatch, *words, stdin=""):
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(stdin.encode())))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = cli.main(["explain", *words])
    return status, out.getvalue(), err.getvalue()


def test_the_command_explains_a_prompt_in_words(monkeypatch):
    """Task, evidence, decision, candidates with cost, successors and what was not consulted: each on a line of its own."""
    status, out, _ = run(monkeypatch, "Prove that the square root of 2 is irrational.")
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "asked      auto, which is the route auto"
    assert lines[1].startswith("task       math (confidence ")
    assert any(line.startswith("1.         gpt-6.1-terra at openai (from o4-mini)") for line in lines)
    assert any("o4-mini has ended -> gpt-6.1-terra@medium, 1.04 times its price" in line for line in lines)
    assert lines[-1].startswith("note       live health not consulted")


def test_the_command_reads_a_request_from_standard_input(monkeypatch):
    """Bare or with headers; as JSON the same record the admin port answers with."""
    body = {"model": "o4-mini", "messages": user("hi"), "temperature": 0.2}
    status, out, _ = run(monkeypatch, "--json", "-", stdin=json.dumps({"body": body, "headers": {}}))
    assert status == 0
    assert json.loads(out)["candidates"][0]["changes"] == ["temperature:dropped"]
    status, out, err = run(monkeypatch, "-", stdin="{")
    assert (status, out) == (1, "")
    assert "JSON" in err
    status, out, _ = run(monkeypatch, "-", stdin=json.dumps({"model": "nope", "messages": []}))
    assert status == 0
    assert "refused    404 model_not_found" in out
