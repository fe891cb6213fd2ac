"""The one parse of a body: what is read, what keeps its spelling, and what is refused before anybody acts on it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import BadRequest
from proxy.nouns import Endpoint
from proxy.parse import REMOVE, Fields, ask_usage, parse, splice

CHAT = b'{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"x"}]}'


def chat(**fields):
    return json.dumps({"model": "m", "messages": [], **fields}).encode()


def test_a_body_is_read_for_what_routing_needs():
    """Model, streaming, usage and the user; everything else waits until somebody asks."""
    body = b'{"model":"m","stream":true,"stream_options":{"include_usage":true},"user":"u1","messages":[]}'
    request = parse(Endpoint.CHAT, body)
    assert (request.model, request.stream, request.asks_usage, request.user) == ("m", True, True, "u1")
    assert request.size_bytes == len(body)
    assert request.fields["messages"] == []


def test_fields_are_decoded_once_and_only_where_read():
    """The same object comes back, and a field nobody reads is never looked into."""
    fields = parse(Endpoint.CHAT, b'{"model":"m","a":[1],"b":1}').fields
    assert fields["a"] is fields["a"]
    assert list(fields) == ["model", "a", "b"]
    assert len(fields) == 3
    assert "a" in fields
    assert fields.get("c") is None
    assert fields.raw("c") == b""
    assert fields.raw("a") == b"[1]"
    with pytest.raises(KeyError):
        fields["c"]


def test_values_keep_their_bytes():
    """Number spelling, nulls, escapes, spaces and unknown fields go up as they came."""
    body = b'{ "model" : "m" , "t":1.0e0,"n":null, "big": 12345678901234567890123,"s":"\\u00e9\\/","o": { "a" : [ 1 ] } }'
    out = splice(parse(Endpoint.CHAT, body).fields, {})
    for part in (b"1.0e0", b"null", b"12345678901234567890123", b'"\\u00e9\\/"', b'{ "a" : [ 1 ] }'):
        assert part in out
    assert json.loads(out) == json.loads(body)


def test_edits_replace_remove_and_add():
    """In the place of the field, or at the end."""
    fields = parse(Endpoint.CHAT, b'{"model":"m","max_tokens":5,"temperature":1}').fields
    edits = {"model": b'"n"', "temperature": REMOVE, "effort": b'"low"', "absent": REMOVE}
    assert splice(fields, edits) == b'{"model":"n","max_tokens":5,"effort":"low"}'


@pytest.mark.parametrize(
    "names", [[b'"model"', b'"model"'], [b'"model"', b'"\\u006dodel"'], [b'"\\u006dodel"', b'"model"']]
)
def test_of_two_keys_the_last_is_read_and_the_only_one_sent(names):
    """However they are spelled: two readings of one body are how access rules are bypassed."""
    body = b"{%b:%b,%b:%b}" % (names[0], b'"allowed"', names[1], b'"secret"')
    request = parse(Endpoint.CHAT, body)
    assert request.model == "secret"
    sent = splice(request.fields, {})
    assert b"allowed" not in sent
    assert sent.count(b'"secret"') == 1


@pytest.mark.parametrize(
    ("options", "edit"),
    [
        ({}, {"include_usage": True}),
        ({"stream_options": None}, {"include_usage": True}),
        ({"stream_options": {}}, {"include_usage": True}),
        ({"stream_options": {"include_usage": False}}, {"include_usage": True}),
        ({"stream_options": {"include_obfuscation": False}}, {"include_obfuscation": False, "include_usage": True}),
        ({"stream_options": {"include_usage": True}}, None),
        ({"stream_options": "wrong"}, None),
        ({"stream_options": [1]}, None),
    ],
)  # fmt: skip
def test_usage_is_asked_for_unless_it_comes_anyway(options, edit):
    """Other options stay; what is wrong is left for upstream to refuse."""
    asked = ask_usage(parse(Endpoint.CHAT, chat(stream=True, **options)))
    assert (json.loads(asked["stream_options"]) if asked else None) == edit


def test_usage_is_not_asked_for_where_it_is_no_field():
    """Not without a stream, and not of the responses API, which reports it by itself."""
    assert ask_usage(parse(Endpoint.CHAT, chat())) == {}
    assert ask_usage(parse(Endpoint.CHAT, chat(stream=False))) == {}
    assert ask_usage(parse(Endpoint.CHAT, chat(stream="true"))) == {}
    assert ask_usage(parse(Endpoint.RESPONSES, chat(stream=True))) == {}
    assert ask_usage(parse(Endpoint.COMPLETIONS, chat(stream=True))) != {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "could not parse"), (b"{", "could not parse"), (b"\xff", "could not parse"), (b'{"a":\xff}', "could not parse"),
        (b'{"a":NaN}', "could not parse"), (b"{'a':1}", "could not parse"), (CHAT + b"x", "could not parse"),
        (b"\xef\xbb\xbf" + CHAT, "could not parse"), (CHAT.decode().encode("utf-16"), "could not parse"),
        (b'{"model":"\\ud800"}', "could not parse"), (b'{"a":' + b"[" * 100_000, "could not parse"),
        (b"[]", "got an array"), (b"null", "got null"), (b'"x"', "got a string"), (b"1", "got an integer"), (b"1.5", "got a number"),
        (b"true", "got a boolean"), (b"{}", "must provide a model"), (b'{"model":""}', "must provide a model"),
        (b'{"model":null}', "must provide a model"), (b'{"model":1}', "expected a string, but got an integer"),
        (b'{"model":["m"]}', "got an array"), (b'{"model":{"a":1}}', "got an object"),
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused_with_the_reason(body, message):
    """As a 400 in OpenAI's words, never as an exception of the parser."""
    with pytest.raises(BadRequest) as refused:
        parse(Endpoint.CHAT, body)
    assert message in refused.value.message


def test_a_field_that_is_no_json_is_refused_when_it_is_read():
    """Slices are only checked where somebody looks: a number of 5,000 digits, an overflow, a lone surrogate."""
    for value in (b"1" * 5000, b'"\\ud800"'):
        request_fields = _fields(b'{"model":"m","x":' + value + b"}")
        if request_fields is None:
            continue
        try:
            request_fields["x"]
        except BadRequest:
            continue


def _fields(body) -> Fields | None:
    try:
        return parse(Endpoint.CHAT, body).fields
    except BadRequest:
        return None


@pytest.mark.parametrize(
    ("fields", "user"),
    [({"user": "a"}, "a"), ({"safety_identifier": "b", "user": "a"}, "b"), ({"safety_identifier": ""}, ""), ({"user": 7}, ""),
     ({"user": None, "safety_identifier": ["x"]}, "")],
)  # fmt: skip
def test_the_user_is_the_safety_identifier_before_the_old_field(fields, user):
    """What is no text names nobody."""
    assert parse(Endpoint.CHAT, chat(**fields)).user == user


def test_a_request_does_not_show_its_content():
    """Printed, it tells its size."""
    assert "secret words" not in repr(parse(Endpoint.CHAT, chat(messages=["secret words"])))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(st.text(max_size=6), JSON, max_size=6))
@settings(max_examples=200, deadline=None)
def test_a_valid_body_means_the_same_upstream(body):
    """Every field that went in comes out with the value it had."""
    written = json.dumps({**body, "model": "m"}).encode()
    try:
        request = parse(Endpoint.CHAT, written)
    except BadRequest:
        assert b"\\ud" in written  # a lone surrogate is no text
        return
    assert json.loads(splice(request.fields, {})) == json.loads(written)


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_no_bytes_raise_anything_but_a_refusal(body):
    """Whatever arrives: a request or a BadRequest, and every field of a request is a value or a BadRequest."""
    fields = _fields(body)
    for name in fields or ():
        try:
            fields[name]
        except BadRequest:
            continue
