"""Mangled requests, fed whole and in arbitrary pieces: the same requests reach the app, the same answers leave."""

import asyncio
import itertools
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.api.door import Door, DoorLimits
from tests.api.door_kit import Recorder, Sink, protocol_on

PARTS = [
    b"POST /v1/x HTTP/1.1\r\n",
    b"GET / HTTP/1.1\r\n",
    b"GET /a?b HTTP/1.0\r\n",
    b"Host: a\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
    b"Expect: 100-continue\r\n",
    b"\r\n",
    b"abc",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"0\r\nX: y\r\n\r\n",
    b" ",
    b"\n",
    b"\0",
    b"\xff",
    b":",
]
GOOD = [
    b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"GET /v1/y HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
]


REFUSAL = re.compile(rb'400 .*\r\nconnection: close\r\n\r\n\{"error": \{"message": "[^{}]*\}\}', re.DOTALL)


async def outcome(pieces: list[bytes]) -> tuple[list[tuple[str, str, bytes]], list[bytes], bool]:
    """What the app saw, the status lines and bodies that left, and whether the connection was closed."""
    door = Door(DoorLimits(), asyncio.get_running_loop())
    app = Recorder()
    sink = Sink()
    protocol = protocol_on(sink, door, app)
    for piece in pieces:
        protocol.data_received(piece)
        await asyncio.sleep(0)
    for _ in range(200):
        await asyncio.sleep(0)
    closed = sink.closed
    protocol.connection_lost(None)
    for _ in range(3):
        await asyncio.sleep(0)
    assert not door.exchanges
    answers = re.sub(rb"date: [^\r]*\r\n", b"", b"".join(sink.writes))
    # Whether an interim answer was still wanted depends on when the body came, not on what came.
    answers = answers.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
    return app.seen, re.split(rb"HTTP/1\.1 (?=[0-9])", answers), closed


def cut_at(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@settings(max_examples=400, deadline=None, database=None)
@given(
    data=st.one_of(
        st.lists(st.sampled_from(PARTS), max_size=12).map(b"".join),
        st.tuples(
            st.sampled_from(GOOD), st.integers(0, 100), st.sampled_from([*PARTS, b""]), st.integers(0, 3)
        ).map(lambda it: it[0][: it[1]] + it[2] + it[0][it[1] + it[3] :] + GOOD[0]),
    ),
    places=st.lists(st.integers(0, 500), max_size=8),
)
def test_pieces_make_no_difference_and_every_refusal_has_openais_shape(
    data: bytes, places: list[int]
) -> None:
    """400 mangled byte strings: same requests, same statuses, same end, whichever way they are cut; never a 5xx."""

    async def main() -> None:
        whole = await outcome([data] if data else [])
        pieces = await outcome(cut_at(data, places))
        drips = await outcome([data[n : n + 1] for n in range(len(data))])
        for seen, answers, closed in (whole, pieces, drips):
            # Statuses, not messages: which of two faults is met first may depend on the cut.
            assert (seen, closed) == (whole[0], whole[2])
            assert [one[:3] for one in answers] == [one[:3] for one in whole[1]]
            assert len([one for one in answers if one.startswith(b"200 ")]) == len(seen)
            assert all(one.startswith(b"200 ") or REFUSAL.fullmatch(one) for one in answers[1:])

    asyncio.run(main())
