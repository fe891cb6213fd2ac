"""TLS and outgoing proxies: verified, named, tunnelled, and never a secret in an error."""

import asyncio
import ssl
from dataclasses import replace

import pytest

from proxy.upstreams.http import ConnectFailed, ConnectionCut, ConnectTimeout, HttpPool, Origin
from tests.upstreams.certificates import certificates
from tests.upstreams.rawserver import (
    LOOPS,
    OK,
    QUICK,
    Peer,
    RawServer,
    answers,
    get,
    post,
    run,
    serving,
    start,
    text,
    tunnel,
    until,
)

BIG = b"z" * 3_000_000


def origin(server: RawServer, host: str = "localhost", **options: object) -> Origin:
    options.setdefault("ca_file", certificates().authority)
    return Origin.from_url(server.url(host=host, scheme="https"), **options)


async def echo(peer: Peer) -> None:
    while True:
        body = (await peer.request()).body
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body))
        peer.send(body)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_verified_upstream_is_spoken_to_and_kept(host: str) -> None:
    """Name and address in the certificate both do; the second call needs no handshake; large bodies pass both ways."""

    async def test() -> None:
        async with serving(echo, tls=certificates().server) as server:
            pool = HttpPool(origin(server, host))
            for body in (b"one", BIG, b"three"):
                assert await text(await post(pool, body)) == body
            assert (server.accepted, pool.idle_count) == (1, 1)
            pool.close()
            await until(lambda: server.open == 0)

    run(test)


def test_the_upstream_hears_its_name_and_our_protocol() -> None:
    """SNI carries the host; ALPN offers http/1.1 and nothing else, so nobody answers in h2."""
    names = []

    async def script(peer: Peer) -> None:
        names.append(peer.writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await echo(peer)

    async def test() -> None:
        context = certificates().server
        context.sni_callback = lambda _sock, name, _context: names.append(name)
        async with serving(script, tls=context) as server:
            pool = HttpPool(origin(server))
            await text(await post(pool))
            pool.close()
        context.sni_callback = None

    run(test)
    assert names == ["localhost", "http/1.1"] * 2


@pytest.mark.parametrize(
    "options",
    [{"ca_file": None}, {"server_name": "elsewhere.example"}],
    ids=["unknown authority", "wrong name"],
)
def test_a_certificate_that_does_not_fit_is_refused(options: dict) -> None:
    """Nothing is sent to somebody who cannot prove who they are; the reason is in the message."""

    async def test() -> None:
        async with serving(echo, tls=certificates().server) as server:
            pool = HttpPool(origin(server, **options))
            with pytest.raises(ConnectFailed, match="TLS certificate refused") as caught:
                await post(pool)
            assert not caught.value.sent
            assert (server.requests, pool.open_count) == ([], 0)

    run(test)


def test_an_upstream_that_speaks_no_tls_is_a_failed_connect() -> None:
    """Plain HTTP on the TLS port."""

    async def script(peer: Peer) -> None:
        await peer.reader.read(1)
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def test() -> None:
        async with serving(script) as server:
            pool = HttpPool(Origin.from_url(server.url(scheme="https")))
            with pytest.raises(ConnectFailed):
                await post(pool)
            assert pool.open_count == 0

    run(test)


def test_an_unfinished_tls_response_closed_by_its_reader_closes_the_socket() -> None:
    """No polite TLS farewell stands between a client's leaving and the upstream's hearing of it."""

    async def test() -> None:
        async with serving(answers(OK[:-1]), tls=certificates().server) as server:
            pool = HttpPool(origin(server))
            (await post(pool)).close()
            await until(lambda: server.open == 0)
            call = start(whole(pool))
            await until(lambda: len(server.requests) == 2)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await until(lambda: server.open == 0)
            assert pool.open_count == 0

    run(test)


async def whole(pool: HttpPool) -> bytes:
    return await text(await post(pool))


def test_a_tls_answer_cut_short_is_an_error() -> None:
    """Cut inside the body, by a farewell or without one."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(OK[:-1])
        await peer.writer.drain()
        if peer.server.accepted == 2:
            peer.writer.transport.abort()

    async def test() -> None:
        async with serving(script, tls=certificates().server) as server:
            pool = HttpPool(origin(server))
            for _ in range(2):
                with pytest.raises(ConnectionCut):
                    await text(await post(pool))
            assert pool.open_count == 0

    run(test)


@pytest.mark.parametrize("farewell", [True, False], ids=["farewell", "cut"])
def test_a_tls_body_that_ends_with_its_connection_needs_the_farewell(farewell: bool) -> None:
    """Anybody on the way can close a TCP connection; only the upstream can say close_notify. asyncio's own TLS reports both alike."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nwhole")
        await peer.server.read.wait()
        if not farewell:
            peer.writer.transport.abort()

    async def test() -> None:
        async with serving(script, tls=certificates().server) as server:
            server.read = asyncio.Event()
            pool = HttpPool(origin(server))
            response = await get(pool)
            assert await response.read_chunk() == b"whole"
            server.read.set()
            if farewell:
                assert await response.read_chunk() == b""
            else:
                with pytest.raises(ConnectionCut):
                    await response.read_chunk()
            response.close()
            assert pool.open_count == 0

    run(test, loops=LOOPS if farewell else LOOPS[1:])


def test_a_tls_post_that_was_read_and_not_answered_is_not_sent_again() -> None:
    """The proof of non-receipt holds under TLS as well."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(OK)
        await peer.request()

    async def test() -> None:
        async with serving(script, tls=certificates().server) as server:
            pool = HttpPool(origin(server))
            await text(await post(pool))
            with pytest.raises(ConnectionCut) as caught:
                await post(pool)
            assert caught.value.sent
            assert (len(server.requests), pool.stale_retries) == (2, 0)

    run(test)


# Outgoing proxies


def test_a_tls_upstream_is_reached_through_a_proxy() -> None:
    """CONNECT with credentials, then TLS end to end: the proxy sees neither path nor key; the tunnel is kept."""

    async def test() -> None:
        async with serving(echo, tls=certificates().server) as upstream, serving(tunnel) as door:
            door_url = door.url().replace("//", "//user:p%40ss@")
            pool = HttpPool(origin(upstream, proxy_url=door_url))
            for body in (b"one", BIG):
                assert await text(await post(pool, body)) == body
            (seen,) = door.requests
            assert seen.line == b"CONNECT localhost:%d HTTP/1.1" % upstream.port
            assert seen.headers[b"proxy-authorization"] == b"Basic dXNlcjpwQHNz"
            assert b"proxy-authorization" not in upstream.requests[0].headers
            assert b"p@ss" not in repr(pool.origin).encode()
            pool.close()
            await until(lambda: upstream.open == 0 and door.open == 0)

    run(test)


def test_a_plain_upstream_is_asked_for_by_its_whole_url() -> None:
    """Plain HTTP through a proxy is a request to the proxy."""

    async def test() -> None:
        async with serving(answers(OK)) as door:
            pool = HttpPool(
                Origin.from_url("http://up.example/v1", proxy_url=door.url().replace("//", "//u:p@"))
            )
            assert await text(await get(pool, b"/models")) == b"ok"
            (seen,) = door.requests
            assert seen.line == b"GET http://up.example/v1/models HTTP/1.1"
            assert seen.headers[b"host"] == b"up.example"
            assert seen.headers[b"proxy-authorization"] == b"Basic dTpw"
            pool.close()

    run(test)


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "refused \\(407\\)"),
        (b"SSH-2.0-x\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\nunasked", "refused"),
        (b"x" * 20_000, "refused"),
        (b"", "closed the connection"),
    ],
    ids=["407", "no HTTP", "chatter", "flood", "close"],
)
def test_a_proxy_that_does_not_open_the_tunnel_is_a_failed_connect(wire: bytes, words: str) -> None:
    """Whatever it says instead, the request has not left and no credential is repeated."""

    async def script(peer: Peer) -> None:
        await peer.head()
        peer.send(wire)
        if wire:
            await peer.gone()

    async def test() -> None:
        async with serving(script) as door:
            url = door.url().replace("//", "//user:hunter2@")
            pool = HttpPool(Origin.from_url("https://up.example", proxy_url=url))
            with pytest.raises(ConnectFailed, match=words) as caught:
                await post(pool)
            assert "hunter2" not in str(caught.value)
            assert not caught.value.sent
            assert pool.open_count == 0
            await until(lambda: door.open == 0)

    run(test)


@pytest.mark.parametrize("opens", [False, True], ids=["silent proxy", "silent upstream"])
def test_a_tunnel_that_takes_too_long_is_a_connect_timeout(opens: bool) -> None:
    """The proxy's silence and the upstream's during the handshake are both connecting."""

    async def script(peer: Peer) -> None:
        await peer.head()
        if opens:
            peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        await peer.gone()

    async def test() -> None:
        async with serving(script) as door:
            pool = HttpPool(Origin.from_url("https://up.example", proxy_url=door.url()))
            with pytest.raises(ConnectTimeout):
                await post(pool, timeouts=replace(QUICK, connect_s=0.1))
            assert pool.open_count == 0
            await until(lambda: door.open == 0)

    run(test)


def test_an_unreadable_authority_file_is_refused_at_start(tmp_path: object) -> None:
    """Not at the first call."""
    with pytest.raises(OSError):
        Origin.from_url("https://up.example", ca_file=str(tmp_path / "none.pem"))
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(ssl.SSLError):
        Origin.from_url("https://up.example", ca_file=str(tmp_path / "bad.pem"))


@pytest.mark.parametrize("url", ["https://proxy:1", "socks5://proxy:1", "proxy:1", "http://"])
def test_only_plain_http_proxies_are_spoken_to(url: str) -> None:
    """Refused at start."""
    with pytest.raises(ValueError, match="outgoing proxy"):
        Origin.from_url("https://up.example", proxy_url=url)
