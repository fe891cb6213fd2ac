"""CPU per request of stock uvicorn (httptools) and of the guarded data port, with the same trivial ASGI app.

Run: `python tests/bench/bench_door.py [requests]`. Each server is a process of its own; the client is one raw loop in
this process. The two are measured in turns and the medians compared, so that a noisy neighbour hits both alike.
"""

import asyncio
import os
import resource
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


async def app(scope, receive, send):
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})


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
    try:
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
    medians = {name: statistics.median(values) for name, values in spent.items()}
    for name, values in spent.items():
        print(
            f"{name:8} {medians[name]:6.1f} us CPU/request  (rounds: {' '.join(f'{v:.1f}' for v in values)})"
        )
    print(f"guarded / stock = {medians['guarded'] / medians['stock']:.3f}")
    print(f"client peak RSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
