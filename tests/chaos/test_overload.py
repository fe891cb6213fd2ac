"""Ten times more than a provider takes, and hundreds of slow readers: what is answered stays answered, the rest is told
at once. Figures are printed (`-s`)."""

import asyncio
import json
import random
import socket
import statistics
import threading
import time
from http.server import ThreadingHTTPServer

import pytest
from town import PROVIDER_KEY, proxy, sandbox

from tests.test_sick_upstreams import Firehose, chat, rss_bytes

pytestmark = pytest.mark.chaos

PLACES, TAKES_S, OVERLOAD_S = 20, 0.2, 20
CONFIG = """
providers:
  openai:
    kind: openai
    base_url: "{url}/v1"
    api_key: ${{OPENAI_API_KEY}}
    max_connections: {places}
    max_waiting: {places}
"""
BODY = json.dumps({"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "hi"}]}).encode()
REQUEST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
    % (len(BODY), BODY)
)


async def ask(reader, writer):
    """(status, seconds) of one call on an open connection."""
    began = time.perf_counter()
    writer.write(REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head[9:12]), time.perf_counter() - began


async def load(port, clients, seconds, pause_s):
    """Every (status, seconds) of so many clients that ask again and again; after a refusal each waits `pause_s`."""
    until = time.perf_counter() + seconds
    seen = []

    async def client():
        await asyncio.sleep(random.random() * pause_s)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < until:
            status, took_s = await ask(reader, writer)
            seen.append((status, took_s))
            if status != 200:
                await asyncio.sleep(pause_s)
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return seen


def good(seen):
    return sum(status == 200 for status, _ in seen)


def test_ten_times_too_much_leaves_goodput_and_memory_where_they_were():
    """Goodput stays at 90 % of capacity, refusals are OpenAI's 503 within 50 ms at p99, memory grows by 20 % at most, and five
    seconds later everything is as before."""
    with sandbox() as upstream:
        upstream.fault({"action": "slow_first", "seconds": TAKES_S})
        config = CONFIG.format(url=upstream.url, places=PLACES)
        with proxy(None, config, {"OPENAI_API_KEY": PROVIDER_KEY}) as door:
            calm = asyncio.run(load(door.port, PLACES, 5, 0.1))
            capacity = good(calm) / 5
            before = rss_bytes(door.process.pid)
            clients = 2 * PLACES + round(10 * capacity * 0.2)
            flood = asyncio.run(load(door.port, clients, OVERLOAD_S, 0.2))
            grown = rss_bytes(door.process.pid) / before
            refusals = sorted(took_s for status, took_s in flood if status != 200)
            after = asyncio.run(load(door.port, PLACES, 5, 0.1))
            goodput = good(flood) / OVERLOAD_S
            p99 = refusals[int(len(refusals) * 0.99)]
            print(
                f"\ncapacity {capacity:.0f}/s, offered {len(flood) / OVERLOAD_S:.0f}/s, goodput {goodput:.0f}/s, "
                f"refusals p50 {statistics.median(refusals) * 1000:.1f} ms p99 {p99 * 1000:.1f} ms, "
                f"memory x{grown:.2f}, afterwards {good(after) / 5:.0f}/s"
            )
            assert {status for status, _ in flood} == {200, 503}
            assert goodput >= 0.9 * capacity
            assert p99 <= 0.05
            assert grown <= 1.2
            assert good(after) == len(after)
            assert good(after) / 5 >= 0.9 * capacity


def test_slow_readers_cost_little_memory_and_no_one_elses_time():
    """Two hundred clients that read a kilobyte a second of 4 MB streams for half a minute."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Firehose)
    server.daemon_threads = True
    server.request_queue_size = 256
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = {"OPENAI_BASE_URL": f"http://127.0.0.1:{server.server_port}/v1", "OPENAI_API_KEY": PROVIDER_KEY}
    body = json.dumps(
        {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "x"}], "stream": True}
    )
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    try:
        with proxy(None, "", env) as door:
            alone = latencies(door, 30)
            before = rss_bytes(door.process.pid)
            readers = []
            for _ in range(200):
                reader = socket.socket()
                reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                reader.connect(("127.0.0.1", door.port))
                reader.sendall(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
                readers.append(reader)
            until = time.monotonic() + 30
            beside = []
            while time.monotonic() < until:
                for reader in readers:
                    assert reader.recv(1024)
                beside += latencies(door, 3)
            grown = rss_bytes(door.process.pid) - before
            p50, p50_beside = statistics.median(alone), statistics.median(beside)
            print(
                f"\nmemory +{grown / 1e6:.0f} MB, others' p50 {p50 * 1000:.1f} -> {p50_beside * 1000:.1f} ms"
            )
            for reader in readers:
                reader.close()
            assert grown <= 100_000_000
    finally:
        server.shutdown()
        server.server_close()


def latencies(door, count):
    took = []
    for _ in range(count):
        began = time.perf_counter()
        assert chat(door, "another")[0] == 200
        took.append(time.perf_counter() - began)
    return took
