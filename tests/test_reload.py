"""A new configuration under way: taken up by every worker or refused as a whole, and no request notices."""

import contextlib
import hashlib
import json
import os
import signal
import socket
import threading
import time

import pytest
import town
from wire import Line, ask, asking, bearer, chat, written

KEYS = ["sk-reload-a", "sk-reload-b"]


def config(keys=(0,), extra="", aliases="{named: gpt-4.1-mini}"):
    listed = "".join(
        f'  - {{name: key{n}, hash: "sha256:{hashlib.sha256(KEYS[n].encode()).hexdigest()}"}}\n' for n in keys
    )
    return f"server: {{workers: 2}}\nauth: {{mode: keys}}\naliases: {aliases}\nkeys:\n{listed}{extra}"


@pytest.fixture(scope="module")
def _running(_upstream):
    with town.proxy(_upstream, config()) as door:
        yield door


@pytest.fixture
def running(upstream, _running):
    """A proxy with two workers, running `config()`."""
    write(_running, config())
    return _running


def write(door, text, *, sent=True, taken=True):
    """Put `text` in the file and have it taken up; returns when every worker runs it (or the parent refused it)."""
    path = door.folder / "switchyard.yaml"
    if path.read_text() == text:
        return
    done = "configuration_taken" if taken else "reload_refused"
    before = events(door, done)
    path.write_text(text)
    if sent:
        door.signal(signal.SIGHUP)
    wanted = before + (2 if taken else 1)
    door.wait_for(lambda _: events(door, done) >= wanted)


def events(door, name):
    return sum(line["event"] == name for line in door.lines)


def everywhere(door, key, **fields):
    """Statuses of a few requests on connections of their own, so that both workers are asked."""
    return {chat(door.port, headers=bearer(key), **fields).status for _ in range(12)}


def metric(door, name):
    text = ask(door.admin_port, "GET", "/metrics").body.decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def test_keys_come_and_go_with_the_file(running):
    """A key taken out is refused by every worker, a new one is served by every worker."""
    assert everywhere(running, KEYS[0]) == {200}
    assert everywhere(running, KEYS[1]) == {401}
    write(running, config(keys=(1,)))
    assert everywhere(running, KEYS[0]) == {401}
    assert everywhere(running, KEYS[1]) == {200}


def test_an_edit_is_taken_up_without_a_signal(running):
    """Revocation by editing the file takes five seconds at most."""
    began = time.monotonic()
    write(running, config(keys=(1,)), sent=False)
    assert time.monotonic() - began < 5
    assert everywhere(running, KEYS[0]) == {401}


def test_names_lead_where_the_new_file_says(running):
    """Aliases and routes apply from the next request on."""
    answer = chat(running.port, headers=bearer(KEYS[0]), model="named")
    assert answer.headers["x-switchyard-model"] == "gpt-4.1-mini"
    routes = "routes: {mine: {default: [gpt-4.1-nano]}}\n"
    write(running, config(aliases="{named: gpt-4.1}", extra=routes))
    answer = chat(running.port, headers=bearer(KEYS[0]), model="named")
    assert answer.headers["x-switchyard-model"] == "gpt-4.1"
    assert everywhere(running, KEYS[0], model="mine") == {200}
    assert everywhere(running, KEYS[0], model="auto") == {404}


@pytest.mark.parametrize(
    ("text", "why"),
    [("keys: [", "not YAML"), ("auth: {mode: kees}\nserver: {prot: 1}\n", "did you mean"),
     (config(aliases="{named: no-such-model}"), "no-such-model"), ("models: {x: {family: nothing}}\n", "family"),
     ("providers: {openai: {base_url: 'https://x/v1', ca_file: /nowhere/ca.pem}}\n", "No such file")],
)  # fmt: skip
def test_an_invalid_file_changes_nothing(running, text, why):
    """What is running is kept; the reason is on stderr and in the log, and a metric says so until the file is mended."""
    refused = metric(running, 'switchyard_config_reloads_total{result="invalid"}')
    write(running, text, taken=False)
    assert everywhere(running, KEYS[0]) == {200}
    last = [line for line in running.lines if line["event"] == "reload_refused"][-1]
    said = (running.folder / "stderr").read_text()
    assert last["level"] == "error"
    assert why in last["why"]
    assert why in said
    assert "The running configuration is kept." in said
    assert metric(running, 'switchyard_config_reloads_total{result="invalid"}') == refused + 1
    assert metric(running, "switchyard_config_reload_ok") == 0
    write(running, config())
    assert metric(running, "switchyard_config_reload_ok") == 1


def test_a_file_that_vanishes_changes_nothing(running):
    """A deleted file is no configuration; put back, it is taken up again."""
    path = running.folder / "switchyard.yaml"
    path.rename(path.with_suffix(".away"))
    before = events(running, "reload_refused")
    running.signal(signal.SIGHUP)
    running.wait_for(lambda _: events(running, "reload_refused") > before)
    assert everywhere(running, KEYS[0]) == {200}
    before = events(running, "configuration_taken")
    path.with_suffix(".away").rename(path)
    # The watch may have seen this very file already, and would then wait for another.
    running.signal(signal.SIGHUP)
    running.wait_for(lambda _: events(running, "configuration_taken") >= before + 2)


def test_what_needs_a_restart_is_named(running):
    """Everything else of the file is running; what is not is said by its key."""
    text = config(keys=(0, 1)).replace("workers: 2", "workers: 3, port: 1")
    write(running, text)
    line = [line for line in running.lines if line["event"] == "reloaded"][-1]
    assert "server.workers" in line["needs_restart"]
    assert "that takes a restart" in (running.folder / "stderr").read_text()
    assert everywhere(running, KEYS[1]) == {200}


def test_what_needs_a_restart_is_measured_by_what_runs(running):
    """A later edit that leaves the difference says so again; one that takes it back needs no restart any more."""
    moved = config().replace("workers: 2", "workers: 3")
    for text, needed in [
        (moved, "server.workers"),
        (moved.replace("gpt-4.1-mini", "gpt-4.1"), "server.workers"),
        (config(), ""),
    ]:
        write(running, text)
        line = [line for line in running.lines if line["event"] == "reloaded"][-1]
        assert line["needs_restart"] == needed


def test_connections_to_unchanged_providers_are_kept(running, upstream):
    """A reload costs no new handshakes; a provider that changed gets new connections."""
    with Counter(upstream) as counter, Line(running.port) as line:
        providers = f"providers: {{openai: {{base_url: 'http://127.0.0.1:{counter.port}/v1'}}}}\n"
        write(running, config(extra=providers))
        for keys in ((0, 1), (0,), (0, 1)):
            write(running, config(keys=keys, extra=providers))
            line.send(
                written("POST", "/v1/chat/completions", b'{"model":"named","messages":[]}', bearer(KEYS[0]))
            )
            line.answer()
        assert counter.connections == 1
        write(running, config(extra=providers.replace("}}", ", timeouts: {connect_s: 9}}}")))
        line.send(
            written("POST", "/v1/chat/completions", b'{"model":"named","messages":[]}', bearer(KEYS[0]))
        )
        line.answer()
        assert counter.connections == 2


@pytest.mark.parametrize("reloads", [10, pytest.param(100, marks=pytest.mark.chaos)])
def test_no_request_fails_while_the_file_changes(running, upstream, reloads):
    """Under load, every tenth file invalid: nothing fails, and a stream that was open through all of it ends whole."""
    load = Load(running.port)
    with Line(running.port) as line:
        said = "[[sandbox:words=10]] [[sandbox:pace=0.1]] hi"
        line.send(
            written("POST", "/v1/chat/completions", json_of(asking(said, stream=True)), bearer(KEYS[0]))
        )
        assert line.head().status == 200
        with load:
            for number in range(reloads):
                if number % 10 == 5:
                    write(running, "auth: {mode: nothing}\n", taken=False)
                else:
                    write(running, config(keys=(0, 1) if number % 2 else (0,), extra=f"# {number}\n"))
        stream = b""
        while piece := line.chunk():
            stream += piece
    assert stream.endswith(b"data: [DONE]\n\n")
    assert load.failed == []
    assert load.answered > reloads
    assert metric(running, "switchyard_config_reload_ok") == 1


class Load:
    """Callers that ask one after the other until told to stop: whole and streamed, on kept and on new connections."""

    def __init__(self, port):
        self.port = port
        self.answered = 0
        self.failed = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(n % 2 == 1,)) for n in range(4)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _call(self, stream):
        body = json_of(asking(stream=stream, model="named"))
        while not self._stop.is_set():
            with Line(self.port) as line:
                for _ in range(5):
                    try:
                        line.send(written("POST", "/v1/chat/completions", body, bearer(KEYS[0])))
                        answer = line.answer()
                        if answer.status != 200 or (stream and not answer.body.endswith(b"data: [DONE]\n\n")):
                            self.failed.append(answer)
                    except (OSError, AssertionError) as error:
                        self.failed.append(error)
                        break
                    self.answered += 1
                    time.sleep(0.005)


class Counter:
    """Counts the connections it forwards to a sandbox."""

    def __init__(self, upstream):
        self._to = int(upstream.url.rpartition(":")[2])
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.port = self._sock.getsockname()[1]
        self.connections = 0
        self._open = []

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        # shutdown first: a thread inside accept() or recv() is not woken by close().
        for sock in (self._sock, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self):
        while True:
            try:
                near, _ = self._sock.accept()
            except OSError:
                return
            self.connections += 1
            far = socket.create_connection(("127.0.0.1", self._to))
            self._open += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    def _copy(self, one, other):
        try:
            while block := one.recv(65536):
                other.sendall(block)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            return


def json_of(value):
    return json.dumps(value).encode()


def test_a_stale_worker_does_not_exist(running):
    """A worker started after reloads runs the file of now, not that of the start."""
    write(running, config(keys=(1,)))
    worker = ask(running.admin_port, "GET", "/admin/status").json()["workers"][0]["pid"]
    os.kill(worker, signal.SIGKILL)
    running.wait_for(lambda line: line["event"] == "worker_died")
    wait_until(lambda: len(ready(running) - {worker}) == 2)
    assert everywhere(running, KEYS[1]) == {200}
    assert everywhere(running, KEYS[0]) == {401}


def ready(door):
    status = ask(door.admin_port, "GET", "/admin/status").json()
    return {worker["pid"] for worker in status["workers"] if worker["ready"]}


def wait_until(condition, timeout_s=15):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def test_the_sandbox_stands_in_for_providers_that_come_later():
    """With --sandbox no reload leads out of the house: a provider written into the file is simulated as well."""
    later = (
        "providers: {openai: {}, later: {base_url: 'http://127.0.0.1:9/v1'}}\n"
        "models: {mine: {family: open, deployments: [{provider: later, model: gpt-4.1-mini}], context: 1000, max_output: 10, "
        "usd_per_m: {input: 1, output: 1}}}\n"
    )
    with town.proxy(None, "server: {drain_seconds: 1}\n", None, "--sandbox") as door:
        assert chat(door.port).status == 200
        (door.folder / "switchyard.yaml").write_text(later)
        door.signal(signal.SIGHUP)
        door.wait_for(lambda line: line["event"] == "configuration_taken")
        assert chat(door.port, model="mine").status == 200


def test_the_sandbox_stands_in_for_providers_of_every_kind():
    """Azure by its own paths, whatever its deployments are called, also behind /openai/v1; litellm's and one behind a proxy
    as OpenAI. Nothing of the addresses in the file is dialled."""
    elsewhere = (
        "providers:\n"
        "  azure: {kind: azure, base_url: 'http://127.0.0.1:9', api_key: k, api_version: 2025-04-01-preview,\n"
        "          deployments: {gpt-4.1-mini: our fast one}}\n"
        "  claude: {kind: litellm, litellm_provider: anthropic, api_key: k}\n"
        "  far: {base_url: 'http://127.0.0.1:9/v1', proxy: 'http://127.0.0.1:9'}\n"
    )
    with town.proxy(None, elsewhere, None, "--sandbox") as door:
        for provider in ("azure", "claude", "far"):
            answer = chat(door.port, model=f"{provider}/gpt-4.1-mini")
            assert answer.status == 200, answer.body
            assert door.row(answer.headers["x-switchyard-request-id"])["provider"] == provider
        asked = {"model": "azure/gpt-4.1-mini", "input": "hi"}
        assert ask(door.port, "POST", "/v1/responses", asked).status == 200
