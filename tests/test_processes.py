"""Processes: what starts, what dies, what takes its place, and what is said when it cannot start at all."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import town
from wire import Line, ask, asking, chat, written

SLOW = "[[sandbox:words=6]] [[sandbox:pace=0.1]] hi"


def serve(tmp_path, *args, config="", env=None):
    """`switchyard serve` that is expected to end by itself: (status, stdout, stderr)."""
    command = [sys.executable, "-m", "proxy.cli", "serve", "--port", "0", "--admin-port", "0", *args]
    if config:
        (tmp_path / "c.yaml").write_text(config)
        command += ["--config", str(tmp_path / "c.yaml")]
    surroundings = town._environment(None, {"OPENAI_API_KEY": "sk-x", **(env or {})})
    done = subprocess.run(
        command, cwd=tmp_path, env=surroundings, capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, done.stdout, done.stderr


@contextlib.contextmanager
def starting(tmp_path):
    """`switchyard serve` while it starts."""
    command = [sys.executable, "-m", "proxy.cli", "serve", "--port", "0", "--admin-port", "0"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=town._environment(None, {"OPENAI_API_KEY": "sk-x"}), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_taken_port_is_one_clear_line(tmp_path):
    """Which port, why, and what to do about it; status 1, no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for flag in ("--port", "--admin-port"):
            status, _, errors = serve(tmp_path, flag, str(port))
            assert status == 1
            assert errors == (
                f"switchyard: cannot listen on 127.0.0.1:{port}: Address already in use; "
                "choose another with --port or --admin-port\n"
            )


def test_every_mistake_of_the_file_is_said_at_once(tmp_path):
    """With file and line, and nothing is started."""
    config = "server: {prot: 1}\nauth: {mode: kees}\naliases: {a: auto}\nkeys: [{name: x, hash: nothing}]\n"
    status, out, errors = serve(tmp_path, config=config)
    assert status == 1
    assert out == ""
    lines = errors.splitlines()
    assert [line.split(":")[1] for line in lines] == ["1", "2", "4"]
    assert all(line.startswith(str(tmp_path / "c.yaml")) for line in lines)
    assert 'did you mean "port"?' in lines[0]


def test_what_only_a_worker_would_notice_is_said_before_it_starts(tmp_path):
    """An unreadable CA file: its line in the file and the system's reason, status 1, no restart loop."""
    config = 'providers: {openai: {base_url: "https://x.example/v1", ca_file: /nowhere/ca.pem}}\n'
    status, out, errors = serve(tmp_path, config=config)
    assert status == 1
    assert out == ""
    assert errors == f"{tmp_path / 'c.yaml'}:1: providers.openai.ca_file: No such file or directory\n"
    (tmp_path / "ca.pem").write_text("no certificate")
    status, _, errors = serve(tmp_path, config=config.replace("/nowhere/ca.pem", str(tmp_path / "ca.pem")))
    assert status == 1
    assert "providers.openai.ca_file" in errors
    assert "Traceback" not in errors


def test_a_worker_that_cannot_start_ends_the_parent(tmp_path):
    """Trying again would only repeat what it said: one line about it, status 1."""
    with starting(tmp_path) as process:
        wait_until(lambda: worker_of(process.pid))
        os.kill(worker_of(process.pid), signal.SIGKILL)
        out, errors = process.communicate(timeout=10)
    assert process.returncode == 1
    assert out == ""
    assert errors == "switchyard: a worker ended with status -9 before it could serve\n"


@pytest.mark.parametrize("when_s", [0.15, 0.5, 0.9, 1.3])
def test_sigterm_during_the_start_ends_it_cleanly(tmp_path, when_s):
    """`docker stop` right after `docker run`: gone at once, no traceback, no worker left behind."""
    with starting(tmp_path) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(when_s)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
    # Before Python has read the program the system ends it; later the program does.
    assert process.returncode in (-signal.SIGTERM, 0)
    assert "Traceback" not in errors
    assert "Error" not in errors


@pytest.fixture(scope="module")
def _pair(_upstream):
    with town.proxy(_upstream, "server: {workers: 2}\n") as door:
        yield door


@pytest.fixture
def pair(upstream, _pair):
    """A proxy with two workers."""
    wait_until(lambda: len(ready(_pair)) == 2)
    return _pair


def test_a_killed_worker_is_replaced_and_no_number_goes_back(pair):
    """While it is away the other serves; its counts stay, its requests in flight are forgotten."""
    for _ in range(10):
        assert chat(pair.port).status == 200
    wait_until(lambda: metric(pair, "switchyard_requests_total") >= 10)
    before = metric(pair, "switchyard_requests_total")
    victim = min(ready(pair))
    os.kill(victim, signal.SIGKILL)
    pair.wait_for(lambda line: line["event"] == "worker_died" and str(-signal.SIGKILL) in line["why"])
    assert metric(pair, "switchyard_requests_total") == before
    assert ask(pair.admin_port, "GET", "/readyz").status == 200
    for _ in range(10):
        assert chat(pair.port).status == 200
    wait_until(lambda: len(ready(pair) - {victim}) == 2)
    assert metric(pair, "switchyard_requests_total") == before + 10
    assert metric(pair, "switchyard_requests_in_flight") == 0


def test_modules_of_the_current_directory_are_not_run(pair):
    """A file that happens to be called like one of ours, where the command was started, is nobody's business."""
    for name in ("proxy.py", "uvloop.py", "msgspec.py"):
        (pair.folder / name).write_text("raise SystemExit('run from the current directory')")
    victim = min(ready(pair))
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(ready(pair) - {victim}) == 2)
    assert "run from the current directory" not in (pair.folder / "stderr").read_text()


def test_workers_outlive_a_killed_parent_only_to_finish(_upstream):
    """`kill -9` of the parent: open streams end whole, then the workers are gone and the port with them."""
    with town.proxy(_upstream, "server: {workers: 2, drain_seconds: 10}\n") as door:
        pids = ready(door)
        lines = [Line(door.port) for _ in range(4)]
        for line in lines:
            line.send(written("POST", "/v1/chat/completions", json.dumps(asking(SLOW, stream=True)).encode()))
            assert line.head().status == 200
        door.process.kill()
        door.process.wait()
        for line in lines:
            body = b""
            while piece := line.chunk():
                body += piece
            assert body.endswith(b"data: [DONE]\n\n")
            line.close()
        wait_until(lambda: not any(map(alive, pids)))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", door.port), 1)
        rows = [line for line in door.lines if line["event"] == "request"]
    assert [row["finish"] for row in rows] == ["stop"] * 4


@pytest.mark.chaos
def test_metrics_stay_monotone_while_workers_are_killed(_upstream):
    """Ten kills under load: the sum of requests never goes back, and the proxy serves at the end."""
    with town.proxy(_upstream, "server: {workers: 2}\n") as door:
        stop, seen = threading.Event(), []

        def scrape():
            while not stop.is_set():
                seen.append(metric(door, "switchyard_requests_total"))
                time.sleep(0.02)

        def call():
            while not stop.is_set():
                try:
                    chat(door.port)
                except (OSError, AssertionError):
                    continue

        threads = [threading.Thread(target=job) for job in (scrape, call, call)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            wait_until(lambda: len(ready(door)) >= 1, 60)
            os.kill(min(ready(door)), signal.SIGKILL)
            time.sleep(0.3)
        wait_until(lambda: len(ready(door)) == 2, 60)
        stop.set()
        for thread in threads:
            thread.join()
        assert seen == sorted(seen)
        assert chat(door.port).status == 200


def worker_of(parent):
    """The pid of a worker started by this parent; 0 while there is none."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        try:
            if b"proxy." in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
        except FileNotFoundError:
            continue
    return 0


def ready(door):
    status = ask(door.admin_port, "GET", "/admin/status").json()
    return {worker["pid"] for worker in status["workers"] if worker["ready"]}


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def metric(door, name):
    text = ask(door.admin_port, "GET", "/metrics").body.decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def wait_until(condition, timeout_s=15):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)
