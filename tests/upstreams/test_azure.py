"""Azure's URLs, its list of models, and the first chunk only Azure sends."""

import asyncio
import json

import pytest

from proxy.nouns import Asks, Call, Endpoint
from proxy.reshape import Shape
from proxy.upstreams.azure import AzureProvider
from proxy.upstreams.http import Timeouts
from proxy.upstreams.providers import HttpProvider
from proxy.upstreams.retry import Failure, classify
from tests.upstreams.rawserver import OK, answers, run, serving

CHUNKS = (
    (
        b'data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,'
        b'"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}\n\n'
    ),
    (
        b'data: {"choices":[{"content_filter_results":{},"delta":{"content":"Hi","role":"assistant"},"finish_reason":null,'
        b'"index":0}],"created":1,"id":"c","model":"gpt-4.1-mini","object":"chat.completion.chunk","usage":null}\n\n'
    ),
    (
        b'data: {"choices":[],"created":1,"id":"c","model":"gpt-4.1-mini","object":"chat.completion.chunk",'
        b'"usage":{"completion_tokens":1,"prompt_tokens":3,"total_tokens":4}}\n\n'
    ),
)


def call():
    headers, theirs = ((b"content-type", b"application/json"),), ((b"authorization", b"Bearer theirs"),)
    return Call("r", Endpoint.CHAT, b"/x", b"", headers, Asks(), 0.0, 0.0, theirs)


def azure(pool=None):
    plain = HttpProvider("az", pool, Timeouts(), own_headers=((b"api-key", b"ours"),))
    return AzureProvider(plain, "2025-04-01-preview", {"o4-mini": "my o4/x", "b": "dep-b"})


SENT = [
    (b"/chat/completions", b'{"model":"dep-b"}', b"/openai/deployments/dep-b/chat/completions?api-version=2025-04-01-preview"),
    (b"/chat/completions", b'{"model":"o4-mini"}', b"/openai/deployments/my%20o4%2Fx/chat/completions?api-version=2025-04-01-preview"),
    (b"/completions", b'{"model":"b"}', b"/openai/deployments/dep-b/completions?api-version=2025-04-01-preview"),
    (b"/embeddings", b'{"model":"b"}', b"/openai/deployments/dep-b/embeddings?api-version=2025-04-01-preview"),
    (b"/audio/speech", b'{"model":"b"}', b"/openai/deployments/dep-b/audio/speech?api-version=2025-04-01-preview"),
    (b"/responses", b'{"model":"dep-b"}', b"/openai/v1/responses?api-version=preview"),
    (b"/responses/resp_1/input_items?limit=2", b"", b"/openai/v1/responses/resp_1/input_items?api-version=preview&limit=2"),
    (b"/files?limit=2", b"", b"/openai/v1/files?api-version=preview&limit=2"),
    (b"/chat/completions", b"not json", b"/openai/v1/chat/completions?api-version=preview"),
]  # fmt: skip


@pytest.mark.parametrize(("target", "body", "sent"), SENT)
def test_every_endpoint_has_its_azure_url(target, body, sent):
    """The table of the module, row by row, over a real socket with `api-key` instead of `authorization`."""

    async def test():
        async with serving(answers(OK)) as server:
            pool = server.pool()
            response = await azure(pool).send(call(), target, body)
            await response.read_all(100)
            response.close()
            pool.close()
            (request,) = server.requests
            assert request.line.split()[1] == sent
            assert request.headers[b"api-key"] == b"ours"
            assert b"authorization" not in request.headers

    run(test)


def test_forms_are_relayed_under_the_api_that_reads_the_model_from_them():
    """A streamed body is never looked into; the v1 API takes the deployment from the form."""

    async def form():
        yield b"--x--"

    async def test():
        async with serving(answers(OK)) as server:
            pool = server.pool()
            response = await azure(pool).relay(call(), b"POST", b"/audio/transcriptions", form(), 5)
            await response.read_all(100)
            response.close()
            pool.close()
            assert (
                server.requests[0].line.split()[1] == b"/openai/v1/audio/transcriptions?api-version=preview"
            )

    run(test)


def test_the_list_is_of_what_is_deployed():
    """Nobody is asked: Azure's own list says what could be deployed."""
    listed = json.loads(asyncio.run(azure().list_models(1.0)))
    assert [one["id"] for one in listed["data"]] == ["o4-mini", "b"]


@pytest.mark.parametrize("strip", [False, True])
def test_the_first_chunk_with_the_prompts_filter_results_survives(strip):
    """It has no choices and no usage; taking our usage out again must not take it out too."""
    stream = Shape(Endpoint.CHAT, strip_usage=strip).stream()
    out = b"".join(stream.feed(chunk) for chunk in CHUNKS)
    assert out.startswith(CHUNKS[0])
    assert (b"total_tokens" in out) is not strip
    assert stream.seen.usages == [b'{"completion_tokens":1,"prompt_tokens":3,"total_tokens":4}']


def test_a_missing_deployment_is_a_missing_model():
    """Azure has a code of its own for it; the next candidate is tried."""
    assert classify(404, "DeploymentNotFound") is Failure.MODEL_GONE
