"""The main job over real sockets: an unmodified OpenAI client changes its base_url and everything keeps working.

Every test that takes `door` or `client` runs twice: over chat, and with every chat call for gpt-4.1-mini carried over
/v1/responses. What has no counterpart there is in NO_COUNTERPART; tests of how bytes go up take `plain_door`.
"""

import contextlib
import http.client
import json
import socket
import urllib.error
import urllib.request

import openai
import pytest

HELLO = [{"role": "user", "content": "Say hello."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


NO_COUNTERPART = {
    "n": {"n": 1},  # asked several times instead; the others are answers of their own
    "logprobs": {"logprobs": None, "top_logprobs": None},
    "caps": {"seed": None, "max_tokens": 16},  # 16 is the least that /v1/responses takes
}
"""By case: what the request is on /v1/responses. `x-switchyard-changes` lists it."""


@pytest.fixture(params=["chat", "bridged"])
def door(request, upstream):
    """The proxy as it is, and one that goes over /v1/responses."""
    return request.getfixturevalue("_bridged_door" if request.param == "bridged" else "_door")


@pytest.fixture
def plain_door(upstream, _door):
    """The proxy as it is."""
    return _door


@pytest.fixture
def client(door):
    with openai.OpenAI(base_url=door.url, api_key="any", max_retries=0) as made:
        yield made


@pytest.fixture
def direct(upstream):
    with openai.OpenAI(base_url=f"{upstream.url}/v1", api_key="any", max_retries=0) as made:
        yield made


def post(url, body, headers=None):
    """(status, headers, body bytes) of one JSON POST, errors included."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def sse(body):
    return [event[6:] for event in body.decode().split("\n\n") if event.startswith("data: ")]


CASES = {
    "plain": {},
    "n": {"n": 3},
    "tools": {"tools": [WEATHER], "tool_choice": "required"},
    "logprobs": {"logprobs": True, "top_logprobs": 2},
    "schema": {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": {
        "type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}}}},
    "caps": {"max_tokens": 3, "temperature": 0.2, "stop": ["zzz"], "seed": 7},
}  # fmt: skip


@pytest.mark.parametrize("extra", CASES.values(), ids=CASES)
def test_a_whole_answer_is_upstreams_byte_for_byte(plain_door, upstream, extra):
    """The body a client gets through the proxy is the body the provider sent, whatever fields were asked for."""
    body = {"model": "gpt-4.1-mini", "messages": HELLO, **extra}
    through = post(f"{plain_door.url}/chat/completions", body)
    straight = post(f"{upstream.url}/v1/chat/completions", body, {"authorization": "Bearer any"})
    assert through[0] == straight[0] == 200
    volatile = ("id", "created", "system_fingerprint")
    left, right = json.loads(through[2]), json.loads(straight[2])
    assert {k: v for k, v in left.items() if k not in volatile} == {
        k: v for k, v in right.items() if k not in volatile
    }


@pytest.mark.parametrize("case", CASES)
def test_over_responses_a_whole_answer_is_the_one_of_chat(_bridged_door, upstream, case):
    """Every field but those a provider makes up anew for each answer; the bridge's own zero counts come on top."""
    body = {"model": "gpt-4.1-mini", "messages": HELLO, **CASES[case]}
    status, headers, through = post(f"{_bridged_door.url}/chat/completions", body)
    assert upstream.calls()[-1]["path"] == "/v1/responses"
    same = {**body, **NO_COUNTERPART.get(case, {})}
    straight = post(f"{upstream.url}/v1/chat/completions", same, {"authorization": "Bearer any"})
    left, right = json.loads(through), json.loads(straight[2])
    assert (status, straight[0]) == (200, 200)
    assert [choice["index"] for choice in left["choices"]] == list(range(body.get("n", 1)))
    if case != "n":
        assert left["usage"]["prompt_tokens_details"].pop("cache_write_tokens") == 0
        assert left["usage"] == right["usage"]
    assert left["choices"][0] == right["choices"][0]
    for name in ("object", "model", "service_tier"):
        assert left[name] == right[name]
    changes = headers["x-switchyard-changes"].split(", ")
    gone = [name for name in NO_COUNTERPART.get(case, ()) if name != "max_tokens"]
    assert all(any(token.startswith(f"{name}:") for token in changes) for name in gone)


def test_a_stream_without_asked_usage_shows_no_trace_of_it(door, upstream):
    """Usage is asked of upstream for the bill, and taken out again: no usage key, no chunk without choices."""
    status, _, body = post(
        f"{door.url}/chat/completions", {"model": "gpt-4.1-mini", "messages": HELLO, "stream": True}
    )
    events = sse(body)
    assert status == 200
    assert events[-1] == "[DONE]"
    assert b"usage" not in body
    assert all(json.loads(event)["choices"] for event in events[:-1])
    sent = upstream.calls()[-1]
    assert sent["path"] == "/v1/responses" or sent["body"]["stream_options"] == {"include_usage": True}


def test_a_stream_with_asked_usage_is_relayed_verbatim(door):
    """A client that asked for usage gets the null keys and the final chunk exactly as upstream sends them."""
    body = {
        "model": "gpt-4.1-mini",
        "messages": HELLO,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    events = [json.loads(event) for event in sse(post(f"{door.url}/chat/completions", body)[2])[:-1]]
    assert all(event["usage"] is None for event in events[:-1])
    assert events[-1]["choices"] == []
    assert events[-1]["usage"]["total_tokens"] > 0


def test_usage_and_cost_of_a_stream_reach_the_ledger_line(door):
    """What the client never saw is still learnt: the request's line carries tokens and nano-dollars."""
    status, headers, _ = post(
        f"{door.url}/chat/completions", {"model": "gpt-4.1-mini", "messages": HELLO, "stream": True}
    )
    row = door.row(headers["x-switchyard-request-id"])
    assert status == 200
    assert row["usage"]["source"] == "reported"
    assert row["cost_nano"] == row["usage"]["input_tokens"] * 400 + row["usage"]["output_tokens"] * 1600


def test_unknown_fields_reach_upstream_with_their_spelling(plain_door, upstream):
    """What the proxy does not understand goes up as it came: nulls, number spelling, unknown names."""
    raw = b'{"model":"gpt-4.1-mini", "messages":[{"role":"user","content":"x"}],"temperature":1.0e0,"user":null,"x_new":{"a":1.50}}'
    status, _, body = post(f"{plain_door.url}/chat/completions", raw)
    sent = upstream.calls()[-1]["raw"]
    assert '"temperature":1.0e0' in sent
    assert '"user":null' in sent
    assert '"x_new":{"a":1.50}' in sent
    assert status == 400
    assert json.loads(body)["error"]["message"] == "Unrecognized request argument supplied: x_new"


def test_duplicate_keys_cannot_mean_two_models(plain_door, upstream):
    """Of two `model` keys one is read and the same one is sent: no second reading upstream."""
    raw = b'{"model":"gpt-4.1","messages":[{"role":"user","content":"x"}],"model":"gpt-4.1-mini"}'
    status, headers, _ = post(f"{plain_door.url}/chat/completions", raw)
    assert status == 200
    assert headers["x-switchyard-model"] == "gpt-4.1-mini"
    assert upstream.calls()[-1]["raw"].count('"model"') == 1


def test_only_allow_listed_headers_pass_in_both_directions(door, upstream):
    """Upstream sees the short list and our key; the client never sees cookies, nor our key, nor upstream's framing."""
    _, headers, _ = post(
        f"{door.url}/chat/completions",
        {"model": "gpt-4.1-mini", "messages": HELLO},
        {"authorization": "Bearer sk-client-canary", "x-forwarded-for": "1.2.3.4", "cookie": "a=b",
         "idempotency-key": "k1", "x-stainless-lang": "python", "connection": "x-evil", "x-evil": "1"},
    )  # fmt: skip
    up = {name.lower() for name in upstream.calls()[-1]["headers"]}
    assert up <= {
        "host",
        "content-type",
        "content-length",
        "accept",
        "accept-encoding",
        "authorization",
        "idempotency-key",
    }
    assert "sk-client-canary" not in json.dumps(upstream.calls()[-1]["headers"])
    down = {name.lower() for name in headers}
    assert "set-cookie" not in down
    assert {"x-request-id", "openai-processing-ms", "x-ratelimit-limit-requests"} <= down
    assert "sk-provider" not in json.dumps(headers)


def test_the_sdk_streams_tools_in_order(client):
    """Tool-call deltas arrive by index with id and name once, as the SDK's accumulator needs them."""
    stream = client.chat.completions.create(
        model="gpt-4.1-mini", messages=HELLO, tools=[WEATHER], tool_choice="required", stream=True
    )
    calls = [call for chunk in stream for choice in chunk.choices for call in choice.delta.tool_calls or []]
    assert calls[0].function.name == "weather"
    assert json.loads("".join(call.function.arguments or "" for call in calls))
    assert [call.id for call in calls if call.id] == [calls[0].id]


def test_responses_work_whole_and_streamed(client):
    """/v1/responses is relayed for named models, the event stream included."""
    whole = client.responses.create(model="gpt-4.1-mini", input="Say hello.")
    events = list(client.responses.create(model="gpt-4.1-mini", input="Say hello.", stream=True))
    assert whole.output_text
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == whole.output_text


def test_embeddings_are_relayed_in_the_sdks_own_encoding(client):
    """The SDK asks for base64 by itself; the bytes come through."""
    answer = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    assert [len(item.embedding) for item in answer.data] == [1536, 1536]


def test_models_are_listed_with_their_end(client):
    """Routes come first, models carry `shutdown_date`, an unknown one is OpenAI's 404."""
    names = [model.id for model in client.models.list()]
    assert names[0] == "auto"
    assert client.models.retrieve("gpt-4.1").shutdown_date == "2027-01-14"
    with pytest.raises(openai.NotFoundError) as refused:
        client.models.retrieve("no-such-model")
    assert refused.value.code == "model_not_found"


def test_a_retired_model_is_served_by_its_successor_and_says_so(client):
    """An app that asks for o4-mini after its end gets an answer; the headers name the end and who stands in."""
    raw = client.chat.completions.with_raw_response.create(
        model="o4-mini", messages=HELLO, max_completion_tokens=4000
    )
    assert raw.headers["x-switchyard-model"] == "gpt-6.1-terra"
    assert raw.headers["x-switchyard-reason"] == "successor"
    assert raw.headers["sunset"] == "Fri, 23 Oct 2026 00:00:00 GMT"
    assert raw.headers["link"].endswith('rel="successor-version"')
    assert raw.parse().choices[0].message.content


def test_a_routed_request_names_its_task(client):
    """`auto` answers with the task it saw and the model that task goes to."""
    raw = client.chat.completions.with_raw_response.create(
        model="auto", messages=[{"role": "user", "content": "Translate to French: good morning"}]
    )
    assert raw.headers["x-switchyard-task"] == "translation"
    assert raw.headers["x-switchyard-model"] == "gpt-4.1-mini"


@pytest.mark.parametrize(
    ("order", "status", "code"),
    [("429", 429, "rate_limit_exceeded"), ("409", 409, None), ("500", 500, None), ("503", 503, "overloaded")],
)
def test_upstreams_errors_keep_their_status_and_body(door, order, status, code):
    """A 429 never becomes a 500: status, type and code of the provider's error reach the client."""
    body = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": f"[[sandbox:{order}]] hi"}]}
    got, headers, text = post(f"{door.url}/chat/completions", body)
    error = json.loads(text)["error"]
    assert got == status
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code
    assert headers["x-request-id"]


def test_errors_about_our_key_are_not_shown(door):
    """The provider's refusal of the proxy's key is the operator's matter: the client sees a 503 without its text."""
    body = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "[[sandbox:401]] hi"}]}
    status, _, text = post(f"{door.url}/chat/completions", body)
    assert status == 503
    assert json.loads(text)["error"]["type"] == "server_error"
    assert b"sk-" not in text


@pytest.mark.parametrize("order", ["cut:3", "error_inside:3"])
def test_a_stream_that_breaks_shows_it(client, order):
    """A cut never looks like an end: the SDK raises instead of returning half an answer as whole."""
    with pytest.raises(openai.APIError):
        for _ in client.chat.completions.create(
            model="gpt-4.1-mini",
            messages=[{"role": "user", "content": f"[[sandbox:{order}]] hi"}],
            stream=True,
        ):
            pass


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b'{"a":NaN}', b'{"model":1}', b'{"model":null}', b"{}", b'{"model":"\\ud800"}',
     b'{"model":"gpt-4.1-mini","messages":"\xff"}', b'{"a":' + b"[" * 100_000 + b"}", b'{"n":' + b"1" * 5000 + b"}"],
)  # fmt: skip
def test_what_is_not_a_request_is_refused_in_openais_shape(door, upstream, body):
    """Malformed bodies are 400s with all four keys, never a 422, a 500 or a traceback, and nothing goes upstream."""
    status, _, text = post(f"{door.url}/chat/completions", body)
    assert status == 400
    assert set(json.loads(text)["error"]) == {"message", "type", "param", "code"}
    assert upstream.calls() == []


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/nothing"), ("POST", "/v1/assistants"), ("GET", "/docs")]
)
def test_unknown_urls_are_openais_404(door, method, path):
    """No `{"detail": …}`, no documentation pages on the public port."""
    request = urllib.request.Request(door.url.removesuffix("/v1") + path, method=method)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    error = json.loads(refused.value.read())["error"]
    assert refused.value.code == 404
    assert error["message"].startswith(f"Invalid URL ({method} {path})")


@pytest.mark.parametrize("stream", [False, True])
def test_closing_the_client_closes_the_upstream_call(door, upstream, stream):
    """When the client leaves, streamed or not, the provider's call is closed and the row says so."""
    body = json.dumps(
        {
            "model": "gpt-4.1-mini",
            "messages": [{"role": "user", "content": "[[sandbox:hang]] hi"}],
            "stream": stream,
        }
    ).encode()
    with socket.create_connection(("127.0.0.1", door.port)) as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (len(body), body)
        )
        wait_until(upstream.calls)
    row = door.wait_for(lambda line: line.get("finish") == "client_gone" and line["stream"] == stream)
    assert row["status"] == 499
    assert row["estimated"]
    assert wait_until(lambda: [call for call in upstream.calls() if call["client_closed"]])


def wait_until(condition, timeout_s=10):
    """Poll another process until it tells what is waited for."""
    import time

    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError("it never happened")


@pytest.mark.parametrize("size", [92, 70_000, 400_000, 1_000_000])
def test_a_small_request_follows_a_large_one_on_the_same_connection(door, size):
    """SDKs keep connections alive: a long prompt or a picture must not stall the next call."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", door.port, timeout=10)) as connection:
        for length in (size, 5) * 3:
            body = json.dumps(
                {"model": "no-such-model", "messages": [{"role": "user", "content": "x" * length}]}
            )
            connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 404
