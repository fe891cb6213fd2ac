"""Anthropic behind litellm, over a simulated endpoint that speaks its protocol: OpenAI clients notice nothing.

The proxy is a process of its own, so no other test ever imports litellm.
"""

import json
import socket

import openai
import pytest
from town import proxy

from tests.test_main_job import HELLO, WEATHER, post, sse
from tests.upstreams.anthropic_server import KEY, USAGE, anthropic

CONFIG = """
providers:
  claude: {{kind: litellm, litellm_provider: anthropic, base_url: "{url}", api_key: ${{ANTHROPIC_API_KEY}}}}
  hasty:
    kind: litellm
    litellm_provider: anthropic
    base_url: "{url}"
    api_key: ${{ANTHROPIC_API_KEY}}
    timeouts: {{first_byte_s: 2, idle_s: 1}}
  gone: {{kind: litellm, litellm_provider: anthropic, base_url: "{gone}", api_key: ${{ANTHROPIC_API_KEY}}}}
models:
  house-claude:
    family: foreign
    deployments: [{{provider: claude, model: claude-sonnet-4-5}}]
    context: 200000
    max_output: 64000
    usd_per_m: {{input: 3, cached: "0.3", cache_write: "3.75", output: 15}}
  claude-sonnet-4-5:
    family: foreign
    deployments: [{{provider: claude}}]
    context: 200000
    max_output: 64000
    usd_per_m: {{input: 3, cached: "0.3", cache_write: "3.75", output: 15}}
"""
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
COST_NANO = 11 * 3_000 + 40 * 3_750 + 300 * 300 + 9 * 15_000


@pytest.fixture(scope="module")
def town():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with anthropic() as upstream:
        config = CONFIG.format(url=upstream.url, gone=gone)
        with proxy(None, config, {"ANTHROPIC_API_KEY": KEY}) as door:
            yield upstream, door


@pytest.fixture
def pair(town):
    town[0].forget()
    return town


@pytest.fixture
def client(pair):
    with openai.OpenAI(base_url=pair[1].url, api_key="any", max_retries=0) as made:
        yield made


def say(order):
    return [{"role": "user", "content": f"[[{order}]] hi"}]


@pytest.mark.parametrize("model", ["claude/claude-sonnet-4-5", "claude-sonnet-4-5", "house-claude"])
def test_a_whole_answer_and_its_bill(pair, model):
    """By its own name, with its provider's, or by a name of ours: the answer is OpenAI's, cached tokens are billed as such."""
    upstream, door = pair
    body = {
        "model": model,
        "messages": [{"role": "system", "content": "Be brief."}, *HELLO],
        "max_tokens": 50,
    }
    status, headers, text = post(f"{door.url}/chat/completions", body)
    answer = json.loads(text)
    assert status == 200, text
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["content"] == "The answer is 42."
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["prompt_tokens"] == 351
    assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] == USAGE["cache_read_input_tokens"]
    (sent,) = upstream.calls
    assert sent["model"] == "claude-sonnet-4-5"
    assert sent["system"]
    assert sent["max_tokens"] == 50
    row = door.row(headers["x-switchyard-request-id"])
    assert row["provider"] == "claude"
    assert row["usage"]["cache_write_tokens"] == USAGE["cache_creation_input_tokens"]
    assert row["cost_nano"] == COST_NANO
    assert headers["x-switchyard-cost-usd"] == f"0.{COST_NANO:09d}"


def test_a_stream_is_openais(client, pair):
    """Chunks, a finish reason, usage in a chunk of its own; the SDK accumulates it like any other."""
    wish = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(model="house-claude", messages=HELLO, stream=True, stream_options=wish)
    )
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == "The answer is 42."
    assert [c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason] == ["stop"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage.prompt_tokens == 351
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_without_asked_usage_shows_none_and_is_billed(pair):
    """Usage is asked of litellm for the bill and taken out again."""
    _, door = pair
    status, headers, body = post(
        f"{door.url}/chat/completions", {"model": "house-claude", "messages": HELLO, "stream": True}
    )
    events = sse(body)
    assert status == 200
    assert events[-1] == "[DONE]"
    assert b"usage" not in body
    assert all(json.loads(event)["choices"] for event in events[:-1])
    row = door.row(headers["x-switchyard-request-id"])
    assert row["cost_nano"] == COST_NANO
    assert row["usage"]["source"] == "reported"


@pytest.mark.parametrize("stream", [False, True])
def test_tools_come_and_go(client, pair, stream):
    """A tool call is OpenAI's, and its result goes back in Anthropic's words."""
    upstream, _ = pair
    asked = {"model": "house-claude", "messages": HELLO, "tools": [WEATHER], "stream": stream}
    if stream:
        parts = [c for chunk in client.chat.completions.create(**asked) for c in chunk.choices]
        calls = [call for part in parts for call in part.delta.tool_calls or []]
        call_id, name = calls[0].id, calls[0].function.name
        arguments = "".join(call.function.arguments or "" for call in calls)
        assert parts[-1].finish_reason == "tool_calls"
    else:
        choice = client.chat.completions.create(**asked).choices[0]
        (call,) = choice.message.tool_calls
        call_id, name, arguments = call.id, call.function.name, call.function.arguments
        assert choice.message.content is None
        assert choice.finish_reason == "tool_calls"
    assert (name, json.loads(arguments)) == ("weather", {"city": "Oslo"})
    made = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    turns = [
        *HELLO,
        {"role": "assistant", "content": None, "tool_calls": [made]},
        {"role": "tool", "tool_call_id": call_id, "content": "rain"},
    ]
    asked = {"model": "house-claude", "messages": turns, "tools": [WEATHER], "tool_choice": "none"}
    assert client.chat.completions.create(**asked).choices[0].message.content
    blocks = upstream.calls[-1]["messages"][-1]["content"]
    assert blocks[0]["type"] == "tool_result"
    assert blocks[0]["tool_use_id"] == call_id


def test_images_are_taken_inline_and_never_fetched(pair):
    """A data URL reaches the model; any other address is refused here, so that no body chooses where we connect to."""
    upstream, door = pair

    def ask(url):
        parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
        body = {"model": "house-claude", "messages": [{"role": "user", "content": parts}]}
        return post(f"{door.url}/chat/completions", body)

    assert ask(PIXEL)[0] == 200
    image = upstream.calls[-1]["messages"][0]["content"][1]
    assert image["source"]["media_type"] == "image/png"
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(0.3)
        status, _, text = ask(f"http://127.0.0.1:{canary.getsockname()[1]}/x.png")
        assert status == 400, text
        assert json.loads(text)["error"]["type"] == "invalid_request_error"
        with pytest.raises(TimeoutError):
            canary.accept()
    assert len(upstream.calls) == 1


@pytest.mark.parametrize(
    "field", ["api_base", "base_url", "api_key", "extra_headers", "custom_llm_provider", "model_list", "fallbacks",
              "mock_response", "proxy", "timeout", "extra_body", "litellm_params", "organization", "vertex_project"]
)  # fmt: skip
def test_no_field_of_the_body_reaches_litellms_switches(pair, field):
    """What is not on the list is refused by name; nothing goes anywhere."""
    upstream, door = pair
    body = {"model": "house-claude", "messages": HELLO, field: "http://127.0.0.1:9"}
    status, _, text = post(f"{door.url}/chat/completions", body)
    assert status == 400
    assert json.loads(text)["error"]["param"] == field
    assert upstream.calls == []


@pytest.mark.parametrize(
    ("order", "status", "code"),
    [
        ("status:400", 400, None),
        ("status:429", 429, "rate_limit_exceeded"),
        ("status:500", 500, None),
        ("status:529", 500, None),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_its_errors_are_openais(pair, order, status, code, stream):
    """Status, type and code as OpenAI would have answered, with the provider's own words where they are the caller's."""
    _, door = pair
    body = {"model": "house-claude", "messages": say(order), "stream": stream}
    got, headers, text = post(f"{door.url}/chat/completions", body)
    error = json.loads(text)["error"]
    assert got == status, text
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code
    assert "litellm" not in text.decode().lower()
    assert KEY not in text.decode()
    if status in (400, 429):
        assert error["message"].endswith("as ordered")
    if status == 429:
        assert headers["retry-after"] == "7"


@pytest.mark.parametrize(("order", "status"), [("status:401", 503), ("status:403", 403)])
def test_errors_about_our_key_are_not_shown(pair, order, status):
    """The same masking as everywhere: neither the provider's text nor our key."""
    _, door = pair
    got, _, text = post(f"{door.url}/chat/completions", {"model": "house-claude", "messages": say(order)})
    assert got == status
    assert b"as ordered" not in text
    assert KEY.encode() not in text


@pytest.mark.parametrize("order", ["cut", "error_mid"])
def test_a_stream_that_breaks_shows_it(client, order):
    """Half an answer never ends as a whole one."""
    with pytest.raises(openai.APIError):
        for _ in client.chat.completions.create(model="house-claude", messages=say(order), stream=True):
            pass


@pytest.mark.parametrize(("order", "stream"), [("hang", False), ("hang", True), ("hang_mid", True)])
def test_closing_the_client_closes_the_call(pair, order, stream):
    """Nobody pays for an answer whose reader has gone."""
    upstream, door = pair
    body = json.dumps({"model": "house-claude", "messages": say(order), "stream": stream}).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    with socket.create_connection(("127.0.0.1", door.port)) as connection:
        connection.sendall(head % len(body) + body)
        assert upstream.wait_called()
        if order == "hang_mid":
            connection.settimeout(10)
            received = b""
            while b"The " not in received:
                received += connection.recv(65536)
    assert upstream.wait_closed()
    row = door.wait_for(lambda line: line.get("finish") == "client_gone" and line["stream"] == stream)
    assert row["estimated"]


def test_other_endpoints_are_not_there(pair):
    """litellm is asked for chat and embeddings; anything else is refused, not guessed."""
    _, door = pair
    status, _, text = post(f"{door.url}/responses", {"model": "house-claude", "input": "hi"})
    assert status in (400, 404), text
    assert set(json.loads(text)["error"]) == {"message", "type", "param", "code"}


def test_its_silence_ends_at_our_timeouts(pair):
    """No head within `first_byte_s` is a 504; a stream that falls silent ends in an error frame."""
    upstream, door = pair
    ask = {"model": "hasty/claude-haiku-4-5", "messages": say("hang")}
    assert post(f"{door.url}/chat/completions", ask)[0] == 504
    ask = {"model": "hasty/claude-haiku-4-5", "messages": say("hang_mid"), "stream": True}
    status, _, text = post(f"{door.url}/chat/completions", ask)
    assert status == 200
    assert json.loads(sse(text)[-1])["error"]
    assert upstream.wait_closed(2)


def test_a_provider_that_is_not_there_costs_nothing(pair):
    """A refused connection is a 503 and no bill."""
    _, door = pair
    ask = {"model": "gone/claude-haiku-4-5", "messages": HELLO}
    status, headers, _ = post(f"{door.url}/chat/completions", ask)
    assert status == 503
    assert door.row(headers["x-switchyard-request-id"])["cost_nano"] == 0


def test_the_price_of_a_model_nobody_described_is_that_of_the_price_map(pair):
    """`provider/model` works for what the installed price map knows, and is billed by it."""
    upstream, door = pair
    ask = {"model": "claude/claude-haiku-4-5", "messages": HELLO, "max_tokens": 50}
    status, headers, text = post(f"{door.url}/chat/completions", ask)
    assert status == 200, text
    assert upstream.calls[-1]["model"] == "claude-haiku-4-5"
    assert (
        door.row(headers["x-switchyard-request-id"])["cost_nano"]
        == 11 * 1_000 + 40 * 1_250 + 300 * 100 + 9 * 5_000
    )
