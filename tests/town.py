"""The running programs tests talk to: a sandbox and a proxy in front of it, as processes on free loopback ports.

with sandbox() as upstream, proxy(upstream) as door: ...
"""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from proxy.store.embedded import EmbeddedServer

ROOT = Path(__file__).parents[1]
START_S = 60
BRIDGED = (ROOT / "tests" / "bridged.yaml").read_text()


@dataclass
class Sandbox:
    """A sandbox process. `calls` is its ground truth, `fault` and `control` its switches."""

    url: str
    process: subprocess.Popen

    def calls(self) -> list[dict]:
        """Every call so far but the polls of the model list."""
        return [call for call in self._ask("GET", "calls") if call["path"] != "/v1/models"]

    def totals(self) -> dict:
        return self._ask("GET", "totals")

    def fault(self, *rules: dict) -> None:
        self._ask("POST", "faults", list(rules))

    def control(self, **wishes) -> None:
        self._ask("POST", "control", wishes)

    def forget(self) -> None:
        """Forget calls and faults, between tests."""
        self._ask("DELETE", "calls")
        self._ask("DELETE", "faults")

    def _ask(self, method: str, what: str, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/sandbox/{what}", data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None


@dataclass
class Proxy:
    """A `switchyard serve` process. `lines` are its log lines as they come; `wait_for` blocks until one matches."""

    port: int
    admin_port: int
    process: subprocess.Popen
    folder: Path
    lines: list[dict] = field(default_factory=list)
    said: threading.Condition = field(default_factory=threading.Condition)
    silent: bool = False  # its standard output has ended: nothing more will be said

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"

    def wait_for(self, match, timeout_s: float = 15) -> dict:
        """The first log line, now or later, for which `match(line)` is true."""
        deadline = time.monotonic() + timeout_s
        with self.said:
            while True:
                for line in self.lines:
                    if match(line):
                        return line
                left = -1 if self.silent else deadline - time.monotonic()
                assert left > 0, f"no such line in {len(self.lines)} lines; last: {self.lines[-3:]}"
                self.said.wait(left)

    def row(self, request_id: str, timeout_s: float = 15) -> dict:
        """The final log line of one request."""
        return self.wait_for(lambda line: line.get("request_id") == request_id, timeout_s)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)


@dataclass
class Answer:
    """What came back, errors included. Header names are lower case."""

    status: int
    headers: dict
    body: bytes


def ask(url: str, body=None, key: str = "any", timeout_s: float = 20) -> Answer:
    """One request on a connection of its own: a JSON POST, or a GET without a body."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=timeout_s) as answer:
            return Answer(answer.status, _lower(answer.headers), answer.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, _lower(error.headers), error.read())


def _lower(headers) -> dict:
    return {name.lower(): value for name, value in headers.items()}


@contextlib.contextmanager
def sandbox(*args: str) -> Iterator[Sandbox]:
    """A sandbox of its own, stopped at the end."""
    command = [sys.executable, "-m", "proxy.sandbox", "--port", "0", *args]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        url = re.search(r"http://[\d.:]+", process.stdout.readline()).group(0)
        yield Sandbox(url, process)
    finally:
        _stop(process)


@contextlib.contextmanager
def proxy(
    upstream: Sandbox | None,
    config: str = "",
    env: dict | None = None,
    *args: str,
    folder: Path | None = None,
) -> Iterator[Proxy]:
    """A proxy in front of `upstream`, in a folder of its own, or in that of an earlier one. `config` is YAML; none: no file
    is named."""
    with tempfile.TemporaryDirectory(prefix="town-") as name:
        folder = folder or Path(name)
        command = [sys.executable, "-m", "proxy.cli", "serve", *args]
        for flag in ("--port", "--admin-port"):
            command += [] if flag in args else [flag, "0"]
        if config:
            (folder / "switchyard.yaml").write_text(config)
            command += ["--config", str(folder / "switchyard.yaml")]
        with (folder / "stderr").open("wb") as errors:
            started = subprocess.Popen(
                command,
                cwd=folder,
                env=_environment(upstream, env),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        door = Proxy(0, 0, started, folder)
        listener = threading.Thread(target=_listen, args=(door,), daemon=True)
        listener.start()
        try:
            try:
                serving = door.wait_for(lambda line: line["event"] == "serving", START_S)
            except AssertionError:
                raise AssertionError((folder / "stderr").read_text()) from None
            door.port, door.admin_port = serving["port"], serving["admin_port"]
            yield door
        finally:
            _stop(started)
            listener.join(5)


@contextlib.contextmanager
def store() -> Iterator[str]:
    """A store that no proxy starts or stops; its URL, for REDIS_URL."""
    with tempfile.TemporaryDirectory(prefix="store-") as name:
        server = EmbeddedServer(Path(name) / ".switchyard")
        asyncio.run(server.start())
        try:
            yield server.url
        finally:
            asyncio.run(server.stop())


@contextlib.contextmanager
def stopped(url: str) -> Iterator[None]:
    """The store of this URL does not answer meanwhile (SIGSTOP); it keeps its data and its connections."""
    pid = int(Path(url.removeprefix("unix://")).with_name("valkey.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _environment(upstream: Sandbox | None, env: dict | None) -> dict:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPENAI_", "SWITCHYARD_", "REDIS_"))
    }
    kept["PYTHONPATH"] = str(ROOT)
    if upstream is not None:
        kept |= {"OPENAI_BASE_URL": f"{upstream.url}/v1", "OPENAI_API_KEY": PROVIDER_KEY}
    return kept | (env or {})


PROVIDER_KEY = "sk-provider-canary-5b1d0c7e"


def _listen(door: Proxy) -> None:
    for text in door.process.stdout:
        with door.said:
            door.lines.append(json.loads(text))
            door.said.notify_all()
    with door.said:
        door.silent = True
        door.said.notify_all()


def _stop(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
