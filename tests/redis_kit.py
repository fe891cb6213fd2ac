"""A redis-server of Debian's, as an operator would run one, to be stopped, killed, restarted and failed over.

with redis_server("--appendonly", "yes") as redis: ...
"""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

START_S = 20


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None,
    reason="redis-server is not installed (apt-get install redis-server)",
)


@dataclass
class RedisServer:
    """A server on a loopback port of its own that keeps its data in `folder` over restarts."""

    folder: Path
    options: tuple[str, ...]
    port: int
    process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def login(self) -> tuple[str, ...]:
        """What redis-cli must say to be let in."""
        at = self.options.index("--requirepass") if "--requirepass" in self.options else -1
        return ("--no-auth-warning", "-a", self.options[at + 1]) if at >= 0 else ()

    def start(self) -> None:
        """Start it and wait until it answers, its data loaded."""
        command = ["redis-server", "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        command += ["--unixsocket", str(self.folder / "redis.sock"), "--logfile", "log"]
        command += [] if "--port" in self.options else ["--port", str(self.port)]
        self.process = subprocess.Popen([*command, *self.options], cwd=self.folder)
        until = time.monotonic() + START_S
        while self.command("PING") != "PONG":
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < until
            time.sleep(0.02)

    def command(self, *words: str) -> str:
        """What redis-cli says to these words."""
        command = ["redis-cli", "-s", str(self.folder / "redis.sock"), *self.login, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    def kill(self) -> None:
        """kill -9, as a crash of the process."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(START_S)


@contextlib.contextmanager
def redis_server(*options: str, port: int | None = None):
    """One server, running; stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="redis-") as name:
        server = RedisServer(Path(name), options, port or free_port())
        server.start()
        try:
            yield server
        finally:
            server.stop()
