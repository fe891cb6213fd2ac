"""Heads of answers, byte for byte."""

import pytest

from proxy.api.answer import (
    CHUNKED,
    CHUNKED_LINE,
    LENGTH,
    NONE,
    UNTIL_CLOSE,
    answer_head,
    own_head,
    status_line,
)

DATE = b"date: now\r\n"


def head(status: int = 200, *fields: tuple[bytes, bytes], head_only=False, old=False, close=False):
    return answer_head(status, fields, DATE, head_only=head_only, old=old, close=close)


def test_the_body_is_delimited_by_length_in_chunks_or_by_the_end() -> None:
    """The framing follows from the length, the method, the status and the version alone."""
    length = (b"content-length", b"3")
    assert head(200, length)[1:] == (LENGTH, 3, False)
    assert head(200)[1:] == (CHUNKED, 0, False)
    assert head(200, old=True, close=True)[1:] == (UNTIL_CLOSE, 0, True)
    assert head(200, length, head_only=True)[1:] == (NONE, 0, False)
    assert head(304, length)[1:] == (NONE, 0, False)
    assert head(204)[1:] == (NONE, 0, False)


def test_a_head_is_written_in_lower_case_with_our_own_framing() -> None:
    """The app's transfer-encoding is dropped, its `connection: close` obeyed and said once."""
    fields = [
        (b"X-Name", b"Value"),
        (b"Transfer-Encoding", b"gzip"),
        (b"Connection", b"Close"),
        (b"Content-Length", b"0"),
    ]
    assert head(200, *fields)[0] == (
        b"HTTP/1.1 200 OK\r\ndate: now\r\nx-name: Value\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
    assert head(200, (b"connection", b"keep-alive"))[0] == (
        b"HTTP/1.1 200 OK\r\ndate: now\r\ntransfer-encoding: chunked\r\n\r\n"
    )


@pytest.mark.parametrize("value", [b"a\r\nb: c", b"a\nb: c", b"a\rb", b"a\0b", b"a\r\n", b"\n"])
def test_a_field_cannot_start_another(value: bytes) -> None:
    """Neither in a name nor in a value."""
    for field in ((b"x", value), (value, b"x")):
        with pytest.raises(RuntimeError):
            head(200, field)


def test_a_status_nobody_named_has_no_phrase() -> None:
    """Upstreams may answer 529."""
    assert status_line(529) == b"HTTP/1.1 529 \r\n"
    assert status_line(429) == b"HTTP/1.1 429 Too Many Requests\r\n"


@pytest.mark.parametrize("close", [False, True])
def test_a_head_of_our_own_is_the_one_its_fields_would_have(close) -> None:
    """Written in one step, it is the same head field for field, by length and in chunks."""
    fields = [(b"content-type", b"application/json"), (b"x-request-id", b"r")]
    sized = head(200, *fields, (b"content-length", b"12"), close=close)[0]
    assert own_head(200, fields, b"content-length: 12\r\n", DATE, close=close) == sized
    assert own_head(200, fields, CHUNKED_LINE, DATE, close=close) == head(200, *fields, close=close)[0]
    ended = head(200, *fields, old=True, close=close)[0]
    assert own_head(200, fields, b"", DATE, close=close) == ended


@pytest.mark.parametrize("value", [b"a\r\nx-more: b", b"a\nb", b"a\rb", b"a\0b"])
def test_a_field_of_our_own_cannot_start_another(value) -> None:
    """A stray line end or NUL is refused, however it came into a value."""
    with pytest.raises(RuntimeError):
        own_head(200, [(b"x-name", value)], CHUNKED_LINE, DATE, close=False)
