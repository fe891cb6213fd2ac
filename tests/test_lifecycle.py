"""Models that come and go, over real sockets: published dates, confirmed 404s, parameters learned from refusals."""

import json

import pytest
from town import proxy, sandbox

from tests.test_main_job import HELLO, WEATHER, post, wait_until

FAR = "2026-06-01"


@pytest.fixture(scope="module")
def early():
    """A provider on a day when o4-mini still lived, and a proxy in front of it."""
    with sandbox("--revive", "*") as upstream, proxy(upstream) as door:
        yield upstream, door


def chat(door, model, **extra):
    return post(f"{door.url}/chat/completions", {"model": model, "messages": HELLO, **extra})


def test_what_the_provider_publishes_is_read_at_start(door, upstream):
    """The worker asks `GET /v1/models` by itself, with the provider's key."""
    assert chat(door, "gpt-4.1-mini")[0] == 200
    assert wait_until(lambda: upstream.totals()["calls"] > 0)


def test_a_model_that_vanishes_is_served_by_its_successor_in_the_same_request():
    """A 404 for a live model is believed when a fresh list lacks it; that very request goes to the successor."""
    with sandbox() as upstream, proxy(upstream) as door:
        assert chat(door, "gpt-4.1-mini")[1]["x-switchyard-reason"] == "pinned"
        upstream.control(hidden_models=["gpt-4.1-mini", "gpt-4.1-mini-2025-04-14"])
        status, headers, _ = chat(door, "gpt-4.1-mini")
        assert status == 200
        assert headers["x-switchyard-model"] == "gpt-6-luna"
        assert headers["x-switchyard-reason"] == "successor"
        before = len(upstream.calls())
        assert chat(door, "gpt-4.1-mini")[0] == 200
        assert len(upstream.calls()) == before + 1  # the dead model is not asked again


@pytest.mark.parametrize("model", ["o4-mini", "auto", "gpt-4.1-mini"])
def test_tokens_are_counted_for_whoever_would_answer(door, upstream, model):
    """A successor for a model that has ended, a route's first candidate for its name: as `/v1/responses` would."""
    status, _, body = post(f"{door.url}/responses/input_tokens", {"model": model, "input": "hello"})
    assert status == 200
    assert json.loads(body)["input_tokens"] > 0


def test_a_deployment_that_was_misspelt_is_no_model_that_was_shut_down():
    """Who reads the message looks for a mistake in the configuration, not for a successor."""
    config = """
models:
  ours: {family: gpt-4.1, context: 20000, max_output: 4000, usd_per_m: {input: 1, output: 2}, deployments: [{provider: openai, model: gpt-4.1-mnii}]}
"""
    with sandbox() as upstream, proxy(upstream, config) as door:
        assert wait_until(lambda: "does not exist: there is" in str(chat(door, "ours")[2]))
        error = json.loads(chat(door, "ours")[2])["error"]
    assert error["code"] == "model_not_found"
    assert "there is no such model at openai" in error["message"]
    assert "deprecated" not in error["message"]


def test_a_404_that_the_model_list_contradicts_reaches_the_caller(door):
    """A crafted or stray 404 moves nobody: the model is still listed, so the caller gets the provider's own answer."""
    body = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "[[sandbox:404]] hi"}]}
    status, _, text = post(f"{door.url}/chat/completions", body)
    assert status == 404
    assert json.loads(text)["error"]["code"] == "model_not_found"
    assert chat(door, "gpt-4.1-mini")[1]["x-switchyard-model"] == "gpt-4.1-mini"


def test_a_refused_parameter_is_mended_once_and_remembered(door, upstream):
    """A 400 that names a parameter is mended and retried; the next request is right at once."""
    body = {"model": "gpt-5.4-mini", "messages": HELLO, "reasoning_effort": "low", "temperature": 0.3}
    status, headers, _ = post(f"{door.url}/chat/completions", body)
    assert status == 200
    assert headers["x-switchyard-reason"] == "learned"
    assert headers["x-switchyard-changes"] == "temperature:dropped (learned)"
    before = len(upstream.calls())
    status, headers, _ = post(f"{door.url}/chat/completions", body)
    assert status == 200
    assert headers["x-switchyard-changes"] == "temperature:dropped (learned)"
    assert len(upstream.calls()) == before + 1


def test_what_changes_meaning_is_never_mended(door):
    """Tools refused by the model are the caller's 400, in the provider's words."""
    body = {"model": "o3-mini", "messages": HELLO, "stop": ["x"]}
    pinned = {"model": "gpt-5-mini", "messages": HELLO, "stop": ["x"]}
    assert post(f"{door.url}/chat/completions", body)[0] == 200  # moved to a successor: emulated
    status, _, text = post(f"{door.url}/chat/completions", pinned)
    assert status == 400
    assert json.loads(text)["error"]["param"] == "stop"


def test_before_the_day_the_named_model_answers(early):
    """A provider that lists o4-mini without an end is believed over the shipped date: the app is served by o4-mini."""
    upstream, door = early
    upstream.control(today=FAR)
    assert chat(door, "gpt-4.1-mini")[0] == 200


@pytest.mark.parametrize("extra", [{"temperature": 7}, {"stop": ["a"] * 5}, {"n": 0}, {"verbosity": "bogus"}])
@pytest.mark.parametrize("tools", [{}, {"tools": [WEATHER]}])
def test_a_value_that_no_model_takes_is_a_400_for_a_retired_name_too(door, upstream, extra, tools):
    """The model that was asked for would have refused it; nothing is sent."""
    status, _, text = chat(door, "o4-mini", **extra, **tools)
    assert status == 400
    assert json.loads(text)["error"]["param"] == next(iter(extra))
    assert upstream.calls() == []


def test_a_crafted_value_teaches_nobody(door, upstream):
    """A refusal of a made-up value reaches its caller as it is, and the next caller's value still goes up."""
    body = {"model": "gpt-5.2", "messages": HELLO}
    assert post(f"{door.url}/chat/completions", {**body, "verbosity": "bogus"})[0] == 400
    assert post(f"{door.url}/chat/completions", {**body, "verbosity": "low"})[0] == 200
    assert upstream.calls()[-1]["body"]["verbosity"] == "low"


def test_what_a_callers_own_key_met_is_remembered_for_that_key_alone():
    """With keys passed through, a refusal may be about the key: others find out for themselves."""
    config = "auth: {mode: passthrough}\nserver: {workers: 1}\n"
    body = {"model": "gpt-5.4-mini", "messages": HELLO, "reasoning_effort": "low", "temperature": 0.3}
    with sandbox() as upstream, proxy(upstream, config) as door:
        attempts = []
        for key in ("sk-one", "sk-one", "sk-two"):
            before = len(upstream.calls())
            status, _, text = post(f"{door.url}/chat/completions", body, {"authorization": f"Bearer {key}"})
            assert status == 200, text
            attempts.append(len(upstream.calls()) - before)
    assert attempts == [2, 1, 2]
