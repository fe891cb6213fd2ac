"""Whatever an upstream sends, parsing ends in a response, a fault or the wish for more; and how it is split never matters."""

import gzip
import itertools

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from proxy.chunked import chunk
from proxy.upstreams.framing import MAX_HEAD_BYTES, Framing
from proxy.upstreams.response import Response
from tests.upstreams.rawserver import CHUNKED

SEEDS = [
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nx-t: 1\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Too Many\r\nretry-after: 1\r\ncontent-length: 2\r\n\r\n{}",
    b"HTTP/1.0 200 OK\r\nkeep-alive: timeout=5\r\n\r\nuntil the end",
    b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 21\r\n\r\n" + gzip.compress(b"x"),
    b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid answer with pieces cut out, doubled, replaced or moved."""
    wire = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(0, 4))):
        at, to = sorted((draw(st.integers(0, len(wire))), draw(st.integers(0, len(wire)))))
        middle = draw(
            st.one_of(st.just(b""), st.just(wire[at:to] * 2), st.binary(max_size=6), st.sampled_from(SEEDS))
        )
        wire = wire[:at] + middle + wire[to:]
    return wire


def parsed(pieces: list[bytes], method: bytes) -> tuple[object, ...]:
    """What a connection would make of `pieces`, up to the end of the response or the first fault."""
    framing, response = Framing(), Response(1.0, 0.0)
    framing.begin(response, method)
    fault = None
    for piece in pieces:
        fault = framing.feed(piece)
        if response.complete or fault:
            break
    framing.release()
    body = b"".join(response.parts)
    if response.complete:
        return ("complete", response.status, response.headers, body, framing.idle_hint_s)
    if fault:
        return ("fault", response.status)
    return ("more", response.status, response.headers, body, framing.ends_with_close)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(wire=mutated(), method=st.sampled_from([b"POST", b"GET", b"HEAD"]), size=st.integers(1, 9))
@example(wire=b"", method=b"POST", size=1)
@example(wire=b"\r\n\r\n", method=b"POST", size=1)
def test_any_bytes_parse_the_same_whole_and_in_pieces(wire: bytes, method: bytes, size: int) -> None:
    """No exception, no difference between one read and many, and never a complete response without a status."""
    whole = parsed([wire] if wire else [], method)
    split = parsed([wire[i : i + size] for i in range(0, len(wire), size)], method)
    assert whole == split
    if whole[0] == "complete":
        assert 200 <= whole[1] <= 599


@settings(max_examples=100, deadline=None)
@given(wire=st.binary(max_size=200))
def test_garbage_is_a_fault_or_a_wait_for_more(wire: bytes) -> None:
    """Noise never becomes an answer."""
    assert parsed([wire] if wire else [], b"POST")[0] != "complete"


def test_a_response_may_send_no_more_than_a_head_without_body() -> None:
    """Up to the limit it is read, over it it is a fault, wherever the bytes without body stand."""
    head = b"HTTP/1.1 200 OK\r\nx: " + b"y" * (MAX_HEAD_BYTES - 60) + b"\r\ncontent-length: 0\r\n\r\n"
    assert parsed([head], b"GET")[0] == "complete"
    assert parsed([head[:20], b"y" * 60, head[20:]], b"GET")[0] == "fault"
    assert parsed([head[:20] + b"y" * 60 + head[20:-2] + b"z: 1\r\n\r\n"], b"GET")[0] == "fault"


BODIES = st.binary(min_size=1, max_size=40) | st.sampled_from(
    [
        b"data\n\n",
        b"5\r\nhello\r\n",
        b"\r\n",
        b"1\r\n",
        b"\r\n1\r\nx\r\n",
        b"0\r\n\r\n",
        b"1\r\nx\r\n1\r\ny\r\n",
        b"1",
        b"a1",
        b"\n",
    ]
)


@settings(max_examples=600, deadline=None)
@given(bodies=st.lists(BODIES, min_size=1, max_size=6), cuts=st.lists(st.integers(0, 300), max_size=8))
@example(bodies=[b"1", b"z"], cuts=[3, 9])
@example(bodies=[b"a1", b"\r"], cuts=[4, 10])
def test_the_parser_stands_between_chunks_when_it_is_said_to(bodies: list[bytes], cuts: list[int]) -> None:
    """However a body is cut into reads, and though its chunks look like frames themselves: it is said only where a frame
    begins, and always behind a line's frame that came alone."""
    frames = [chunk(body, last=False) for body in bodies]
    ends = list(itertools.accumulate(map(len, frames), initial=0))
    wire = b"".join(frames) + b"0\r\n\r\n"
    framing, response = Framing(), Response(1.0, 0.0)
    framing.begin(response, b"POST")
    assert framing.feed(CHUNKED) is None
    assert not framing.between_chunks
    for start, end in itertools.pairwise(sorted({0, len(wire), *[cut for cut in cuts if cut < len(wire)]})):
        assert framing.feed(wire[start:end]) is None
        alone = (start, end) in itertools.pairwise(ends) and wire[end - 3 : end] == b"\n\r\n"
        assert framing.between_chunks == alone
    assert response.complete
    assert b"".join(response.parts) == b"".join(bodies)
    framing.release()


def test_a_fault_is_no_place_between_chunks() -> None:
    """Whatever the parser found before it."""
    framing = Framing()
    framing.begin(Response(1.0, 0.0), b"POST")
    assert framing.feed(CHUNKED + b"2\r\n") is None
    assert framing.feed(b"a\n\r\n") is None
    assert framing.feed(b"2\r\na\n\r\n") is None
    assert framing.between_chunks
    assert framing.feed(b"2\r\na\nXX") is not None
    assert not framing.between_chunks
    framing.release()
