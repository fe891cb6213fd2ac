"""Stock uvicorn (httptools) and the guarded data port side by side, with the same trivial ASGI app: CPU per request,
CPU per streamed event, memory per open stream.

Run: `python tests/bench/bench_door.py [requests]`. Each server is a process of its own; the client is one raw loop in
this process. The two are measured in turns and the medians compared, so that a noisy neighbour hits both alike.
"""

import asyncio
import os
import socket
import statistics
import sys
from pathlib import Path

import uvicorn
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from proxy.api.server import DataServer

BODY = b'{"model":"auto","messages":[{"role":"user","content":"' + b"x" * 340 + b'"}]}'
ANSWER = b'{"id":"chatcmpl-1","choices":[]}' + b" " * 600
REQUEST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:4000\r\nAccept: application/json\r\n"
    b"Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\nContent-Type: application/json\r\n"
    b"User-Agent: OpenAI/Python 2.54.0\r\nAuthorization: Bearer sk-0123456789abcdef0123456789abcdef\r\n"
    b"X-Stainless-Lang: python\r\nX-Stainless-Retry-Count: 0\r\nContent-Length: %d\r\n\r\n" % len(BODY)
) + BODY
HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", b"%d" % len(ANSWER)),
    (b"x-request-id", b"req_0123456789abcdef"),
    (b"openai-processing-ms", b"12"),
    (b"x-switchyard-model", b"gpt-4.1-mini"),
    (b"x-switchyard-reason", b"pinned"),
]
CONNECTIONS = 32


EVENT = b"data: " + b"x" * 286 + b"\n\n"
EVENTS = 200
STREAMS = 1000


async def app(scope, receive, send):
    await receive()
    if scope["path"] != "/v1/chat/completions":
        await stream(send, EVENTS if scope["path"] == "/events" else 1, hold=scope["path"] == "/hold")
        return
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})


async def stream(send, events: int, *, hold: bool) -> None:
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
    )
    for _ in range(events):
        await send({"type": "http.response.body", "body": EVENT, "more_body": True})
        await asyncio.sleep(0)
    if hold:
        await asyncio.Event().wait()
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


def serve_stock(sock: socket.socket) -> None:
    config = uvicorn.Config(
        app, http="httptools", loop="uvloop", lifespan="off", ws="none", access_log=False, log_config=None,
        server_header=False, proxy_headers=False, interface="asgi3",
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[sock])


def serve_guarded(sock: socket.socket) -> None:
    async def forever() -> None:
        await DataServer(app).start(sock)
        await asyncio.Event().wait()

    uvloop.run(forever())


class Client(asyncio.Protocol):
    """Sends the request again as soon as its answer is complete."""

    def __init__(self, budget: list[int], done: asyncio.Future[None]) -> None:
        self.budget, self.done = budget, done
        self.seen = b""

    def connection_made(self, transport):
        self.transport = transport
        transport.write(REQUEST)

    def data_received(self, data):
        self.seen += data
        if not self.seen.endswith(ANSWER):
            return
        assert self.seen.startswith(b"HTTP/1.1 200")
        self.seen = b""
        self.budget[0] -= 1
        if self.budget[0] > 0:
            self.transport.write(REQUEST)
        elif not self.done.done():
            self.done.set_result(None)


async def load(port: int, requests: int) -> None:
    loop = asyncio.get_running_loop()
    done, budget = loop.create_future(), [requests]
    made = [
        await loop.create_connection(lambda: Client(budget, done), "127.0.0.1", port)
        for _ in range(CONNECTIONS)
    ]
    await done
    for transport, _ in made:
        transport.abort()


async def load_streams(port: int, streams: int) -> None:
    for _ in range(streams):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /events HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"0\r\n\r\n")
        writer.close()


async def held_kb(pid: int, port: int) -> float:
    before = rss_kb(pid)
    writers = []
    for _ in range(STREAMS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST.replace(b"/v1/chat/completions", b"/hold"))
        await reader.readuntil(EVENT)
        writers.append(writer)
    grown = rss_kb(pid) - before
    for writer in writers:
        writer.transport.abort()
    return grown / STREAMS


def rss_kb(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def spawn(serve) -> tuple[int, int]:
    sock = socket.create_server(("127.0.0.1", 0), backlog=2048)
    port = sock.getsockname()[1]
    pid = os.fork()
    if not pid:
        os.sched_setaffinity(0, {0})
        try:
            serve(sock)
        finally:
            os._exit(0)
    sock.close()
    return pid, port


def main() -> None:
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    servers = {"stock": spawn(serve_stock), "guarded": spawn(serve_guarded)}
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    spent: dict[str, list[float]] = {name: [] for name in servers}
    streamed: dict[str, list[float]] = {name: [] for name in servers}
    held: dict[str, float] = {}
    try:
        for name, (pid, port) in servers.items():
            held[name] = uvloop.run(held_kb(pid, port))
        for _ in range(3):
            for name, (pid, port) in servers.items():
                before = cpu_s(pid)
                uvloop.run(load_streams(port, 200))
                streamed[name].append((cpu_s(pid) - before) / (200 * EVENTS) * 1e6)
        for _, port in servers.values():
            uvloop.run(load(port, 2_000))
        for _ in range(5):
            for name, (pid, port) in servers.items():
                before = cpu_s(pid)
                uvloop.run(load(port, requests))
                spent[name].append((cpu_s(pid) - before) / requests * 1e6)
    finally:
        for pid, _ in servers.values():
            os.kill(pid, 9)
            os.waitpid(pid, 0)
    print(f"per open stream, of {STREAMS}: " + ", ".join(f"{name} {kb:.1f} KB" for name, kb in held.items()))
    events = {name: statistics.median(values) for name, values in streamed.items()}
    print("CPU per event: " + ", ".join(f"{name} {us:.2f} us" for name, us in events.items()))
    medians = {name: statistics.median(values) for name, values in spent.items()}
    for name, values in spent.items():
        print(
            f"{name:8} {medians[name]:6.1f} us CPU/request  (rounds: {' '.join(f'{v:.1f}' for v in values)})"
        )
    print(f"guarded / stock = {medians['guarded'] / medians['stock']:.3f}")


if __name__ == "__main__":
    main()
