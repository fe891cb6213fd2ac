"""CPU per request of the upstream client beside aiohttp, plain and over TLS, whole answers and streams.

    python tests/bench/bench_upstream_client.py [PORT]

Without PORT a small raw server is started in a process of its own (plain and TLS); with PORT the server listening there on
127.0.0.1 is used, plain only. Rounds are interleaved and the best of each is reported: CPU microseconds of this process
(user + system) per request, whose neighbours' noise can only add to it.
"""

import asyncio
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import uvloop

from proxy.upstreams.http import HttpPool, Origin, Timeouts

CONNECTIONS = 32
REQUESTS = 6000
ROUNDS = 4
BODY = b'{"model":"m","messages":[{"role":"user","content":"' + b"x" * 340 + b'"}]}'
ANSWER = b'{"choices":[{"message":{"content":"' + b"y" * 590 + b'"}}]}'
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
    len(ANSWER),
    ANSWER,
)
HEADERS = [(b"content-type", b"application/json"), (b"authorization", b"Bearer sk-test"), (b"accept", b"*/*")]
Call = Callable[[], Awaitable[None]]


class Server(asyncio.Protocol):
    """Answers once a request's body is here; clients send one request at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) >= length:
            self.buffer = b""
            self.transport.write(WHOLE)


def serve(folder: str) -> None:
    """The server process: prints its plain and its TLS port."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(Path(folder) / "server.pem", Path(folder) / "server.key")
        plain = await loop.create_server(Server, "127.0.0.1", 0)
        secure = await loop.create_server(Server, "127.0.0.1", 0, ssl=context)
        print(plain.sockets[0].getsockname()[1], secure.sockets[0].getsockname()[1], flush=True)
        await plain.serve_forever()

    uvloop.run(main())


def certificate(folder: str) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", "server.key", "-out", "server.pem", "-subj", "/CN=localhost", "-days", "2",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip


async def measure(call: Call, requests: int = REQUESTS) -> float:
    """CPU microseconds per request at `CONNECTIONS` calls in flight."""
    left = requests

    async def worker() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await call()

    before = time.process_time()
    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
    return (time.process_time() - before) * 1e6 / requests


def own(url: str, ca_file: str | None) -> tuple[Call, Callable[[], object]]:
    pool = HttpPool(Origin.from_url(url, ca_file=ca_file))
    timeouts = Timeouts()

    async def call() -> None:
        response = await pool.send(b"POST", b"/v1/chat/completions", HEADERS, BODY, timeouts)
        body = await response.read_all(10_000_000)
        response.close()
        assert response.status == 200
        assert body

    return call, pool.close


def theirs(url: str, ca_file: str | None) -> tuple[Call, Callable[[], Awaitable[None]]]:
    context = ssl.create_default_context(cafile=ca_file) if ca_file else False
    connector = aiohttp.TCPConnector(limit=1000, ssl=context)
    session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
    headers = {name.decode(): value.decode() for name, value in HEADERS}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60)

    async def call() -> None:
        async with session.post(
            url + "/v1/chat/completions", data=BODY, headers=headers, timeout=timeout
        ) as r:
            body = await r.read()
            assert r.status == 200
            assert body

    return call, session.close


async def compare(name: str, url: str, ca_file: str | None = None) -> None:
    ours, close_ours = own(url, ca_file)
    aio, close_aio = theirs(url, ca_file)
    best = {"own": 1e9, "aiohttp": 1e9}
    for call in (ours, aio):
        await measure(call, 500)
    for _ in range(ROUNDS):
        for key, call in (("own", ours), ("aiohttp", aio)):
            best[key] = min(best[key], await measure(call))
    close_ours()
    await close_aio()
    ratio = best["aiohttp"] / best["own"]
    print(f"{name:6} own {best['own']:6.1f} us/request   aiohttp {best['aiohttp']:6.1f}   {ratio:4.1f}x")


def main() -> None:
    if len(sys.argv) > 1:
        uvloop.run(compare("plain", f"http://127.0.0.1:{sys.argv[1]}"))
        return
    with tempfile.TemporaryDirectory() as folder:
        certificate(folder)
        command = [sys.executable, __file__, "--serve", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as server:
            assert server.stdout is not None
            plain, secure = server.stdout.readline().split()
            try:
                uvloop.run(compare("plain", f"http://127.0.0.1:{plain}"))
                uvloop.run(compare("TLS", f"https://localhost:{secure}", f"{folder}/server.pem"))
            finally:
                server.terminate()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
    else:
        main()
