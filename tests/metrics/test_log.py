"""The log: whole lines, never forged, never in the way."""

import json
import os
import threading
from pathlib import Path

import pytest

from proxy.metrics.log import Log
from proxy.nouns import Usage

from .rows import row

NOW = 1795000000.5


def put(log, one):
    log.request(one, one.as_json())


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_request_is_one_line_with_the_rows_fields(tmp_path):
    """Field names are the ledger row's; level and event come first."""
    path = tmp_path / "log"
    with path.open("wb") as file:
        log = Log(file.fileno(), lambda: NOW)
        put(log, row())
        put(log, row(status=502, error="overloaded"))
        log.close()
    first, second = lines_of(path)
    assert first["level"] == "info" and first["event"] == "request"
    assert first["request_id"] == row().request_id and first["usage"]["cached_tokens"] == 512
    assert first["cost_nano"] == 423_000 and list(first)[:2] == ["level", "event"]
    assert second["status"] == 502 and second["error"] == "overloaded"


@pytest.mark.parametrize(
    "name",
    [
        'x\n{"event":"request"}',
        "x\r\nfake",
        "\x1b[2J",
        "a\x7fb",
        "\x9b31m",
        "\u2028",
        "\u202e",
        "\ud800",
        "é",
        '"',
        "\\",
    ],
)
def test_no_name_forges_a_line_or_speaks_to_a_terminal(tmp_path, name):
    """Whatever a name holds, the output is one line of printable ASCII that parses back to the name."""
    path = tmp_path / "log"
    with path.open("wb") as file:
        log = Log(file.fileno(), lambda: NOW)
        put(log, row(asked=name, response_model=name))
        log.event("warning", "warning", model=name)
        log.close()
    raw = path.read_bytes()
    assert raw.count(b"\n") == 2
    assert all(32 <= byte < 127 or byte == 10 for byte in raw)
    first, second = lines_of(path)
    assert first["asked"] == first["response_model"] == second["model"] == name


def test_fields_and_lines_have_a_longest_length(tmp_path):
    """A name of a megabyte is cut to 256 characters, a row full of them stays under 4096 bytes."""
    path = tmp_path / "log"
    long = "\u202e" * 1_000_000
    with path.open("wb") as file:
        log = Log(file.fileno(), lambda: NOW)
        put(log, row(asked=long))
        put(
            log,
            row(
                asked=long, served=long, key_name=long, team=long, task=long, error=long, changes=(long,) * 50
            ),
        )
        log.event("start", **{f"field{number}": long for number in range(40)})
        log.close()
    raw = path.read_bytes().splitlines()
    assert all(len(line) < 4096 for line in raw)
    first, second, third = map(json.loads, raw)
    assert len(first["asked"]) == 256 and first["served"] == "gpt-4.1-mini"
    assert second["cut"] is True and second["status"] == 200
    assert third["event"] == "start"


def test_numbers_that_json_cannot_hold_become_null(tmp_path):
    """NaN in a duration does not make a line other programs refuse."""
    path = tmp_path / "log"
    with path.open("wb") as file:
        log = Log(file.fileno(), lambda: NOW)
        put(log, row(duration_ms=float("nan"), asked="é", usage=Usage()))
        put(log, row(duration_ms=float("inf")))
        log.close()
    assert [line["duration_ms"] for line in lines_of(path)] == [None, None]


def test_events_carry_the_clock_they_were_given(tmp_path):
    """`at` of an event is the passed-in clock, its level and fields as told."""
    path = tmp_path / "log"
    with path.open("wb") as file:
        log = Log(file.fileno(), lambda: NOW)
        log.event("reload", "error", file="switchyard.yaml", line=12)
        log.close()
    assert lines_of(path) == [
        {"level": "error", "event": "reload", "at": NOW, "file": "switchyard.yaml", "line": 12}
    ]


def test_lines_of_several_writers_on_one_pipe_do_not_mix():
    """Four logs write into one pipe at once; every line arrives whole."""
    reading, writing = os.pipe()
    logs = [Log(writing, lambda: NOW, gather_s=0.0) for _ in range(4)]
    got: list[bytes] = []

    def drain() -> None:
        with os.fdopen(reading, "rb") as file:
            got.extend(file)

    reader = threading.Thread(target=drain)
    reader.start()
    for number in range(400):
        for index, log in enumerate(logs):
            put(log, row(request_id=f"{index}-{number}"))
    for log in logs:
        log.close()
    os.close(writing)
    reader.join()
    ids = [json.loads(line)["request_id"] for line in got]
    assert len(ids) == 1600 == len(set(ids))
    assert [i for i in ids if i.startswith("2-")] == [f"2-{number}" for number in range(400)]


def test_a_reader_that_stands_still_costs_lines_and_not_requests():
    """Nobody reads the pipe: `request` returns for far more than fits; afterwards the drops are told."""
    reading, writing = os.pipe()
    log = Log(writing, lambda: NOW, gather_s=0.0)
    for number in range(20_000):
        put(log, row(request_id=f"r{number}"))
    got = bytearray()
    while b"log_dropped" not in got:
        got += os.read(reading, 65536)
    log.close()
    os.close(writing)
    os.close(reading)
    told = next(json.loads(line) for line in bytes(got).split(b"\n") if b"log_dropped" in line)
    assert told["level"] == "warning" and 0 < told["lines"] < 20_000


def test_a_closed_reader_is_survived():
    """When the pipe's reader is gone, lines go nowhere and nothing raises."""
    reading, writing = os.pipe()
    os.close(reading)
    log = Log(writing, lambda: NOW, gather_s=0.0)
    for _ in range(100):
        put(log, row())
    log.close()
    os.close(writing)


def test_a_non_blocking_descriptor_loses_nothing():
    """Somebody made the shared stdout non-blocking: the thread waits for room."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    log = Log(writing, lambda: NOW, gather_s=0.0)
    for number in range(300):
        put(log, row(request_id=f"r{number}"))
    with os.fdopen(reading, "rb") as file:
        ids = [json.loads(file.readline())["request_id"] for _ in range(300)]
        log.close()
    os.close(writing)
    assert ids == [f"r{number}" for number in range(300)]
