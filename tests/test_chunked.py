"""Frames of the chunked coding, byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.chunked import chunk, framed


def test_chunks_carry_their_size_and_only_the_last_one_ends_the_body() -> None:
    """An empty chunk would end it, so nothing is written for one."""
    assert chunk(b"x" * 17, last=False) == b"11\r\n" + b"x" * 17 + b"\r\n"
    assert chunk(b"", last=False) == b""
    assert chunk(b"x", last=True) == b"1\r\nx\r\n0\r\n\r\n"
    assert chunk(b"", last=True) == b"0\r\n\r\n"


@given(st.binary(min_size=1, max_size=600))
def test_a_frame_is_recognised_by_what_it_would_be_written_as(body: bytes) -> None:
    """Whatever is in it; a byte less, a byte more or two of them are not one frame."""
    frame = chunk(body, last=False)
    assert framed(frame) == body
    for other in (frame[:-1], frame[1:], frame + b"\n", frame + frame, b"0" + frame, chunk(body, last=True)):
        assert framed(other) == b""


@pytest.mark.parametrize("size", [1, 15, 16, 4095, 4096, 65_535])
def test_frames_of_every_length_of_size_line_are_recognised(size: int) -> None:
    """Up to the largest."""
    assert framed(chunk(b"\n" * size, last=False)) == b"\n" * size
    assert framed(chunk(b"y" * 65_536, last=False)) == b""
    assert framed(b"10000\r\n" + b"y" * 65_529 + b"\r\n") == b""


@pytest.mark.parametrize(
    "wire",
    [b"", b"\r\n", b"0\r\n\r\n", b"A\r\n0123456789\r\n", b"5;a=b\r\nhello\r\n", b"5\nhello\r\n", b"5\r\nhello\n\n", b"-1\r\nx\r\n",
     b"6\r\nhello\r\n", b"4\r\nhello\r\n", b" 5\r\nhello\r\n", b"0x5\r\nhello\r\n", b"5 \r\nhello\r\n"],
)  # fmt: skip
def test_what_is_spelt_in_another_way_is_left_to_the_parser(wire: bytes) -> None:
    """Frame or not, who has a parser will know."""
    assert framed(wire) == b""
