"""The guard as callers meet it: limits of size, room and order, on the wire of a running proxy."""

import json
import socket
import threading
import time

import pytest
from wire import Line, ask, asking, bearer, chat, posts, written

LIMIT = 1024 * 1024
PATH = "/v1/chat/completions"


def padded(size):
    """A valid request of exactly this many bytes."""
    body = json.dumps(asking(pad="")).encode()
    return body.replace(b'"pad": ""', b'"pad": "%b"' % (b"x" * (size - len(body))))


def chunked(body, size=60_000):
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def is_ours(answer):
    assert answer.headers["x-switchyard-request-id"].startswith("sy-")
    assert answer.headers["x-request-id"] == answer.headers["x-switchyard-request-id"]
    return answer.error


def test_a_body_of_the_limit_passes_and_one_byte_more_is_413(keyed, keys, upstream):
    """By its length: the refusal comes before the body was sent, and nothing goes upstream."""
    assert (
        ask(keyed.port, "POST", PATH, padded(LIMIT), bearer(keys["full"])).status == 400
    )  # upstream: unknown field
    assert len(posts(upstream)) == 1
    with Line(keyed.port) as line:
        line.send(written("POST", PATH, headers={**bearer(keys["full"]), "content-length": str(LIMIT + 1)}))
        answer = line.answer()
    assert answer.status == 413
    assert "1048576 bytes" in is_ours(answer)["message"]
    assert answer.headers["connection"] == "close"
    assert len(posts(upstream)) == 1


def test_a_chunked_body_is_counted(keyed, keys, upstream):
    """Without a length the bytes are counted as they come: limit passes, one more does not."""
    headers = {
        **bearer(keys["full"]),
        "transfer-encoding": "chunked",
        "content-type": "application/json",
    }
    for size, status in ((LIMIT, 400), (LIMIT + 1, 413)):
        with Line(keyed.port) as line:
            line.send(written("POST", PATH, headers=headers) + chunked(padded(size)))
            assert line.answer().status == status
    assert len(posts(upstream)) == 1


@pytest.mark.parametrize(
    "headers",
    [{f"x-pad-{n}": "x" for n in range(5000)}, {"x-pad": "x" * 10_000_000}, {"x-pad": "x" * 66_000}],
    ids=["5000 fields", "10 MB field", "just above"],
)
def test_too_many_headers_are_431(keyed, keys, upstream, headers):
    """In OpenAI's shape, without waiting for all of them."""
    with Line(keyed.port) as line:
        sender = threading.Thread(
            target=line.send, args=(written("POST", PATH, b"{}", {**bearer(keys["full"]), **headers}),)
        )
        sender.start()
        answer = line.answer()
        sender.join()
    assert answer.status == 431
    assert answer.error["type"] == "invalid_request_error"
    assert posts(upstream) == []


def test_auth_is_checked_before_the_body_is_read(keyed, keys):
    """A stranger is turned away by the head alone, whatever he promises to send, and may not be used to fill memory."""
    for key, status in (("sk-wrong", 401), (keys["expired"], 401)):
        with Line(keyed.port) as line:
            line.send(written("POST", PATH, headers={**bearer(key), "content-length": str(50 * LIMIT)}))
            assert line.answer().status == status
    with Line(keyed.port) as line:
        headers = {**bearer(keys["narrow"]), "content-length": "100"}
        line.send(written("POST", "/v1/embeddings", headers=headers))
        assert line.answer().status == 403


def test_a_full_house_is_503_with_retry_after(keyed, keys, upstream):
    """Six requests are inside (`max_in_flight`); the seventh is told to come back, and health still answers."""
    body = json.dumps(asking("[[sandbox:hang]] hi")).encode()
    inside = [Line(keyed.port) for _ in range(6)]
    try:
        for line in inside:
            line.send(written("POST", PATH, body, bearer(keys["full"])))
        wait_until(lambda: len(posts(upstream)) == 6)
        answer = chat(keyed.port, headers=bearer(keys["full"]))
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
        assert is_ours(answer)["type"] == "server_error"
        assert ask(keyed.port, "GET", "/readyz").status == 200
        assert ask(keyed.port, "GET", "/v1/models", headers=bearer(keys["full"])).status == 200
    finally:
        for line in inside:
            line.close()
    wait_until(lambda: chat(keyed.port, headers=bearer(keys["full"])).status == 200)


def test_half_open_connections_take_no_room(keyed, keys):
    """The cap counts requests whose head was read, not sockets: two dozen silent ones change nothing."""
    silent = [socket.create_connection(("127.0.0.1", keyed.port)) for _ in range(24)]
    try:
        for sock in silent:
            sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n")
        assert chat(keyed.port, headers=bearer(keys["full"])).status == 200
    finally:
        for sock in silent:
            sock.close()


def test_requests_in_flight_are_shown(keyed, keys, admin_key, upstream):
    """The gauge counts what is being served now, and is back at zero afterwards."""
    assert in_flight(keyed, admin_key) == 0
    body = json.dumps(asking("[[sandbox:hang]] hi")).encode()
    with Line(keyed.port) as line:
        line.send(written("POST", PATH, body, bearer(keys["full"])))
        wait_until(lambda: posts(upstream))
        assert in_flight(keyed, admin_key) == 1
    wait_until(lambda: in_flight(keyed, admin_key) == 0)


@pytest.mark.parametrize(
    ("header", "value"), [("x-switchyard-max-cost-usd", "cheap"), ("x-switchyard-max-cost-usd", "nan"), ("x-switchyard-task", "nothing"),
                          ("x-switchyard-route", "nowhere")],
)  # fmt: skip
def test_wishes_that_cannot_be_read_are_refused_by_name(door, header, value):
    """A misspelt wish is not silently ignored."""
    answer = chat(door.port, headers={header: value}, model="auto")
    assert answer.status == 400
    assert answer.error["param"] == header


def in_flight(door, admin_key):
    text = ask(door.admin_port, "GET", "/metrics", headers=bearer(admin_key)).body.decode()
    return sum(
        float(x.split()[-1]) for x in text.splitlines() if x.startswith("switchyard_requests_in_flight")
    )


def wait_until(condition, timeout_s=10):
    """Poll another process until it tells what is waited for."""
    import time

    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError("it never happened")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PATH, asking()),
        ("/v1/audio/speech", {"model": "gpt-4o-mini-tts", "input": "hi", "voice": "alloy"}),
    ],
    ids=["chat", "passed through"],
)
def test_the_time_a_body_takes_to_come_is_not_ours(keyed, keys, path, body):
    """Overhead is what the proxy adds; how long a client takes to send is its own affair."""
    data = json.dumps(body).encode()
    with Line(keyed.port) as line:
        headers = {**bearer(keys["full"]), "content-length": str(len(data)), "expect": "100-continue"}
        line.send(written("POST", path, headers={**headers, "content-type": "application/json"}))
        assert line.head().status == 100
        time.sleep(0.4)
        line.send(data)
        answer = line.answer()
    assert answer.status == 200, answer.body
    assert float(answer.headers["x-switchyard-overhead-ms"]) < 300


FORM = "multipart/form-data; boundary=x"


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "identity, deflate", "zstd"])
@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (PATH, "application/json"),
        ("/v1/embeddings", "application/json"),
        ("/v1/images/generations", "application/json"),
        ("/v1/files", FORM),
        ("/v1/audio/transcriptions", FORM),
    ],
)
def test_an_encoded_body_is_refused_by_name_before_it_is_read(keyed, keys, upstream, path, kind, coding):
    """Else JSON would be none, and a form would go up as garbage, without the header that explains it."""
    headers = {
        **bearer(keys["full"]),
        "content-type": kind,
        "content-length": "100",
        "content-encoding": coding,
    }
    with Line(keyed.port) as line:
        line.send(written("POST", path, headers={**headers, "expect": "100-continue"}))
        answer = line.answer()
    assert answer.status == 415
    error = is_ours(answer)
    assert coding.lower().removeprefix("identity, ") in error["message"]
    assert "identity" in error["message"]
    assert error["type"] == "invalid_request_error"
    assert posts(upstream) == []


@pytest.mark.parametrize("coding", ["identity", "Identity", ""])
def test_a_body_that_says_it_is_not_encoded_is_served(keyed, keys, coding):
    """Some clients always say something."""
    assert chat(keyed.port, headers={**bearer(keys["full"]), "content-encoding": coding}).status == 200
