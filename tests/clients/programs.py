"""The sandbox and the proxy as processes under the project's own Python (SWITCHYARD_PYTHON, else the project's .venv).

Apart from the project's `tests/town.py`, because that needs the project's packages and this runs among the clients'.
"""

import contextlib
import json
import os
import re
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("SWITCHYARD_PYTHON") or str(ROOT / ".venv" / "bin" / "python")
PROVIDER_KEY = "sk-provider-canary-5b1d0c7e"
STOP_S = 20
BRIDGED = (ROOT / "tests" / "bridged.yaml").read_text()


@dataclass
class Sandbox:
    """A running sandbox; `calls` is what truly happened there."""

    url: str

    def calls(self) -> list[dict]:
        return self._ask("GET", "calls")

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
    """A running proxy; `url` is the base_url of its clients."""

    url: str


@contextlib.contextmanager
def sandbox() -> Iterator[Sandbox]:
    """A sandbox of its own, stopped at the end."""
    with _running(["-m", "proxy.sandbox", "--port", "0"], ROOT, _environment()) as process:
        yield Sandbox(re.search(r"http://[\d.:]+", process.stdout.readline()).group(0))


@contextlib.contextmanager
def proxy(upstream: Sandbox, config: str = "", env: dict | None = None) -> Iterator[Proxy]:
    """A proxy in front of `upstream`, in a folder of its own. `config` is YAML; none: no file is named."""
    with tempfile.TemporaryDirectory(prefix="clients-") as name, open(f"{name}/stderr", "wb") as errors:
        command = ["-m", "proxy.cli", "serve", "--port", "0", "--admin-port", "0"]
        if config:
            Path(name, "switchyard.yaml").write_text(config)
            command += ["--config", f"{name}/switchyard.yaml"]
        provider = {"OPENAI_BASE_URL": f"{upstream.url}/v1", "OPENAI_API_KEY": PROVIDER_KEY}
        with _running(command, Path(name), _environment() | provider | (env or {}), errors) as process:
            for line in process.stdout:
                told = json.loads(line)
                if told["event"] == "serving":
                    break
            else:
                raise AssertionError(Path(name, "stderr").read_text())
            # Its log lines go nowhere from here on, and must not fill the pipe.
            drain = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
            yield Proxy(f"http://127.0.0.1:{told['port']}/v1")
        drain.wait(STOP_S)


@contextlib.contextmanager
def _running(command: list[str], folder: Path, env: dict, errors=None) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        [PYTHON, *command], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=errors, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _environment() -> dict:
    ours = ("OPENAI_", "SWITCHYARD_", "REDIS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {
        "PYTHONPATH": str(ROOT)
    }
