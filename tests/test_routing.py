"""Routing over real sockets: names that apps keep, caps, conversations, and what is refused before anything is served."""

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
import town
from town import ask

MATH = "Prove that the square root of 2 is irrational."
FRENCH = "Translate to French: good morning"


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


@pytest.fixture(scope="module")
def kept(_upstream):
    """A proxy that routes apps which keep their model names."""
    with town.proxy(_upstream, env={"SWITCHYARD_ROUTE": "o4-mini,gpt-4.1-mini"}) as running:
        yield running


@pytest.mark.parametrize("name", ["o4-mini", "gpt-4.1-mini"])
def test_apps_that_keep_their_names_are_routed_by_task(upstream, kept, name):
    """SWITCHYARD_ROUTE: whichever of both names the app says, mathematics reasons and translation does not; sampling that
    the reasoning model refuses is taken out and listed."""
    url = f"{kept.url}/chat/completions"
    maths = ask(url, {"model": name, "messages": [user(MATH)], "temperature": 0.2})
    assert (maths.status, maths.headers["x-switchyard-task"]) == (200, "math")
    assert maths.headers["x-switchyard-model"] == "gpt-6.1-terra"
    assert "temperature:dropped" in maths.headers["x-switchyard-changes"]
    french = ask(url, {"model": name, "messages": [user(FRENCH)]})
    assert (french.status, french.headers["x-switchyard-task"]) == (200, "translation")
    assert french.headers["x-switchyard-model"] == "gpt-4.1-mini"


def test_other_names_stay_pinned_beside_routed_ones(kept):
    """Only the names listed are routed."""
    answer = ask(f"{kept.url}/chat/completions", {"model": "gpt-6-luna", "messages": [user(MATH)]})
    assert answer.headers["x-switchyard-reason"] == "pinned"


def test_reasoning_extras_of_a_responses_call_go_when_its_model_does_not_reason(upstream, kept):
    """What an SDK adds for o-series names (sealed reasoning, a summary) is dropped and listed, not passed on to a 400."""
    body = {
        "model": "o4-mini",
        "input": FRENCH,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "medium", "summary": "auto"},
    }
    answer = ask(f"{kept.url}/responses", body)
    assert answer.status == 200
    assert answer.headers["x-switchyard-model"] == "gpt-4.1-mini"
    assert "include:reasoning.encrypted_content" in answer.headers["x-switchyard-changes"]
    assert "reasoning" in answer.headers["x-switchyard-changes"].replace("reasoning.encrypted_content", "")
    sent = upstream.calls()[-1]["body"]
    assert "reasoning" not in sent
    assert not sent.get("include")


def test_a_conversation_stays_and_says_so(door):
    """After 36,000 characters of mathematics a translation is cheaper where the conversation is cached than it looks."""
    messages = [user(MATH), assistant("So it follows. " * 24_000), user(FRENCH)]
    answer = ask(
        f"{door.url}/chat/completions", {"model": "auto", "messages": messages, "max_completion_tokens": 16}
    )
    assert answer.status == 200
    assert answer.headers["x-switchyard-task"] == "translation"
    first = ask(f"{door.url}/chat/completions", {"model": "auto", "messages": messages[:1]})
    assert answer.headers["x-switchyard-model"] == first.headers["x-switchyard-model"]
    assert answer.headers["x-switchyard-reason"] == "sticky"


def test_a_cost_cap_is_a_400_that_names_it(door):
    """`x-switchyard-max-cost-usd` below anything: nobody is asked, and the caller knows why."""
    request = urllib.request.Request(
        f"{door.url}/chat/completions",
        json.dumps({"model": "auto", "messages": [user("hi")]}).encode(),
        {"content-type": "application/json", "x-switchyard-max-cost-usd": "0.00000001"},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=20)
    error = json.loads(refused.value.read())["error"]
    assert (refused.value.code, error["param"]) == (400, "x-switchyard-max-cost-usd")


def test_a_model_slow_to_its_first_token_is_put_last(upstream):
    """By the catalogue's prior, with no traffic yet: the reasoning model of a hurried route waits behind the other."""
    config = f"""
providers: {{openai: {{kind: openai, base_url: "{upstream.url}/v1", api_key: k}}}}
routes: {{auto: {{default: [gpt-6.1-terra, gpt-4.1-mini], max_ttft_ms: 1000}}}}
"""
    with town.proxy(upstream, config) as running:
        answer = ask(f"{running.url}/chat/completions", {"model": "auto", "messages": [user(MATH)]})
        assert answer.headers["x-switchyard-model"] == "gpt-4.1-mini"


def test_live_first_token_times_reorder_a_route(_upstream):
    """Five streams that began too late are believed more than the catalogue; whole requests then go to the other model."""
    config = f"""
providers: {{openai: {{kind: openai, base_url: "{_upstream.url}/v1", api_key: k}}}}
routes: {{auto: {{default: [gpt-4.1-mini, gpt-6-luna@none], max_ttft_ms: 700}}}}
"""
    _upstream.forget()
    with town.proxy(_upstream, config) as running:
        url = f"{running.url}/chat/completions"
        assert (
            ask(url, {"model": "auto", "messages": [user("hi")]}).headers["x-switchyard-model"]
            == "gpt-4.1-mini"
        )
        _upstream.fault({"action": "slow_first", "seconds": 0.8, "match": {"model": "gpt-4.1-mini"}})
        for _ in range(5):
            assert ask(url, {"model": "gpt-4.1-mini", "messages": [user("hi")], "stream": True}).status == 200
        _upstream.forget()
        assert (
            ask(url, {"model": "auto", "messages": [user("hi")]}).headers["x-switchyard-model"]
            == "gpt-6-luna"
        )


@pytest.mark.parametrize(
    ("routes", "says"),
    [
        ("auto: {default: [gpt-4.1-mni]}", "gpt-4.1-mini"),
        ("auto: {default: [gpt-4.1-mini], tasks: {maths: [o4-mini]}}", "math"),
        ("auto: {default: []}", "auto.default"),
        ("auto: {default: [gpt-4.1-mini], prefer: fastest}", "cheapest"),
        ("auto: {default: [gpt-4.1-mini@hgh]}", "high"),
    ],
)
def test_a_route_with_a_mistake_is_refused_at_start(tmp_path, routes, says):
    """Unknown models, tasks, preferences and efforts: one line with the file, the place and what was meant."""
    file = tmp_path / "switchyard.yaml"
    file.write_text(f"routes:\n  {routes}\n")
    done = _switchyard("check", "--config", str(file))
    assert done.returncode == 1
    assert "switchyard.yaml:2" in done.stderr
    assert says in done.stderr


def test_weights_of_another_version_are_refused_at_start(tmp_path):
    """Rather than route at random the proxy does not start, and one line says which version there is and which is wanted."""
    for part in ("proxy", "config"):
        shutil.copytree(town.ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    weights = tmp_path / "proxy/routing/weights.bin"
    head, _, body = weights.read_bytes().partition(b"\n")
    weights.write_bytes(json.dumps({**json.loads(head), "version": 999}).encode() + b"\n" + body)
    done = _switchyard("serve", "--sandbox", "--port", "0", "--admin-port", "0", home=tmp_path)
    assert done.returncode == 1
    assert "999" in done.stderr
    assert "before it could serve" in done.stderr
    assert "Traceback" not in done.stderr


def _switchyard(*words, home=town.ROOT):
    """One command that ends by itself, run from `home`."""
    return subprocess.run(
        [sys.executable, "-m", "proxy.cli", *words],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
