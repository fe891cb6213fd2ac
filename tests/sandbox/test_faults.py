"""Faults: which call a rule or a directive meets, and what reaches the client then."""

import json

import pytest

from proxy.sandbox.answers import Answer
from proxy.sandbox.deliver import Pace
from proxy.sandbox.faults import read_rule
from tests.sandbox.kit import KEY, Caller


@pytest.fixture
def api():
    return Caller()


def rules(api, *wishes):
    answer = api.post("/sandbox/faults", list(wishes))
    assert answer.status == 200, answer.body


STATUSES = [
    ("429", 429, "requests", "rate_limit_exceeded"),
    ("quota", 429, "insufficient_quota", "insufficient_quota"),
    ("401", 401, "invalid_request_error", "invalid_api_key"),
    ("403", 403, "request_forbidden", "unsupported_country_region_territory"),
    ("404", 404, "invalid_request_error", "model_not_found"),
    ("408", 408, "invalid_request_error", None),
    ("409", 409, "invalid_request_error", None),
    ("500", 500, "server_error", None),
    ("502", 502, "server_error", None),
    ("503", 503, "server_error", "overloaded"),
    ("529", 529, "server_error", "overloaded"),
]


@pytest.mark.parametrize(("action", "status", "kind", "code"), STATUSES)
@pytest.mark.parametrize("through", ["rule", "directive"])
def test_every_refusal_can_be_ordered_by_rule_or_by_prompt(api, action, status, kind, code, through):
    """The right envelope either way, and nothing billed."""
    if through == "rule":
        rules(api, {"action": action})
    answer = api.chat(text="hi" if through == "rule" else f"hi [[sandbox:{action}]]")
    assert answer.status == status
    assert (answer.error["type"], answer.error["code"]) == (kind, code)
    assert not api.last.billed
    assert api.last.faults == (action,)


def test_a_rate_limit_says_when_to_come_back(api):
    """retry-after by default, or what the rule says; a spent quota says nothing."""
    assert api.chat(text="[[sandbox:429]]").header("retry-after") == "1"
    rules(api, {"action": "429", "retry_after": "7", "retry_after_ms": 250, "times": 1})
    answer = api.chat()
    assert (answer.header("retry-after"), answer.header("retry-after-ms")) == ("7", "250")
    assert api.chat(text="[[sandbox:quota]]").header("retry-after") == ""
    assert api.chat(text="[[sandbox:429 retry_after_ms=20]]").header("retry-after") == ""


@pytest.mark.parametrize(
    ("match", "hits"),
    [
        ({}, [True] * 4),
        ({"model": "gpt-5"}, [False, True, False, True]),
        ({"path": "/v1/responses"}, [False, False, True, True]),
        ({"path": "/v1/*"}, [True] * 4),
        ({"contains": "needle"}, [False, False, False, True]),
        ({"nth": 2}, [False, True, False, False]),
        ({"nth": [1, 4]}, [True, False, False, True]),
        ({"every": 2}, [False, True, False, True]),
        ({"stream": True}, [False, False, True, False]),
        ({"key": "someone-else"}, [False] * 4),
        ({"header": {"name": "X-Test", "value": "a"}}, [False] * 4),
        ({"model": "gpt-5", "nth": 2}, [False, False, False, True]),
    ],
    ids=str,
)
def test_a_rule_meets_the_calls_it_describes(api, match, hits):
    """By model, path, content, stream, key, header and count; all conditions together."""
    rules(api, {"action": "500", "match": match})
    statuses = [
        api.chat("gpt-4.1").status,
        api.chat("gpt-5").status,
        api.responses("gpt-4.1", stream=True).status,
        api.responses("gpt-5", "needle").status,
    ]
    assert statuses == [500 if hit else 200 for hit in hits]


def test_a_rule_by_header_reads_the_request_header(api):
    """Any header the proxy lets through."""
    rules(api, {"action": "500", "match": {"header": {"name": "traceparent", "value": "x"}}})
    body = json.dumps({"model": "gpt-5", "messages": [{"role": "user", "content": "x"}]}).encode()
    assert api.send("POST", "/v1/chat/completions", body, {**KEY, "traceparent": "x"}).status == 500


def test_a_rule_with_times_wears_out(api):
    """Then the provider is healthy again."""
    rules(api, {"action": "503", "times": 2})
    assert [api.chat().status for _ in range(3)] == [503, 503, 200]


def test_a_directive_can_be_limited_by_times_and_model(api):
    """So that a retry or a fallback succeeds."""
    assert [api.chat(text="[[sandbox:500 times=1]]").status for _ in range(2)] == [500, 200]
    assert api.chat("gpt-5", "[[sandbox:500 model=gpt-5]]").status == 500
    assert api.chat("gpt-4.1", "[[sandbox:500 model=gpt-5]]").status == 200


def test_only_the_last_user_text_gives_orders(api):
    """Also inside content parts and on responses."""
    old = [
        {"role": "user", "content": "[[sandbox:500]]"},
        {"role": "assistant", "content": "x"},
        {"role": "user", "content": "y"},
    ]
    assert api.chat(messages=old).status == 200
    parts = [{"role": "user", "content": [{"type": "text", "text": "[[sandbox:500]]"}]}]
    assert api.chat(messages=parts).status == 500
    assert api.responses(input="[[sandbox:409]]").status == 409
    assert api.responses(input=[{"role": "user", "content": "[[sandbox:409]]"}]).status == 409


@pytest.mark.parametrize(
    "wish",
    [
        {"action": "explode"},
        {"action": "500", "colour": 1},
        {"action": "500", "match": {"moon": 1}},
        "500",
        {"action": "cut", "at": "x"},
        {"action": "500", "match": {"nth": "2"}},
        {"action": "500", "match": {"every": 0}},
        {"action": "500", "match": {"header": "x"}},
    ],
    ids=str,
)
def test_a_rule_that_makes_no_sense_is_refused_and_the_old_ones_stay(api, wish):
    """400 that names what is wrong."""
    rules(api, {"action": "500"})
    assert api.post("/sandbox/faults", [wish]).status == 400
    assert api.chat().status == 500
    assert api.send("GET", "/sandbox/faults").json[0]["fault"]["action"] == "500"
    assert api.send("DELETE", "/sandbox/faults").status == 200
    assert api.chat().status == 200
    assert api.post("/sandbox/faults", {}).status == 400


def test_a_failure_after_billing_costs_money(api):
    """500 with `billed`: the answer was made and thrown away."""
    rules(api, {"action": "500", "billed": True})
    answer = api.chat()
    assert answer.status == 500
    assert answer.error["type"] == "server_error"
    assert api.last.billed
    assert api.last.cost_nano > 0


def test_a_gateway_can_fail_in_html(api):
    """Not every 502 is JSON."""
    answer = api.chat(text="[[sandbox:502 html=1]]")
    assert answer.status == 502
    assert answer.header("content-type") == "text/html"


@pytest.mark.parametrize(
    ("action", "usage"),
    [
        ("no_usage", None),
        ("zero_usage", {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}),
    ],
)
def test_usage_can_be_missing_or_zero_while_the_log_knows_better(api, action, usage):
    """Whole and streamed."""
    assert api.chat(text=f"[[sandbox:{action}]]").json.get("usage") == usage
    assert api.last.bill.output > 0
    events = api.chat(
        text=f"[[sandbox:{action}]]", stream=True, stream_options={"include_usage": True}
    ).events
    told = [event["usage"] for event in events if event != "[DONE]" and event.get("usage")]
    assert told == ([usage] if usage else [])


def test_usage_can_come_twice_or_add_up_wrong(api):
    """Twice: the last is right."""
    asked = {"stream": True, "stream_options": {"include_usage": True}}
    events = api.chat(text="[[sandbox:usage_twice]]", **asked).events
    told = [event["usage"] for event in events if event != "[DONE]" and event.get("usage")]
    assert [usage["completion_tokens"] for usage in told] == [1, api.last.bill.output]
    usage = api.chat(text="[[sandbox:wrong_sum]]").json["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] + 7
    out = api.responses(input="[[sandbox:wrong_sum]]").json["usage"]
    assert out["total_tokens"] == out["input_tokens"] + out["output_tokens"] + 7
    assert api.responses(input="[[sandbox:no_usage]]").json["usage"] is None
    assert api.responses(input="[[sandbox:zero_usage]]").json["usage"]["output_tokens"] == 0


def test_unknown_fields_appear_where_a_proxy_must_keep_them(api):
    """Top level, message and deltas."""
    out = api.chat(text="[[sandbox:extra]]").json
    assert out["x_future"]["numbers"][2] is None
    assert out["choices"][0]["message"]["reasoning_content"]
    first = api.chat(text="[[sandbox:extra]]", stream=True).events[0]
    assert first["x_future"]
    assert first["choices"][0]["delta"]["reasoning_content"]
    assert "x_future" in api.responses(input="[[sandbox:extra]]").json


def test_answers_can_be_huge(api):
    """About as many bytes as ordered."""
    assert 900_000 < len(api.chat(text="[[sandbox:huge bytes=1000000]]").body) < 1_200_000
    assert 500_000 < len(api.chat(text="[[sandbox:huge bytes=1000000]]", stream=True).body) < 1_500_000
    assert len(api.responses(input="[[sandbox:huge bytes=100000]]").body) > 90_000


def test_a_share_of_calls_is_drawn_the_same_in_every_run(api):
    """About so many of them, whichever they are; another run meets the same."""

    def struck():
        rules(api, {"action": "500", "match": {"share": 0.2}})
        return [api.chat(text=f"question {number}").status for number in range(200)]

    first = struck()
    assert 20 <= first.count(500) <= 60
    assert struck() == first
    assert api.post("/sandbox/faults", [{"action": "500", "match": {"share": "many"}}]).status == 400


def test_words_can_be_cut_short_or_too_many(api):
    """Broken JSON is an answer like any other; more words are billed as more tokens."""
    asked = {"response_format": {"type": "json_object"}}
    good = api.chat(text="hi, in JSON", **asked).json
    rules(api, {"action": "broken"})
    broken = api.chat(text="hi, in JSON", **asked).json
    json.loads(good["choices"][0]["message"]["content"])
    with pytest.raises(json.JSONDecodeError):
        json.loads(broken["choices"][0]["message"]["content"])
    rules(api, {"action": "wordy", "factor": 1.5})
    before = good["usage"]["completion_tokens"]
    assert api.chat(text="hi, in JSON", **asked).json["usage"]["completion_tokens"] == round(before * 1.5)


def test_a_wait_with_a_spread_lies_around_its_seconds():
    """Log-normal: half of them earlier, none negative, decided by what it is drawn for."""
    fault = read_rule({"action": "slow_first", "seconds": 2.0, "spread": 0.5}).fault
    waits = [Pace.of(Answer(), (fault,), 1.0, str(number)).ttft_s for number in range(400)]
    assert sorted(waits)[200] == pytest.approx(2.0, rel=0.15)
    assert min(waits) > 0
    assert Pace.of(Answer(), (fault,), 1.0, "7").ttft_s == waits[7]
