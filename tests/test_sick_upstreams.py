"""Providers that hang, refuse, fall silent or cannot be reached, and clients that read slowly: small versions of the
chaos proofs."""

import contextlib
import json
import os
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from town import PROVIDER_KEY, proxy, sandbox

from tests.test_main_job import post, sse, wait_until

CONFIG = """
providers:
  a: {{kind: openai, base_url: "{a}/v1", api_key: ${{OPENAI_API_KEY}}, timeouts: {{first_byte_s: 0.4, idle_s: 0.6}}}}
  b: {{kind: openai, base_url: "{b}/v1", api_key: ${{OPENAI_API_KEY}}}}
  gone: {{kind: openai, base_url: "{gone}/v1", api_key: ${{OPENAI_API_KEY}}}}
defaults: {{on_timeout: next}}
models:
  gpt-4.1-mini: {{deployments: [{{provider: a, weight: 1000}}, {{provider: b}}]}}
  gpt-4o-mini: {{deployments: [{{provider: gone, weight: 1000}}, {{provider: b}}]}}
"""


@pytest.fixture
def town():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with (
        sandbox() as a,
        sandbox() as b,
        proxy(None, CONFIG.format(a=a.url, b=b.url, gone=gone), {"OPENAI_API_KEY": PROVIDER_KEY}) as door,
    ):
        yield a, b, door


def chat(door, text, **extra):
    body = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": text}], **extra}
    return post(f"{door.url}/chat/completions", body)


def test_a_hanging_provider_is_answered_for_and_then_left_alone(town):
    """Every request is answered; after five silences in a row the deployment is not asked first any more. What it may have
    billed is in the ledger, on a row of its own."""
    a, b, door = town
    a.fault({"action": "hang"})
    for number in range(6):
        status, headers, _ = chat(door, f"request {number}")
        assert status == 200
        assert headers["x-switchyard-reason"] in ("fallback", "pinned")
    asked = len(a.calls())
    assert asked == 5
    began = time.monotonic()
    status, headers, _ = chat(door, "one more")
    assert (status, len(a.calls())) == (200, asked)
    assert time.monotonic() - began < 0.4
    door.row(headers["x-switchyard-request-id"])
    silent = [line for line in door.lines if line.get("error", "").startswith("timeout")]
    assert len(silent) == 5
    assert all(row["cost_nano"] > 0 and row["estimated"] for row in silent)
    assert len(b.calls()) == 7


def test_a_provider_that_refuses_connections_costs_nothing(town):
    """Nobody listens there: the next one answers, and no bill is kept for what was never sent."""
    _, b, door = town
    for number in range(7):
        status, headers, _ = chat(door, f"request {number}", model="gpt-4o-mini")
        assert status == 200
        assert door.row(headers["x-switchyard-request-id"])["provider"] == "b"
    assert len(b.calls()) == 7
    paid = sum(line["cost_nano"] for line in door.lines if line.get("event") == "request")
    assert paid == sum(call["cost_nano"] for call in b.calls())
    door.wait_for(lambda line: line.get("event") == "breaker" and line["state"] == "open")


def test_a_stream_silent_before_its_first_byte_goes_to_the_next(town):
    """With `on_timeout: next` the other deployment answers, streamed as asked."""
    a, _, door = town
    a.fault({"action": "hang"})
    status, headers, body = chat(door, "stream please", stream=True)
    assert status == 200
    assert headers["x-switchyard-reason"] == "fallback"
    assert sse(body)[-1] == "[DONE]"


def test_a_stream_silent_in_the_middle_ends_in_an_error_frame(town):
    """No second answer after the first byte; the bill is what was seen."""
    a, b, door = town
    a.fault({"action": "hang_mid", "at": 4})
    status, headers, body = chat(door, "stream please", stream=True)
    assert status == 200
    assert json.loads(sse(body)[-1])["error"]["type"] == "server_error"
    assert "[DONE]" not in sse(body)
    assert b.calls() == []
    row = door.row(headers["x-switchyard-request-id"])
    assert row["error"] == "IdleTimeout"
    assert row["estimated"]
    assert row["cost_nano"] > 0
    assert wait_until(lambda: [call for call in a.calls() if call["client_closed"]])


BLOCK = b"data: " + json.dumps(
    {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4.1-mini",
     "choices": [{"index": 0, "delta": {"content": "x" * 16_000}, "finish_reason": None}]}
).encode() + b"\n\n"  # fmt: skip
BLOCKS = 250


class Firehose(BaseHTTPRequestHandler):
    """Megabytes of chunks as fast as they are taken; a whole answer where no stream was asked for."""

    protocol_version = "HTTP/1.1"
    blocks = BLOCKS

    def log_message(self, *_):
        """Silence."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        if not body.get("stream"):
            answer = json.dumps(
                {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
            )
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer.encode())
            return
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(self.blocks):
                self.wfile.write(BLOCK)
        self.close_connection = True


def rss_bytes(pid):
    """Resident memory of a process and all its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return own + sum(rss_bytes(int(child)) for child in children)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_slow_readers_hold_their_provider_back_not_our_memory():
    """Ten clients that stop reading 4 MB streams cost what two socket buffers and a block hold; others are served."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Firehose)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = {"OPENAI_BASE_URL": f"http://127.0.0.1:{server.server_port}/v1", "OPENAI_API_KEY": PROVIDER_KEY}
    try:
        with proxy(None, "", env) as door, contextlib.ExitStack() as stack:
            assert chat(door, "warm")[0] == 200
            before = rss_bytes(door.process.pid)
            body = json.dumps(
                {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "x"}], "stream": True}
            )
            head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            for _ in range(10):
                reader = stack.enter_context(socket.socket())
                reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
                reader.connect(("127.0.0.1", door.port))
                reader.sendall(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
                assert reader.recv(100).startswith(b"HTTP/1.1 200")
            took = []
            for _ in range(20):
                began = time.monotonic()
                assert chat(door, "another")[0] == 200
                took.append(time.monotonic() - began)
            assert rss_bytes(door.process.pid) - before < 20_000_000
            assert sorted(took)[10] < 1
    finally:
        server.shutdown()
        server.server_close()
