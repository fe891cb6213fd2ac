"""What the client is told of upstream's errors: theirs as they came, except what is about our key or no answer at all."""

import json

import pytest

from proxy.nouns import Endpoint
from proxy.upstreams.refusals import Failed, answer_for, error_code, error_frame, retry_after_s
from proxy.upstreams.retry import Failure

JSON = (b"content-type", b"application/json")


def error(code=None, message="said upstream sk-ours-canary", kind="server_error", **more):
    return json.dumps(
        {"error": {"message": message, "type": kind, "param": None, "code": code, **more}}
    ).encode()


def failed(failure, status, body=b"", headers=(JSON,)):
    return Failed(failure, status, headers, body, error_code(body) or "")


@pytest.mark.parametrize("status", [400, 404, 408, 409, 413, 422, 429, 500, 503, 529])
def test_upstreams_errors_pass_unchanged(status):
    """Status, headers and every byte of the body, unknown fields included."""
    body = error("some_code", inner={"x": 1.50})
    given = failed(Failure.CALLER, status, body, (JSON, (b"retry-after", b"3")))
    assert answer_for(given, passthrough=False) == (status, given.headers, body)


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [(401, "invalid_api_key", 503), (403, "unsupported_country", 403), (429, "insufficient_quota", 429)],
)
def test_errors_about_our_key_are_told_in_our_words(status, code, told):
    """The client cannot mend it and must not learn of it: no text of upstream's passes, SDKs are not sent round again."""
    got, headers, body = answer_for(failed(Failure.OUR_KEY, status, error(code)), passthrough=False)
    assert got == told
    assert b"canary" not in body
    assert b"said upstream" not in body
    assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}
    if told != 503:
        assert (b"x-should-retry", b"false") in headers
        assert json.loads(body)["error"]["code"] == code


def test_in_passthrough_mode_the_key_is_the_callers():
    """So what is said of it is for the caller."""
    body = error("invalid_api_key")
    assert answer_for(failed(Failure.OUR_KEY, 401, body), passthrough=True) == (401, (JSON,), body)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>sk-ours-canary</html>", b"[]", b'{"error":"text"}', b'{"detail":"x"}', b"\xff", b'{"error":null}', b'{"error":{"code":{}}}'],
)  # fmt: skip
@pytest.mark.parametrize("status", [400, 404, 500, 502])
def test_what_is_no_openai_error_becomes_one(status, body):
    """A gateway's HTML page in between keeps its status and loses its text and its content type."""
    got, headers, told = answer_for(
        failed(Failure.OVERLOADED, status, body, ((b"content-type", b"text/html"), (b"retry-after", b"1"))),
        passthrough=False,
    )
    assert got == status
    assert dict(headers) == {b"retry-after": b"1", b"content-type": b"application/json"}
    assert set(json.loads(told)["error"]) == {"message", "type", "param", "code"}
    assert b"canary" not in told


def test_an_answer_nobody_can_read_is_a_502():
    """A 200 with something else inside never reaches the client as a 200."""
    status, _, body = answer_for(failed(Failure.UNREADABLE, 200, b"<html>"), passthrough=False)
    assert status == 502
    assert json.loads(body)["error"]["type"] == "server_error"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({}, None), ({"retry-after": "2"}, 2.0), ({"retry-after": "0.5"}, 0.5), ({"retry-after-ms": "20", "retry-after": "9"}, 0.02),
     ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None), ({"retry-after": "-3"}, 0.0), ({"retry-after": ""}, None),
     ({"retry-after-ms": "soon", "retry-after": "1"}, 1.0)],
)  # fmt: skip
def test_retry_after_is_read_in_both_spellings(headers, seconds):
    """Milliseconds first; dates are not waited for."""
    assert retry_after_s(tuple((k.encode(), v.encode()) for k, v in headers.items())) == seconds


def test_error_frames_are_what_sdks_raise_on():
    """A truthy `error` key in both shapes; the responses one names its event and never says completed."""
    chat = error_frame(Endpoint.CHAT, "cut")
    assert json.loads(chat.removeprefix(b"data: "))["error"]["message"] == "cut"
    assert chat.endswith(b"\n\n")
    responses = error_frame(Endpoint.RESPONSES, 'a "quoted" cut')
    name, _, data = responses.partition(b"\n")
    value = json.loads(data.removeprefix(b"data: "))
    assert name == b"event: error"
    assert value["type"] == "error"
    assert value["error"]["message"] == 'a "quoted" cut'


def test_the_name_of_a_failure_has_no_content():
    """It goes into the log and the ledger."""
    assert failed(Failure.OUR_KEY, 401, error("invalid_api_key")).name == "our_key:invalid_api_key"
    assert failed(Failure.OVERLOADED, 500, b"<html>secret").name == "overloaded:500"
    assert Failed(Failure.TIMEOUT, detail="IdleTimeout").name == "timeout:IdleTimeout"
