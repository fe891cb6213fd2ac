"""Answers that are not quite OpenAI's: what a client can read reaches it, and what went wrong is told as the API tells it."""

import asyncio
import json

import pytest
from house_kit import Caught, Home
from mangling import DONE, HEAD, USAGE, chunk, event

from tests.upstreams.rawserver import serving

ASKED = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "hi"}]}
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\nconnection: close\r\n\r\n"
SSE = b"text/event-stream"
HALF = b'{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"a\\ud83d b"}}]'


async def answered(answer, **body):
    """The client of one call whose every attempt is answered with these bytes, and the last row."""

    async def script(peer):
        while True:
            await peer.request()
            peer.send(answer)
            await peer.writer.drain()
            if b"connection: close" in answer:
                peer.writer.close()
                return

    async with serving(script) as server:
        home, client = Home(server.url()), Caught()
        await home.ask(client, ASKED | body)
        home.pools.close()
    return client, home.rows[-1][0]


def ask(answer, **body):
    return asyncio.run(answered(answer, **body))


def whole(status, body, kind=b"application/json"):
    return b"HTTP/1.1 %d X\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n%b" % (
        status,
        kind,
        len(body),
        body,
    )


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": "rate_limit_exceeded", "type": "requests"}, 429),
        ({"code": "unsupported_value", "type": "invalid_request_error"}, 400),
        ({"code": None, "type": "server_error"}, 500),
    ],
)
def test_an_error_where_a_stream_should_begin_is_the_refusal_it_would_have_been(error, status):
    """Its status, and JSON by name: who looks for `data:` lines would see an empty stream."""
    told = {"message": "no", "param": None, **error}
    client, row = ask(STREAM % SSE + event({"error": told}), stream=True)
    assert client.status == row.status == status
    assert client.headers[b"content-type"] == b"application/json"
    assert json.loads(client.body) == {"error": told}


@pytest.mark.parametrize(
    "said", [b'"a\\ud83d b"', b"NaN", b"-Infinity"], ids=["half a pair", "NaN", "infinity"]
)
def test_a_whole_answer_that_clients_can_read_is_theirs_and_its_usage_counts(said):
    """Byte for byte, though our own reader is stricter."""
    body = b'{"choices":[{"message":{"content":%b}}],"usage":%b}' % (said, json.dumps(USAGE).encode())
    client, row = ask(whole(200, body))
    assert (client.status, client.body) == (200, body)
    assert row.usage.input_tokens == USAGE["prompt_tokens"]


@pytest.mark.parametrize("asked", [False, True], ids=["usage taken out", "usage asked for"])
def test_an_event_that_clients_can_read_goes_on(asked):
    """Half a surrogate pair is what a model writes that stops inside a picture."""
    odd = b"data: " + HALF + b',"usage":null}\n\n'
    said = event(chunk({"content": "x"})) + odd + event(chunk({}, "stop"))
    said += event({**HEAD, "choices": [], "usage": USAGE}) + DONE
    options = {"stream_options": {"include_usage": True}} if asked else {}
    client, row = ask(STREAM % SSE + said, stream=True, **options)
    assert (b"data: " + HALF + (b',"usage":null}' if asked else b"}")) in client.body
    assert client.body.endswith(DONE)
    assert row.usage.input_tokens == USAGE["prompt_tokens"]
    assert not row.error


@pytest.mark.parametrize("said", [b"{", b'"a', b"\xef\xbb\xbf{}", b'{"a":"\\ud83d', b"[" * 100_000])
def test_what_is_no_json_is_none(said):
    """Cut in the middle, marked, or nested beyond all reading."""
    client, _ = ask(whole(200, said))
    assert client.status == 502


def test_a_stream_is_known_by_its_type_however_it_is_written():
    """Media types are the same in any case."""
    said = event(chunk({"content": "x"})) + event(chunk({}, "stop")) + DONE
    client, _ = ask(STREAM % b"Text/Event-Stream; charset=UTF-8" + said, stream=True)
    assert client.status == 200
    assert client.body.endswith(DONE)


@pytest.mark.parametrize(
    "body",
    [
        b'{"object":"error","message":"maximum context length is 4096","type":"BadRequestError","code":400}',
        b'{"error":"maximum context length is 4096"}',
        b'{"detail":"maximum context length is 4096"}',
    ],
    ids=["message", "error", "detail"],
)
def test_why_another_server_refuses_is_told(body):
    """Callers look into the message for what they can mend; ours is the envelope."""
    client, _ = ask(whole(400, body))
    error = json.loads(client.body)["error"]
    assert client.status == 400
    assert error["message"] == "maximum context length is 4096"
    assert set(error) == {"message", "type", "param", "code"}
