"""Azure OpenAI beside OpenAI: deployments in the path, our key in `api-key`, everything else as ever."""

import json

import pytest
from town import PROVIDER_KEY, proxy, sandbox

from tests.test_main_job import HELLO, post, sse

CONFIG = """
providers:
  azure:
    kind: azure
    base_url: "{url}"
    api_key: ${{OPENAI_API_KEY}}
    api_version: 2025-04-01-preview
    deployments: {{gpt-4.1-mini: my-gpt-4.1-mini, text-embedding-3-small: my text-embedding-3-small}}
"""
BESIDE = CONFIG + '  openai: {{kind: openai, base_url: "{other}/v1", api_key: ${{OPENAI_API_KEY}}}}\n'


@pytest.fixture(scope="module")
def town():
    with (
        sandbox() as upstream,
        proxy(None, CONFIG.format(url=upstream.url), {"OPENAI_API_KEY": PROVIDER_KEY}) as door,
    ):
        yield upstream, door


@pytest.mark.parametrize("stream", [False, True])
def test_chat_goes_to_the_deployment(town, stream):
    """The path names the deployment and the version, the key is in `api-key` and nowhere else, the bill is kept."""
    upstream, door = town
    upstream.forget()
    body = {"model": "gpt-4.1-mini", "messages": HELLO, "stream": stream}
    status, headers, answer = post(f"{door.url}/chat/completions", body)
    assert status == 200, answer
    assert sse(answer)[-1] == "[DONE]" if stream else json.loads(answer)["choices"]
    (call,) = upstream.calls()
    sent = {name.lower(): value for name, value in call["headers"].items()}
    assert call["query"] == "api-version=2025-04-01-preview"
    assert json.loads(call["raw"])["model"] == "my-gpt-4.1-mini"
    assert sent["api-key"] == PROVIDER_KEY
    assert "authorization" not in sent
    row = door.row(headers["x-switchyard-request-id"])
    assert row["provider"] == "azure"
    assert row["served"] == "gpt-4.1-mini"
    assert row["usage"]["source"] == "reported"
    assert row["cost_nano"] == call["cost_nano"]


def test_embeddings_go_to_their_deployment_whatever_it_is_called(town):
    """A deployment's name is escaped in the path."""
    upstream, door = town
    upstream.forget()
    status, _, answer = post(f"{door.url}/embeddings", {"model": "text-embedding-3-small", "input": "a"})
    assert status == 200, answer
    assert json.loads(answer)["data"][0]["embedding"]


def test_a_model_without_a_deployment_is_not_there(town):
    """Only what has a deployment is served by a house with Azure alone."""
    _, door = town
    status, _, answer = post(f"{door.url}/chat/completions", {"model": "gpt-4.1", "messages": HELLO})
    assert status == 404
    assert json.loads(answer)["error"]["code"] == "model_not_found"


def test_a_deployment_stands_beside_openai():
    """A model at both places is served by either; when one fails the other answers."""
    with sandbox() as azure, sandbox() as openai:
        config = BESIDE.format(url=azure.url, other=openai.url)
        with proxy(None, config, {"OPENAI_API_KEY": PROVIDER_KEY}) as door:
            for number in range(12):
                text = [{"role": "user", "content": f"conversation {number}"}]
                assert (
                    post(f"{door.url}/chat/completions", {"model": "gpt-4.1-mini", "messages": text})[0]
                    == 200
                )
            assert azure.calls()
            assert openai.calls()
            azure.fault({"action": "503", "retry_after": 0})
            for number in range(12):
                text = [{"role": "user", "content": f"conversation {number}"}]
                assert (
                    post(f"{door.url}/chat/completions", {"model": "gpt-4.1-mini", "messages": text})[0]
                    == 200
                )
            status, headers, _ = post(
                f"{door.url}/chat/completions", {"model": "openai/gpt-4.1-mini", "messages": HELLO}
            )
            assert status == 200
            assert door.row(headers["x-switchyard-request-id"])["provider"] == "openai"
