"""Every way known to us of making two readers of one byte stream disagree about where a request ends."""

import json
import re

import pytest

from tests.api.door_kit import Recorder, open_port, run

HOST = b"Host: a.example\r\n"
POST = b"POST /v1/x HTTP/1.1\r\n" + HOST
INNER = b"GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

REFUSED = {
    "content-length and transfer-encoding": POST
    + b"Content-Length: 5\r\n"
    + CHUNKED
    + b"\r\n0\r\n\r\n"
    + INNER,
    "transfer-encoding and content-length": POST + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n" + INNER,
    "two equal lengths": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "two different lengths": POST + b"Content-Length: 3\r\nContent-Length: 0\r\n\r\nabc" + INNER,
    "a list of lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "a positive length": POST + b"Content-Length: +3\r\n\r\nabc",
    "a negative length": POST + b"Content-Length: -3\r\n\r\nabc",
    "a length with an inner space": POST + b"Content-Length: 1 0\r\n\r\nabc",
    "a hexadecimal length": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "a huge length": POST + b"Content-Length: 99999999999999999999999\r\n\r\nabc",
    "a length of digits beyond any disk": POST + b"Content-Length: 9999999999999999\r\n\r\nabc",
    "an empty length": POST + b"Content-Length:\r\n\r\n" + INNER,
    "a length in other digits": POST + "Content-Length: ３\r\n\r\nabc".encode(),
    "identity coding": POST + b"Transfer-Encoding: identity\r\n\r\nabc" + INNER,
    "gzip then chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n",
    "chunked in a list twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked, then identity": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + INNER,
    "chunked misspelt": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + INNER,
    "chunked in quotes": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n' + INNER,
    "chunked behind a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + INNER,
    "chunked in a folded line": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + INNER,
    "chunked on HTTP/1.0": b"POST /v1/x HTTP/1.0\r\n" + HOST + CHUNKED + b"\r\n0\r\n\r\n",
    "space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + INNER,
    "space before a length's colon": POST + b"Content-Length : 3\r\n\r\nabc",
    "space before the first name": b"POST /v1/x HTTP/1.1\r\n Host: a\r\n\r\n",
    "a header without a colon": POST + b"Content-Length 3\r\n\r\nabc",
    "a header without a name": POST + b": chunked\r\n\r\n",
    "an obs-fold": POST + b"X-A: 1\r\n Content-Length: 3\r\n\r\nabc",
    "bare line feeds": b"POST /v1/x HTTP/1.1\nHost: a.example\nContent-Length: 3\n\nabc",
    "one bare line feed": POST + b"X-A: 1\nContent-Length: 3\r\n\r\nabc",
    "a bare carriage return": POST + b"X-A: 1\rContent-Length: 3\r\n\r\nabc",
    "a NUL in a value": POST + b"X-A: a\0b\r\n\r\n",
    "a NUL in a name": POST + b"X\0A: b\r\n\r\n",
    "a control byte in the path": b"GET /v1/\x01x HTTP/1.1\r\n" + HOST + b"\r\n",
    "a raw byte in the path": b"GET /v1/\xc3\xbc HTTP/1.1\r\n" + HOST + b"\r\n",
    "a fragment": b"GET /v1/x#y HTTP/1.1\r\n" + HOST + b"\r\n",
    "an absolute target": b"GET http://b.example/v1/x HTTP/1.1\r\n" + HOST + b"\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "connect": b"CONNECT b.example:443 HTTP/1.1\r\n" + HOST + b"\r\n" + INNER,
    "connect to a path": b"CONNECT /v1/x HTTP/1.1\r\n" + HOST + b"\r\n" + INNER,
    "an unknown method": b"SMUGGLE /v1/x HTTP/1.1\r\n" + HOST + b"\r\n",
    "a method in lower case": b"get /v1/x HTTP/1.1\r\n" + HOST + b"\r\n",
    "HTTP/0.9": b"GET /v1/x\r\n\r\n",
    "HTTP/1.2": b"GET /v1/x HTTP/1.2\r\n" + HOST + b"\r\n",
    "HTTP/2.0 in a request line": b"GET /v1/x HTTP/2.0\r\n" + HOST + b"\r\n",
    "HTTP/11": b"GET /v1/x HTTP/11\r\n" + HOST + b"\r\n",
    "another protocol": b"GET /v1/x ICE/1.1\r\n" + HOST + b"\r\n",
    "the HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "no host": b"GET /v1/x HTTP/1.1\r\n\r\n",
    "an empty host": b"GET /v1/x HTTP/1.1\r\nHost:\r\n\r\n",
    "two hosts": b"GET /v1/x HTTP/1.1\r\n" + HOST + b"Host: b.example\r\n\r\n",
    "two equal hosts": b"GET /v1/x HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "a host with a path": b"GET /v1/x HTTP/1.1\r\nHost: a.example/livez?\r\n\r\n",
    "a host with a user": b"GET /v1/x HTTP/1.1\r\nHost: a@b.example\r\n\r\n",
    "a host with a space": b"GET /v1/x HTTP/1.1\r\nHost: a b\r\n\r\n",
    "a list of hosts": b"GET /v1/x HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "a host with a wrong port": b"GET /v1/x HTTP/1.1\r\nHost: a:http\r\n\r\n",
    "a host in brackets that is no address": b"GET /v1/x HTTP/1.1\r\nHost: [/livez]\r\n\r\n",
    "a negative chunk size": POST + CHUNKED + b"\r\n-1\r\nx\r\n0\r\n\r\n",
    "a chunk size with 0x": POST + CHUNKED + b"\r\n0x1\r\nx\r\n0\r\n\r\n",
    "a chunk size that overflows": POST + CHUNKED + b"\r\nfffffffffffffffff\r\nx\r\n0\r\n\r\n",
    "a chunk size with a space": POST + CHUNKED + b"\r\n1 \r\nx\r\n0\r\n\r\n",
    "an empty chunk size": POST + CHUNKED + b"\r\n\r\nx\r\n0\r\n\r\n",
    "a chunk that is too long": POST + CHUNKED + b"\r\n1\r\nxx\r\n0\r\n\r\n",
    "a chunk size ended by a bare line feed": POST + CHUNKED + b"\r\n1\nx\r\n0\r\n\r\n",
    "a chunk ended by a bare line feed": POST + CHUNKED + b"\r\n1\r\nx\n0\r\n\r\n",
    "a chunk extension with a bare line feed": POST + CHUNKED + b"\r\n1;a\nx\r\n0\r\n\r\n",
    "a trailer with a bare line feed": POST + CHUNKED + b"\r\n0\r\nX-A: 1\n\r\n",
    "an expectation nobody knows": POST + b"Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc",
}

SERVED_ONCE = {
    "a chunk extension": (POST + CHUNKED + b"Connection: close\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n", b"abc"),
    "a trailer": (POST + CHUNKED + b"Connection: close\r\n\r\n3\r\nabc\r\n0\r\nHost: evil\r\n\r\n", b"abc"),
    "chunked in capitals": (POST + b"Transfer-Encoding: CHUNKED\r\nConnection: close\r\n\r\n0\r\n\r\n", b""),
    "spaces around a length": (POST + b"Content-Length: \t3 \t\r\nConnection: close\r\n\r\nabc", b"abc"),
    "leading zeros": (POST + b"Content-Length: 003\r\nConnection: close\r\n\r\nabc", b"abc"),
    "an underscore for a dash": (POST + b"Content_Length: 9\r\nTransfer_Encoding: chunked\r\nConnection: close\r\n\r\n", b""),
    "line ends ahead of the request": (b"\r\n\r\n" + POST + b"Connection: close\r\n\r\n", b""),
    "a request behind the last one": (POST + b"Connection: close\r\n\r\n" + INNER, b""),
    "a body and a request behind the last one": (POST + b"Connection: close\r\nContent-Length: 3\r\n\r\nabc" + INNER, b"abc"),
    "HTTP/1.0 asking to stay": (b"POST /v1/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + INNER, b""),
    "h2c with a body": (
        POST + b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"
        b"Content-Length: %d\r\n\r\n" % len(INNER) + INNER,
        INNER,
    ),
    "h2c with a chunked body": (
        POST + CHUNKED + b"Connection: upgrade, close\r\nUpgrade: h2c\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(INNER), INNER),
        INNER,
    ),
    "a websocket": (
        POST + b"Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        b"",
    ),
    "an upgrade on HTTP/1.0": (b"POST /v1/x HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", b""),
    "a host that is an address": (b"POST /v1/x HTTP/1.1\r\nHost: [::1]:4000\r\nConnection: close\r\n\r\n", b""),
}  # fmt: skip

PIECES = pytest.mark.parametrize("piece", [0, 1], ids=["whole", "byte by byte"])


def assert_refused(answer: bytes, status: int = 400) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    assert b"connection: close" in head
    assert b"content-length: %d" % len(body) in head
    assert re.search(rb"\r\nx-request-id: (sy-\w+)\r\nx-switchyard-request-id: \1\r\n", head)
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert (error["param"], error["code"]) == (None, None)


@PIECES
def test_an_ambiguous_request_is_refused_and_the_connection_closed(
    piece: int, subtests: pytest.Subtests
) -> None:
    """Each case is a 400 in OpenAI's shape, then end of file; nothing of it reaches the app."""

    async def main() -> None:
        app = Recorder()
        async with open_port(app) as port:
            for name, sent in REFUSED.items():
                with subtests.test(name):
                    assert_refused(await port.exchange(sent, piece=piece))
                    assert app.seen == []

    run(main())


@PIECES
def test_an_unusual_but_clear_request_is_served_exactly_once(piece: int, subtests: pytest.Subtests) -> None:
    """The app sees one request with exactly this body, the client one answer."""

    async def main() -> None:
        app = Recorder()
        async with open_port(app) as port:
            for name, (sent, body) in SERVED_ONCE.items():
                with subtests.test(name):
                    app.seen.clear()
                    answer = await port.exchange(sent, piece=piece)
                    assert answer.startswith(b"HTTP/1.1 200 ")
                    assert answer.count(b"HTTP/1.1 ") == 1
                    assert app.seen == [("POST", "/v1/x", body)]

    run(main())


@PIECES
def test_garbage_behind_a_good_request_is_refused_after_its_answer(piece: int) -> None:
    """The good request is answered whole first; then a 400, then end of file."""

    async def main() -> None:
        app = Recorder()
        async with open_port(app) as port:
            answer = await port.exchange(POST + b"Content-Length: 3\r\n\r\nabcGARBAGE\r\n\r\n", piece=piece)
            first, refusal = answer.split(b"\r\n\r\n3HTTP/1.1 ")
            assert first.startswith(b"HTTP/1.1 200 ")
            assert_refused(b"HTTP/1.1 " + refusal)
            assert len(app.seen) == 1

    run(main())


def test_trailers_never_become_headers() -> None:
    """A trailer named like a header is dropped: the app's header list stays what it was when the app started."""

    async def main() -> None:
        app = Recorder()
        async with open_port(app) as port:
            await port.exchange(
                POST
                + CHUNKED
                + b"Connection: close\r\n\r\n0\r\nAuthorization: Bearer other\r\nHost: b\r\n\r\n"
            )
            names = [name for name, _ in app.scopes[0]["headers"]]
            assert names == [b"host", b"transfer-encoding", b"connection"]

    run(main())


def test_pipelined_requests_are_answered_in_order() -> None:
    """Ten requests in one write: ten answers, in the order they were sent."""

    async def main() -> None:
        app = Recorder()
        async with open_port(app) as port:
            sent = b"".join(POST + b"Content-Length: %d\r\n\r\n%b" % (n, b"x" * n) for n in range(9))
            answer = await port.exchange(sent + POST + b"Connection: close\r\n\r\n")
            assert [len(body) for _, _, body in app.seen] == [*range(9), 0]
            assert [part[:1] for part in answer.split(b"\r\n\r\n")[1:]] == [b"%d" % n for n in (*range(9), 0)]

    run(main())


def test_a_flood_of_pipelined_requests_is_cut() -> None:
    """A thousand requests in one write: the first few are served, the rest refused; nothing is queued without end."""

    async def main() -> None:
        app = Recorder()
        async with open_port(app) as port:
            answer = await port.exchange((POST + b"\r\n") * 1000)
            assert len(app.seen) == 17
            assert_refused(b"HTTP/1.1 400 " + answer.split(b"HTTP/1.1 400 ")[1])

    run(main())
