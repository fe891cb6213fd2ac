"""The npm clients. Each case is one run of `clients.mjs`, which prints what an app would have seen as one JSON object."""

import json
import os
import shutil
import subprocess

import pytest
from cases import (
    BREAKS,
    ENDLESS,
    HELLO,
    LIMITED,
    LIVING,
    ONCE_LIMITED,
    ORDER,
    PERSON,
    PIXEL,
    STEPS,
    TARGETS,
    broken,
)
from conftest import HERE

if shutil.which("node") is None or not (HERE / "node_modules" / "openai").is_dir():
    pytest.skip("node or its packages are missing (make setup)", allow_module_level=True)

KINDS = (
    "openai-chat",
    "openai-responses",
    "ai-chat",
    "ai-responses",
    "ai-compatible",
    "langchain-chat",
    "langchain-responses",
)


@pytest.fixture(scope="module")
def script():
    """A running node that answers one JSON line with another: starting node and its packages takes a second."""
    process = subprocess.Popen(
        ["node", "clients.mjs"],
        cwd=HERE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )

    def ask(kind, case, model, base_url, **wishes):
        process.stdin.write(
            json.dumps({"kind": kind, "case": case, "model": model, "baseURL": base_url, **wishes}) + "\n"
        )
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, "node ended"
        return json.loads(line)

    yield ask
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


@pytest.fixture
def ask(script, door):
    """One case of one client against the proxy."""

    def run(kind, case, model, **wishes):
        return script(kind, case, model, door.url, **wishes)

    return run


each_kind = pytest.mark.parametrize("kind", KINDS)
each_target = pytest.mark.parametrize("model", TARGETS)


@each_kind
@each_target
def test_whole(ask, kind, model):
    """Text and usage."""
    seen = ask(kind, "whole", model, prompt=HELLO)
    assert seen["text"], seen
    assert seen["usage"] > 0


@each_kind
@each_target
def test_streamed_equals_whole(ask, kind, model):
    """The same words in pieces."""
    seen = ask(kind, "stream", model, prompt=HELLO)
    assert seen["pieces"] > 1, seen
    assert seen["text"] == ask(kind, "whole", model, prompt=HELLO)["text"]


@each_kind
@each_target
@pytest.mark.parametrize("case", ["tools", "tools-streamed"])
def test_tools_loop_in_three_steps(ask, kind, model, case):
    """Three tools, one after the other, then text."""
    seen = ask(kind, case, model, prompt=STEPS)
    assert seen.get("called") == ORDER, seen
    assert seen["text"].startswith("The tools say")


@each_kind
@each_target
def test_structured_output(ask, kind, model):
    """A schema gives an object."""
    seen = ask(kind, "object", model, prompt=PERSON)
    assert set(seen.get("object") or seen) == {"name", "age"}, seen


@each_kind
@each_target
def test_multi_turn(ask, kind, model):
    """Three turns with what was said before."""
    assert len(ask(kind, "turns", model, prompts=["Hello", "And you?", "Goodbye"]).get("texts", [])) == 3


@each_kind
@each_target
def test_images(ask, upstream, kind, model):
    """A picture reaches upstream."""
    seen = ask(kind, "image", model, prompt="What is this?", image=PIXEL)
    assert seen.get("text"), seen
    assert PIXEL[:60] in upstream.calls()[-1]["raw"]


@each_kind
def test_unknown_model(ask, kind):
    """404 with OpenAI's code."""
    seen = ask(kind, "whole", "no-such-model", prompt=HELLO)
    assert (seen["status"], seen["code"]) == (404, "model_not_found"), seen


@each_kind
@each_target
def test_limited(ask, kind, model):
    """429 with retry-after."""
    seen = ask(kind, "whole", model, prompt=LIMITED)
    assert (seen["status"], seen["code"], seen["retryAfter"]) == (429, "rate_limit_exceeded", "9"), seen


@each_kind
def test_retries_win(ask, kind):
    """The client's own retries get over a short limit."""
    assert ask(kind, "whole", LIVING, prompt=ONCE_LIMITED, retries=2).get("text")


@each_kind
@each_target
@pytest.mark.parametrize("how", BREAKS)
def test_a_broken_stream_shows(ask, kind, model, how):
    """Half an answer is never taken for a whole one: an error is thrown or handed out, and no good end is told."""
    if kind == "langchain-responses" and how.startswith("error_inside"):
        pytest.skip("this client drops the error events of /v1/responses, OpenAI's own too")
    seen = ask(kind, "stream", model, prompt=broken(how))
    assert seen.get("error"), seen


@each_kind
@each_target
def test_aborting_closes_upstream(ask, closed, kind, model):
    """An AbortController ends the provider's call."""
    assert ask(kind, "abort", model, prompt=ENDLESS)["pieces"] > 0
    closed()


@pytest.mark.parametrize("kind", ["openai-chat", "ai-chat", "ai-compatible", "langchain-chat"])
def test_embeddings(ask, kind):
    """Vectors, in each client's own encoding."""
    assert ask(kind, "embed", "text-embedding-3-small", prompt="a").get("size") == 1536


def test_models(ask):
    """The list, as the SDK pages through it."""
    assert {"auto", LIVING} <= set(ask("openai-chat", "models", LIVING)["names"])
