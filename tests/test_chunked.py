"""Frames of the chunked coding, byte for byte."""

from proxy.chunked import chunk


def test_chunks_carry_their_size_and_only_the_last_one_ends_the_body() -> None:
    """An empty chunk would end it, so nothing is written for one."""
    assert chunk(b"x" * 17, last=False) == b"11\r\n" + b"x" * 17 + b"\r\n"
    assert chunk(b"", last=False) == b""
    assert chunk(b"x", last=True) == b"1\r\nx\r\n0\r\n\r\n"
    assert chunk(b"", last=True) == b"0\r\n\r\n"
