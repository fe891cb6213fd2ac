"""The door: ASGI's edges, and what fault rules get to see."""

import asyncio

import pytest

from proxy.sandbox.doorway import read_body, read_request, sight_of
from tests.sandbox.kit import Caller


def receiver(*messages):
    waiting = list(messages)

    async def receive():
        return waiting.pop(0)

    return receive


def request(raw, path="/v1/chat/completions", headers=()):
    scope = {"method": "POST", "path": path, "query_string": b"", "headers": headers}
    return read_request(scope, raw)


def test_a_body_is_read_to_its_end_or_to_the_disconnect():
    """None when the client left before it was complete."""
    whole = receiver(
        {"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.request", "body": b"b"}
    )
    assert asyncio.run(read_body(whole)) == b"ab"
    cut = receiver({"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.disconnect"})
    assert asyncio.run(read_body(cut)) is None


def test_a_client_that_leaves_while_sending_is_no_call():
    """Nothing is logged for it."""
    api = Caller()
    scope = {"type": "http", "method": "POST", "path": "/v1/responses", "headers": []}
    asyncio.run(api.app(scope, receiver({"type": "http.disconnect"}), None))
    assert api.app.log.records() == []


def test_the_lifespan_is_answered():
    """Servers that insist on it get it."""
    sent = []

    async def send(message):
        sent.append(message["type"])

    events = receiver({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    asyncio.run(Caller().app({"type": "lifespan"}, events, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_repeated_headers_are_all_kept():
    """So that a test can see a doubled one."""
    headers = [(b"x-a", b"1"), (b"x-a", b"2"), (b"authorization", b"Bearer k")]
    read = request(b"{}", headers=headers)
    assert (read.headers["x-a"], read.key) == ("1, 2", "k")


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"model": 5}'])
def test_a_body_that_is_no_request_shows_no_model(raw):
    """Rules simply do not match it."""
    assert sight_of(request(raw)).model is None


def test_a_prompt_that_is_no_text_gives_no_orders():
    """Whatever it holds."""
    for messages in (
        b"5",
        b'[{"role": "user", "content": 5}, "[[sandbox:500]]"]',
        b'[{"role": "assistant"}]',
    ):
        raw = b'{"model": "m", "x": "[[sandbox:500]]", "messages": ' + messages + b"}"
        assert sight_of(request(raw)).said == ""


def test_azure_bodies_that_are_no_object_stay_what_they_are():
    """The handler refuses them."""
    assert request(b"[]", "/openai/deployments/my-gpt-5/chat/completions").parsed is None
    assert request(b"{", "/openai/deployments/my-gpt-5/chat/completions").path == "/v1/chat/completions"
    assert request(b"{}", "/openai/deployments/unknown/responses").parsed == {"model": "unknown"}
