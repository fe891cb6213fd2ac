"""A kept connection that died: found out without a loss where that is provably safe, and nowhere else."""

import asyncio
import contextlib
import socket
import ssl

import pytest

from proxy.upstreams.http import ConnectionCut, HttpPool, Origin, Response
from proxy.upstreams.stale import never_received
from tests.upstreams.certificates import Certificates, certificates
from tests.upstreams.rawserver import OK, QUICK, Peer, answers, get, post, run, serving, text, until

LINUX = pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="the proof needs the kernel's TCP_INFO")


def test_a_connection_closed_while_idle_is_not_used_again() -> None:
    """The pool hears of the close and opens another; nothing is sent twice, nothing counts as stale."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(OK)

    async def test() -> None:
        async with serving(script) as server:
            pool = server.pool()
            for n in range(1, 4):
                assert await text(await post(pool)) == b"ok"
                await until(lambda: pool.open_count == 0)
                assert (server.accepted, len(server.requests)) == (n, n)
            assert pool.stale_retries == 0

    run(test)


def test_bytes_on_an_idle_connection_end_it() -> None:
    """Whatever an upstream says unasked must not become the next caller's answer."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(OK)
        await unasked.wait()
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad")
        await peer.gone()

    async def test() -> None:
        nonlocal unasked
        unasked = asyncio.Event()
        async with serving(script) as server:
            pool = server.pool()
            await text(await post(pool))
            unasked.set()
            await until(lambda: pool.open_count == 0)
            assert await text(await post(pool)) == b"ok"
            pool.close()

    unasked = asyncio.Event()
    run(test)


class _Listener:
    """A server of plain sockets: what it does happens at once, between two steps of the client's loop."""

    def __init__(self, certificates: Certificates | None = None) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(8)
        self.tls = certificates.server if certificates else None
        url = f"{'https' if certificates else 'http'}://127.0.0.1:{self.socket.getsockname()[1]}"
        ca_file = certificates.authority if certificates else None
        self.pool = HttpPool(Origin.from_url(url, ca_file=ca_file))

    def answer(self, body_bytes: int) -> socket.socket:
        """Accept a connection and answer one request whose body has that many bytes."""
        conn, _ = self.socket.accept()
        if self.tls is not None:
            conn = self.tls.wrap_socket(conn, server_side=True)
        data = b""
        while not data.partition(b"\r\n\r\n")[1] or len(data.partition(b"\r\n\r\n")[2]) < body_bytes:
            data += conn.recv(1 << 20)
        conn.sendall(OK)
        return conn

    async def call(self, body: bytes) -> tuple[Response, socket.socket]:
        """One call on a connection of its own, answered from a thread."""
        answered = asyncio.get_running_loop().run_in_executor(None, self.answer, len(body))
        response = await post(self.pool, body)
        await text(response)
        return response, await answered

    def close(self) -> None:
        self.pool.close()
        self.socket.close()


@LINUX
@pytest.mark.parametrize("size", [2, 300_000], ids=["small", "large"])
def test_a_post_written_to_an_already_closed_connection_is_sent_again(size: int) -> None:
    """The close was under way when we wrote: the kernel shows that the request never arrived, so it is sent anew, once."""

    async def test() -> None:
        server = _Listener()
        _, conn = await server.call(b"{}")
        assert server.pool.idle_count == 1
        conn.close()  # the client's loop cannot hear of it before it writes
        response, second = await server.call(b"x" * size)
        assert (response.status, response.reused, server.pool.stale_retries) == (200, False, 1)
        second.close()
        server.close()

    run(test)


@LINUX
def test_a_tls_post_written_while_the_upstream_says_farewell_is_sent_again() -> None:
    """The idle close of a TLS server is close_notify and FIN; the proof is TCP's and holds under TLS."""
    made = certificates()

    async def test() -> None:
        server = _Listener(made)
        _, conn = await server.call(b"{}")
        conn.setblocking(False)
        with contextlib.suppress(ssl.SSLWantReadError):
            conn.unwrap()
        conn.close()
        response, second = await server.call(b"x")
        assert (response.status, response.reused, server.pool.stale_retries) == (200, False, 1)
        second.close()
        server.close()

    run(test)


def test_a_post_that_was_read_and_not_answered_is_not_sent_again() -> None:
    """The upstream had the whole request and may be working on it for money: the caller is told, nothing is repeated."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(OK)
        await peer.request()

    async def test() -> None:
        async with serving(script) as server:
            pool = server.pool()
            await text(await post(pool))
            with pytest.raises(ConnectionCut) as caught:
                await post(pool)
            assert caught.value.sent
            assert (len(server.requests), pool.stale_retries, pool.open_count) == (2, 0, 0)

    run(test)


def test_a_get_that_was_not_answered_is_sent_again_once() -> None:
    """Asking twice for the same thing is harmless; asking for ever is not."""

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.server.accepted == 1:
            peer.send(OK)
            await peer.request()

    async def test() -> None:
        async with serving(script) as server:
            pool = server.pool()
            await text(await get(pool))
            with pytest.raises(ConnectionCut):
                await get(pool)
            assert (len(server.requests), pool.stale_retries) == (3, 1)

    run(test)


def test_a_new_connection_that_dies_is_never_sent_again() -> None:
    """Stale is a property of kept connections only."""

    async def script(peer: Peer) -> None:
        await peer.request()

    async def test() -> None:
        async with serving(script) as server:
            pool = server.pool()
            with pytest.raises(ConnectionCut):
                await get(pool)
            assert (len(server.requests), pool.stale_retries) == (1, 0)

    run(test)


def test_an_answer_that_has_begun_is_never_asked_for_again() -> None:
    """One byte, even of an interim answer, is proof that the upstream was at work."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(OK)
        await peer.request()
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def test() -> None:
        async with serving(script) as server:
            pool = server.pool()
            await text(await get(pool))
            with pytest.raises(ConnectionCut):
                await get(pool)
            assert (len(server.requests), pool.stale_retries) == (2, 0)

    run(test)


def test_a_streamed_body_is_never_sent_again() -> None:
    """What has been taken from the caller cannot be taken twice."""

    async def test() -> None:
        server = _Listener()
        _, conn = await server.call(b"{}")
        conn.close()

        async def body():
            yield b"abc"

        with pytest.raises(ConnectionCut):
            await post(server.pool, body())
        assert server.pool.stale_retries == 0
        server.close()

    run(test)


@pytest.mark.parametrize(
    ("header", "reused"),
    [(b"timeout=60, max=100", True), (b"max=5, timeout=0", False), (b"timeout=soon", True)],
)
def test_the_servers_keep_alive_hint_is_honoured(header: bytes, reused: bool) -> None:
    """A connection is not used in the last fifth of the time the server announced, or at all when that is nothing."""
    wire = b"HTTP/1.1 200 OK\r\nkeep-alive: " + header + b"\r\ncontent-length: 0\r\n\r\n"

    async def test() -> None:
        async with serving(answers(wire, wire)) as server:
            pool = server.pool()
            await text(await post(pool))
            second = await post(pool)
            await text(second)
            assert second.reused is reused
            pool.close()

    run(test)


def test_idle_connections_are_swept() -> None:
    """After the limit nothing is left open, without any further call."""

    async def test() -> None:
        async with serving(answers(OK)) as server:
            pool = server.pool(keep_alive_s=0.05)
            await text(await post(pool, timeouts=QUICK))
            assert pool.idle_count == 1
            await until(lambda: pool.open_count == 0)
            await until(lambda: server.open == 0)

    run(test)


def test_without_a_socket_to_ask_nothing_is_proven() -> None:
    """A transport that cannot tell counts as one that delivered."""

    class Mute(asyncio.Transport):
        def get_write_buffer_size(self) -> int:
            return 0

    assert never_received(Mute()) is False
