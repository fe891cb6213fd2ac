"""The request head: what is written, and that nothing can be written into it."""

import pytest

from proxy.upstreams.http import Origin
from proxy.upstreams.request_head import CHUNKED, RequestHeads, declared_length

HEADS = RequestHeads(Origin.from_url("https://api.example.com/v1/"))


def test_a_head_is_written_line_by_line() -> None:
    """Base path before the target, our host and length, the caller's headers as they are spelt."""
    head = HEADS.build(b"POST", b"/chat?x=1", [(b"Authorization", b"Bearer k")], 12)
    assert head == (
        b"POST /v1/chat?x=1 HTTP/1.1\r\nhost: api.example.com\r\nAuthorization: Bearer k\r\n"
        b"accept-encoding: identity\r\ncontent-length: 12\r\n\r\n"
    )


def test_a_get_without_a_body_has_no_length() -> None:
    """And a POST without one says zero."""
    assert b"content-length" not in HEADS.build(b"GET", b"/", [], 0)
    assert b"content-length: 0\r\n" in HEADS.build(b"POST", b"/", [], 0)
    assert b"transfer-encoding: chunked\r\n" in HEADS.build(b"POST", b"/", [], CHUNKED)


def test_the_callers_accept_encoding_replaces_ours() -> None:
    """One line, theirs."""
    head = HEADS.build(b"GET", b"/", [(b"Accept-Encoding", b"gzip")], 0)
    assert head.lower().count(b"accept-encoding") == 1
    assert b"gzip" in head


@pytest.mark.parametrize("bad", [b"\r", b"\n", b"\r\n", b"\0", b"a\r\nx: y", b"\r\n\r\nGET / HTTP/1.1"])
@pytest.mark.parametrize("place", ["value", "name", "target", "method"])
def test_a_line_break_or_nul_is_refused_wherever_it_stands(bad: bytes, place: str) -> None:
    """Header values are the caller's words; they must stay inside their line."""
    parts = {"value": b"v", "name": b"x-n", "target": b"/t", "method": b"POST"}
    parts[place] += bad
    with pytest.raises(ValueError, match=r"not allowed|CR, LF or NUL|no token") as caught:
        HEADS.build(parts["method"], parts["target"], [(parts["name"], parts["value"])], 0)
    assert "x: y" not in str(caught.value)


@pytest.mark.parametrize(
    "name", [b"Host", b"connection", b"Transfer-Encoding", b"upgrade", b"te", b"a b", b"", b"x:"]
)
def test_framing_is_not_the_callers(name: bytes) -> None:
    """Two opinions on where a request ends are one request too many."""
    with pytest.raises(ValueError, match="header"):
        HEADS.build(b"POST", b"/", [(name, b"x")], 0)


def test_a_given_length_is_not_repeated() -> None:
    """The length of a whole body is counted, not believed."""
    assert HEADS.build(b"POST", b"/", [(b"Content-Length", b"99")], 3).lower().count(b"content-length: ") == 1


def test_a_declared_length_is_one_plain_number() -> None:
    """Anything else is refused before a byte is sent."""
    assert declared_length([(b"Content-Length", b"12")]) == 12
    assert declared_length([]) == CHUNKED
    for bad in ([b"+1"], [b"1", b"1"], [b"0x1"], [b""], [b"1, 1"]):
        with pytest.raises(ValueError, match="content-length"):
            declared_length([(b"content-length", value) for value in bad])


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x",
        "http://",
        "x",
        "http://u:p@x",
        "http://x/?q=1",
        "http://x/#f",
        "http://x/a b",
        "http://ü.de",
        "http://x:99999",
    ],
)
def test_an_url_that_cannot_be_an_upstream_is_refused(url: str) -> None:
    """At start, not at the first call; the message does not repeat what may be a secret."""
    with pytest.raises(ValueError) as caught:
        Origin.from_url(url)
    assert "u:p" not in str(caught.value)


def test_authorities_follow_their_scheme() -> None:
    """Default ports are not written, others are, IPv6 is in brackets."""
    assert Origin.from_url("https://a.b:443").authority == b"a.b"
    assert Origin.from_url("http://a.b:8080/x").authority == b"a.b:8080"
    assert Origin.from_url("http://[::1]").authority == b"[::1]"


def test_secrets_are_not_in_any_repr() -> None:
    """An origin may be logged."""
    origin = Origin.from_url("http://a", proxy_url="http://user:hunter2@proxy:3128")
    assert "hunter2" not in repr(origin)
    assert "aHVudGVy" not in repr(origin)
    assert "dXNlcjpodW50ZXIy" not in repr(origin)
