"""The end: what is running finishes or is told, nothing new is begun, every request leaves its row."""

import json
import os
import signal
import socket
import threading
import time
from dataclasses import dataclass, field

import pytest
import town
from wire import Line, ask, asking, posts, written

GRACE_S = 2
CONFIG = f"server: {{drain_seconds: {GRACE_S}}}\n"
SHORT = "[[sandbox:words=5]] [[sandbox:pace=0.02]] hi"
LONG = "[[sandbox:words=5]] [[sandbox:pace=5]] hi"
SHAPES = {
    "/v1/chat/completions": lambda said: asking(said, stream=True),
    "/v1/responses": lambda said: {"model": "gpt-4.1-mini", "input": said, "stream": True},
}


@dataclass
class Ending:
    """What was seen of one shutdown."""

    door: town.Proxy
    answers: dict = field(default_factory=dict)
    status: int = 0
    took_s: float = 0.0
    lines: list = field(default_factory=list)
    errors: str = ""
    ready: list = field(default_factory=list)
    refused: bool = False
    kept: object = None
    half_sent: object = None


def opened(port, path, body):
    line = Line(port)
    line.send(written("POST", path, json.dumps(body).encode()))
    return line


def finished(line):
    """(head, body) of an answer whose body may have been cut."""
    with line:
        head = line.head()
        head.body = line._body(head)
        return head


@pytest.fixture(scope="module", params=["close", "drain"])
def ending(_upstream, request):
    """Two shutdowns, the second of a proxy whose calls outlive their callers. Each with twelve streams, two whole answers, a half-sent request and an idle connection open."""
    _upstream.forget()
    with town.proxy(_upstream, f"{CONFIG}defaults: {{on_disconnect: {request.param}}}\n") as door:
        seen = Ending(door)
        lines = {}
        for path, body in SHAPES.items():
            for number in range(3):
                lines["short", path, number] = opened(door.port, path, body(SHORT))
                lines["long", path, number] = opened(door.port, path, body(LONG))
        for number in range(2):
            lines["whole", number] = opened(door.port, "/v1/chat/completions", asking("[[sandbox:hang]] hi"))
        half = Line(door.port)
        half.send(written("POST", "/v1/chat/completions", headers={"content-length": "1000"}) + b'{"model"')
        waiting = len(lines)
        town_wait(lambda: len(posts(_upstream)) == waiting)
        # The streams are open on this side too before the signal comes.
        for key, line in lines.items():
            if key[0] != "whole":
                while b"data:" not in line.buffered:
                    line._more()
        kept = Line(door.port)
        kept.send(written("GET", "/livez"))
        kept.answer()
        began = time.monotonic()
        door.signal(signal.SIGTERM)
        watch(seen, door)
        threads = [
            threading.Thread(target=lambda k=key, l=line: seen.answers.__setitem__(k, finished(l)))
            for key, line in lines.items()
        ]
        for thread in threads:
            thread.start()
        with kept:
            seen.kept = kept.rest()
        seen.half_sent = finished(half)
        seen.status = door.process.wait(GRACE_S + 10)
        seen.took_s = time.monotonic() - began
        for thread in threads:
            thread.join(5)
        seen.errors = (door.folder / "stderr").read_text()
    seen.lines = list(door.lines)
    yield seen


def watch(seen, door):
    """Readiness and the listening socket right after the signal."""
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline and not seen.refused:
        try:
            seen.ready.append(ask(door.admin_port, "GET", "/readyz").status)
            socket.create_connection(("127.0.0.1", door.port), 1).close()
        except ConnectionRefusedError:
            seen.refused = True


def town_wait(condition, timeout_s=10):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def test_short_streams_finish_whole(ending):
    """What can end within the grace ends as if nothing had happened."""
    for (kind, path, _), answer in three(ending):
        if kind == "short" and path.endswith("completions"):
            assert answer.body.endswith(b"data: [DONE]\n\n")
            assert b'"error"' not in answer.body
        elif kind == "short":
            assert b"event: response.completed" in answer.body


def test_long_streams_end_with_an_error_frame(ending):
    """A cut answer must never look like a whole one: an error the SDK raises on, and no [DONE]."""
    for (kind, path, _), answer in three(ending):
        if kind != "long":
            continue
        last = answer.body.rstrip(b"\n").rpartition(b"\n\n")[2]
        assert b"[DONE]" not in answer.body
        assert b"response.completed" not in answer.body
        data = json.loads(last.split(b"data: ", 1)[1])
        assert data["error"]["type"] == "server_error"
        assert set(data["error"]) == {"message", "type", "param", "code"}
        if path == "/v1/responses":
            assert last.startswith(b"event: error\n")
            assert data["type"] == "error"


def test_answers_that_had_not_begun_are_503(ending):
    """With retry-after, so that the SDK asks again, by then another replica."""
    for key, answer in ending.answers.items():
        if key[0] == "whole":
            assert answer.status == 503
            assert answer.headers["retry-after"] == "1"
            assert answer.headers["connection"] == "close"
            assert answer.error["type"] == "server_error"


def test_a_request_still_arriving_is_told_too(ending):
    """A body that was not complete when patience ended gets the same 503 instead of a reset."""
    assert ending.half_sent.status == 503
    assert ending.half_sent.error["type"] == "server_error"


def test_it_ends_in_time_with_status_0(ending):
    """Within the grace period and five seconds."""
    assert ending.status == 0
    assert ending.took_s <= GRACE_S + 5


def test_readiness_ends_first_and_new_connections_are_refused(ending):
    """The admin port says 503 from the signal on; the data port is closed rather than accepting what nobody answers."""
    assert ending.ready
    assert set(ending.ready) == {503}
    assert ending.refused


def test_an_idle_connection_is_closed(ending):
    """So that a client's pool opens its next one elsewhere."""
    assert ending.kept == b""


def test_every_request_left_its_row(ending):
    """Also the cut ones, with what was seen of them and marked as estimated."""
    rows = [line for line in ending.lines if line["event"] == "request"]
    ends = sorted(row["finish"] for row in rows)
    assert len(rows) == 14
    assert ends.count("stop") == 6
    assert all(row["estimated"] for row in rows if row["finish"] != "stop")
    assert all(row["status"] == 503 for row in rows if not row["stream"])
    drained = [line for line in ending.lines if line["event"] == "drained"]
    assert [line["aborted"] for line in drained] == [0]


def test_nothing_is_said_but_the_banner(ending):
    """No traceback and no warning of a library on the way out."""
    assert "Traceback" not in ending.errors
    assert "Error" not in ending.errors


def test_answers_begun_before_the_signal_say_goodbye(ending):
    """Their heads were out; the ones begun later carry `connection: close`. Every connection is closed either way."""
    assert all(answer.headers.get("connection") in (None, "close") for answer in ending.answers.values())


def three(ending):
    found = [(key, answer) for key, answer in ending.answers.items() if len(key) == 3]
    assert len(found) == 12
    return found


def test_ctrl_c_ends_it_quietly(_upstream):
    """SIGINT to the whole group, as a terminal sends it: drained like SIGTERM, status 0, no traceback."""
    with town.proxy(_upstream, CONFIG) as door:
        line = opened(door.port, "/v1/chat/completions", asking(SHORT, stream=True))
        while b"data:" not in line.buffered:
            line._more()
        worker = workers(door)[0]
        door.signal(signal.SIGINT)
        os.kill(worker, signal.SIGINT)
        os.kill(worker, signal.SIGHUP)
        assert finished(line).body.endswith(b"data: [DONE]\n\n")
        assert door.process.wait(10) == 0
        errors = (door.folder / "stderr").read_text()
    assert "Traceback" not in errors
    assert "KeyboardInterrupt" not in errors


def workers(door):
    return [worker["pid"] for worker in ask(door.admin_port, "GET", "/admin/status").json()["workers"]]
