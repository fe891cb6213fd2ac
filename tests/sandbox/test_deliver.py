"""Over real sockets: silence, cuts, resets, compression and clients that leave, and what each of them costs."""

import socket
import time

import httpx
import pytest

from tests.sandbox.kit import KEY, chat_body, running


@pytest.fixture(scope="module")
def live():
    with running() as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def clean(live):
    live.app.log.clear()
    live.app.faults.replace([])
    live.app.desk.control.change({"time_scale": 0})


def post(live, order="", model="gpt-4.1", **fields):
    body = chat_body(model, f"hi [[sandbox:words=20]] {order}", **fields)
    return httpx.post(f"{live.url}/v1/chat/completions", json=body, headers=KEY, timeout=10)


def settled(live):
    """The record once the server has closed it."""
    deadline = time.monotonic() + 5
    while live.app.log.totals["open"] and time.monotonic() < deadline:
        time.sleep(0.005)
    return live.app.log.last()


def raw_request(live, order, **fields):
    """The bytes of a chunked answer, unchecked by any client library."""
    port = int(live.url.rsplit(":", 1)[1])
    body = httpx.Request(
        "POST", live.url, json=chat_body("gpt-4.1", f"hi [[sandbox:words=20]] {order}", **fields)
    ).read()
    sock = socket.create_connection(("127.0.0.1", port), timeout=5)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\ncontent-length: {len(body)}\r\n\r\n"
    sock.sendall(head.encode() + body)
    return sock


def read_all(sock):
    data = b""
    with sock:
        while chunk := sock.recv(65536):
            data += chunk
    return data


def test_a_cut_is_a_reset_after_so_many_events(live):
    """What went before arrives; then the connection breaks, not ends."""
    sock = raw_request(live, "[[sandbox:cut:3]]", stream=True)
    data = b""
    with sock, pytest.raises(ConnectionResetError):
        while chunk := sock.recv(65536):
            data += chunk
    assert data.count(b"data: ") == 3
    record = settled(live)
    assert (record.outcome, record.events_sent, record.bill.output) == ("cut", 3, 2)


def test_a_close_is_orderly_but_unfinished(live):
    """End of file without the last chunk."""
    data = read_all(raw_request(live, "[[sandbox:close:2]]", stream=True))
    assert data.count(b"data: ") == 2
    assert not data.endswith(b"0\r\n\r\n")
    with pytest.raises(httpx.RemoteProtocolError):
        post(live, "[[sandbox:close:2]]", stream=True)


def test_a_cut_can_fall_inside_an_event(live):
    """At a byte, not between events."""
    data = read_all(raw_request(live, "[[sandbox:close bytes=333]]", stream=True))
    payload = data.partition(b"\r\n\r\n")[2]
    assert settled(live).bytes_sent == 333
    assert b"data: [DONE]" not in payload


def test_a_whole_answer_can_break_in_its_middle(live):
    """content-length promises more than comes."""
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        post(live, "[[sandbox:close]]")
    assert settled(live).outcome == "cut"


def test_a_connection_can_end_before_the_headers(live):
    """Nothing sent, nothing billed, unless the rule says it was."""
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        post(live, "[[sandbox:cut:-1]]")
    assert not settled(live).billed
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        post(live, "[[sandbox:cut:-1 billed=true]]")
    assert settled(live).billed


def test_a_hanging_call_ends_when_the_client_leaves(live):
    """Before the headers and in the middle of a stream."""
    body = chat_body("gpt-4.1", "hi [[sandbox:hang]]")
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{live.url}/v1/chat/completions", json=body, headers=KEY, timeout=0.2)
    record = settled(live)
    assert (record.outcome, record.client_closed, record.billed) == ("client_closed", True, False)
    sock = raw_request(live, "[[sandbox:hang_mid:4]]", stream=True)
    seen = b""
    while seen.count(b"data: ") < 4:
        seen += sock.recv(65536)
    sock.close()
    record = settled(live)
    assert (record.events_sent, record.client_closed) == (4, True)
    assert record.bill.output == 3


def test_silence_can_be_limited(live):
    """hang, stall and slow_first with seconds go on afterwards."""
    for order in ("hang seconds=0.05", "stall at=2 seconds=0.05", "slow_first=0.05"):
        started = time.monotonic()
        assert post(live, f"[[sandbox:{order}]]", stream=True).text.endswith("data: [DONE]\n\n")
        assert time.monotonic() - started >= 0.05


def test_the_catalogues_pace_is_scaled(live):
    """22 s to o4-mini's first token become 44 ms at 0.002."""
    live.app.desk.control.change({"time_scale": 0.002, "revive": ["o4-mini"]})
    started = time.monotonic()
    assert post(live, model="o4-mini").status_code == 200
    assert time.monotonic() - started >= 0.044
    live.app.desk.control.change({"revive": []})


def test_a_client_that_leaves_a_slow_stream_is_billed_for_what_was_generated(live):
    """Visible tokens sent, all of the thought that came before them."""
    sock = raw_request(live, "[[sandbox:pace=0.02]]", stream=True)
    seen = b""
    while seen.count(b"data: ") < 3:
        seen += sock.recv(65536)
    sock.close()
    record = settled(live)
    assert record.client_closed
    assert 2 <= record.bill.output < record.full_output
    assert record.cost_nano > 0


def test_a_client_that_leaves_during_thought_pays_for_a_part_of_it(live):
    """Reasoning grows with the time before the first token."""
    body = chat_body("gpt-5", "hi [[sandbox:slow_first=5]]", stream=True)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{live.url}/v1/chat/completions", json=body, headers=KEY, timeout=0.3)
    record = settled(live)
    assert 0 < record.bill.output == record.bill.reasoning < 100


def test_a_client_that_leaves_a_whole_answer_is_billed_by_time(live):
    """Generation that nobody waits for any more stops."""
    body = chat_body("gpt-4.1", "hi [[sandbox:words=20]] [[sandbox:pace=0.1]]")
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{live.url}/v1/chat/completions", json=body, headers=KEY, timeout=0.35)
    record = settled(live)
    assert record.client_closed
    assert 1 <= record.bill.output <= 10 < record.full_output


@pytest.mark.parametrize("stream", [False, True])
def test_answers_can_be_compressed(live, stream):
    """Clients that accept gzip read the same."""
    answer = post(live, "[[sandbox:gzip]]", stream=stream)
    assert answer.headers["content-encoding"] == "gzip"
    assert "content" in answer.text


def test_a_whole_answer_can_come_in_chunks_of_unknown_length(live):
    """Transfer-encoding chunked, no content-length."""
    answer = post(live, "[[sandbox:chunked bytes=50]]")
    assert answer.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in answer.headers
    assert answer.json()["object"] == "chat.completion"
