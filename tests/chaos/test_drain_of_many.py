"""SIGTERM with two hundred streams open, half of them longer than the grace period."""

import json
import signal
import time

import pytest
import town
from wire import Line, asking, posts, written

pytestmark = pytest.mark.chaos

GRACE_S = 4
STREAMS = 200


def opened(port, said):
    line = Line(port)
    line.send(written("POST", "/v1/chat/completions", json.dumps(asking(said, stream=True)).encode()))
    return line


def test_two_hundred_streams_end_whole_or_say_so(_upstream):
    """Short ones 100 % whole, long ones with an error frame, a row for each, gone within the grace and five seconds."""
    _upstream.forget()
    with town.proxy(_upstream, f"server: {{drain_seconds: {GRACE_S}, workers: 2}}\n") as door:
        short = [
            opened(door.port, f"[[sandbox:words=5]] [[sandbox:pace=0.05]] {n}") for n in range(STREAMS // 2)
        ]
        long = [opened(door.port, f"[[sandbox:words=9]] [[sandbox:pace=9]] {n}") for n in range(STREAMS // 2)]
        while len(posts(_upstream)) < STREAMS:
            time.sleep(0.01)
        for line in (*short, *long):
            line.head()
        began = time.monotonic()
        door.signal(signal.SIGTERM)
        status = door.process.wait(GRACE_S + 20)
        took_s = time.monotonic() - began
        # Every answer is small enough to lie in the kernel's buffers by now.
        whole = [line.rest() for line in short]
        broken = [line.rest() for line in long]
        for line in (*short, *long):
            line.close()
    assert status == 0
    assert took_s <= GRACE_S + 5
    assert sum(b"data: [DONE]" in body and b'"error"' not in body for body in whole) == STREAMS // 2
    assert sum(b'"error"' in body and b"[DONE]" not in body for body in broken) == STREAMS // 2
    rows = [line for line in door.lines if line["event"] == "request"]
    assert len(rows) == STREAMS
    assert sum(row["finish"] == "cut" and row["estimated"] for row in rows) == STREAMS // 2
    print(f"\n{STREAMS} streams, grace {GRACE_S} s: gone after {took_s:.2f} s")
