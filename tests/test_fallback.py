"""Several deployments and candidates: who answers when one fails, and that nobody pays or answers twice."""

import json

import pytest
from town import PROVIDER_KEY, proxy, sandbox

from tests.test_main_job import HELLO, post, sse

CONFIG = """
providers:
  a: {{kind: openai, base_url: "{a}/v1", api_key: ${{OPENAI_API_KEY}}}}
  b: {{kind: openai, base_url: "{b}/v1", api_key: ${{OPENAI_API_KEY}}}}
models:
  gpt-4.1-mini: {{deployments: [{{provider: a, weight: {weight}}}, {{provider: b, weight: 1}}]}}
"""


@pytest.fixture(scope="module")
def town():
    """Two providers for one model, the first with nearly all the weight."""
    with sandbox() as a, sandbox() as b:
        config = CONFIG.format(a=a.url, b=b.url, weight=1000)
        with proxy(None, config, {"OPENAI_API_KEY": PROVIDER_KEY}) as door:
            yield a, b, door


@pytest.fixture
def pair(town):
    """The same three, with the first deployment well: one good answer sets its breaker back."""
    a, b, door = town
    a.forget()
    b.forget()
    assert chat(door)[1]["x-switchyard-reason"] == "pinned"
    a.forget()
    return a, b, door


def chat(door, text="hello", **extra):
    body = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": text}], **extra}
    return post(f"{door.url}/chat/completions", body)


@pytest.mark.parametrize("action", ["500", "503", "529", "429", "401", "quota"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_failing_deployment_is_answered_for_by_the_next(pair, action, stream):
    """Each kind of failure in the retry table goes to the next candidate, before any byte reached the client."""
    a, b, door = pair
    a.fault({"action": action})
    status, headers, body = chat(door, f"{action} {stream}", stream=stream)
    assert status == 200
    assert headers["x-switchyard-reason"] == "fallback"
    assert sse(body)[-1] == "[DONE]" if stream else json.loads(body)["choices"]
    assert len(b.calls()) == 1


def test_an_error_inside_a_200_stream_before_content_counts_as_a_failure(pair):
    """The first event is looked at before anything is sent on."""
    a, _, door = pair
    a.fault({"action": "error_inside", "at": 0})
    status, headers, body = chat(door, "early error", stream=True)
    assert status == 200
    assert headers["x-switchyard-reason"] == "fallback"
    assert b'"error"' not in body


def test_there_is_never_a_second_answer_after_the_first_byte(pair):
    """A stream that breaks in the middle ends with an error frame; the other deployment is not asked."""
    a, b, door = pair
    a.fault({"action": "cut", "at": 4})
    status, _, body = chat(door, "broken in the middle", stream=True)
    assert status == 200
    assert json.loads(sse(body)[-1])["error"]["type"] == "server_error"
    assert b.calls() == []


def test_the_callers_own_mistake_goes_nowhere_else(pair):
    """A 400 is the caller's: no retry, no fallback."""
    a, b, door = pair
    status, _, _ = chat(door, "bad", temperature="warm")
    assert status == 400
    assert (len(a.calls()), len(b.calls())) == (1, 0)


def test_after_five_failures_the_dead_deployment_is_not_asked_first():
    """The breaker opens: from the sixth request on the healthy deployment answers at once."""
    with sandbox() as a, sandbox() as b:
        config = CONFIG.format(a=a.url, b=b.url, weight=1000)
        with proxy(None, config, {"OPENAI_API_KEY": PROVIDER_KEY}) as door:
            a.fault({"action": "500"})
            for number in range(8):
                assert chat(door, f"request {number}")[0] == 200
            asked = len(a.calls())
            assert chat(door, "one more")[0] == 200
            assert len(a.calls()) == asked
            door.wait_for(lambda line: line["event"] == "breaker" and line["state"] == "open")


def test_a_lone_deployment_is_asked_however_often_it_failed(door, upstream):
    """With nobody else to ask, an open breaker does not turn an outage that is over into refusals."""
    upstream.fault({"action": "500", "times": 30})
    body = {"model": "gpt-4o-mini", "messages": HELLO}
    for _ in range(12):
        post(f"{door.url}/chat/completions", body)
    upstream.forget()
    assert post(f"{door.url}/chat/completions", body)[0] == 200


@pytest.mark.parametrize(("action", "status"), [("401", 503), ("404", 404), (None, 400)])
def test_a_lone_deployment_is_not_cooled_down_by_refusals(door, upstream, action, status):
    """A 401 of our key, a 404 and callers' own mistakes, ten of each: the next good request is answered by the same model."""
    before = len(door.lines)
    body = {"model": "gpt-4.1", "messages": HELLO}
    wrong = {"temperature": 99} if action is None else {}
    upstream.fault(*([{"action": action}] if action else []))
    for _ in range(10):
        assert post(f"{door.url}/chat/completions", body | wrong)[0] == status
    upstream.forget()
    answered, headers, _ = post(f"{door.url}/chat/completions", body)
    assert (answered, headers["x-switchyard-model"]) == (200, "gpt-4.1")
    assert not [
        line for line in door.lines[before:] if line["event"] == "breaker" and line["model"] == "gpt-4.1"
    ]


def test_retries_stay_a_tenth_of_the_traffic(door, upstream):
    """A provider that fails everything sees at most 10 % more calls from us (plus the ten saved at start)."""
    upstream.fault({"action": "500"})
    for number in range(60):
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"n {number}"}]}
        assert post(f"{door.url}/chat/completions", body)[0] == 500
    assert len(upstream.calls()) <= 60 + 10 + 6


def test_weights_choose_by_conversation():
    """With 3 : 1 about three of four conversations go to the first, and each one stays where it is."""
    with sandbox("--time-scale", "0") as a, sandbox("--time-scale", "0") as b:
        config = CONFIG.format(a=a.url, b=b.url, weight=3)
        with proxy(None, config, {"OPENAI_API_KEY": PROVIDER_KEY}) as door:
            asked = [
                [chat(door, f"conversation {number}")[1]["x-switchyard-request-id"] for _ in range(2)]
                for number in range(80)
            ]
            places = [{door.row(id_)["provider"] for id_ in twice} for twice in asked]
    assert all(len(where) == 1 for where in places)
    assert 45 <= places.count({"a"}) <= 75
