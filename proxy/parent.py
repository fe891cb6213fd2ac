"""The parent: a small process that owns the ports, the workers and the admin port, and never touches a request.

start    check the configuration → bind the data port → workers → admin port → banner
SIGHUP   or an edited file: check it; valid → every worker takes it up, invalid → the running one is kept
SIGTERM  or SIGINT: workers drain for `server.drain_seconds`; whoever is not gone 5 s later is killed
a worker that dies is started again, ever more slowly while it keeps dying
"""

import asyncio
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvicorn

from proxy import __version__
from proxy.api.admin import AdminPort, build_admin
from proxy.app import Blueprint, Configuration, build_vocabulary, read_configuration
from proxy.banner import banner
from proxy.control import Control, pack
from proxy.metrics.exporter import Exporter
from proxy.metrics.log import Log
from proxy.metrics.recorder import open_recorder
from proxy.metrics.totals import LedgerTotals, Standing
from proxy.sandbox.config import SandboxConfig
from proxy.sandbox.server import serve as serve_sandbox
from proxy.settings import SettingsError, needs_restart

KILL_AFTER_S: Final = 5.0
WATCH_S: Final = 1.0
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
_HEALTHY_S: Final = 60.0
_PACKAGE_HOME: Final = str(Path(__file__).resolve().parents[1])
"""Where a worker finds this package, whatever directory the command was started in."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line asked for. `sandbox` None: only where there is no key to work with."""

    config: Path | None
    flags: Mapping[str, str]
    sandbox: bool | None


class Parent:
    """One replica. `run` returns the exit status."""

    def __init__(self, order: Order, env: Mapping[str, str], log: Log) -> None:
        self._order = order
        self._env = env
        self._log = log
        self._stopping = asyncio.Event()
        self._workers: dict[int, Worker] = {}
        self._sandbox_url = ""
        self._announced = False

    async def run(self) -> int:
        """Serve until told to stop. Raises SettingsError and OSError before anything is served."""
        blueprint, configuration = await self._first_configuration()
        self._blueprint, self._configuration = blueprint, configuration
        server = configuration.settings.server
        with (
            bind(server.host, server.port) as listener,
            bind(server.admin_host, server.admin_port) as admin,
            tempfile.TemporaryDirectory(prefix="switchyard-") as folder,
        ):
            return await self._serve(listener, admin, Path(folder))

    async def _serve(self, listener: socket.socket, admin: socket.socket, metrics: Path) -> int:
        self._listener, self._metrics = listener, metrics
        self._admin_at = admin.getsockname()[1]
        vocabulary = build_vocabulary(self._configuration.settings, self._configuration.catalogue)
        self._recorder = open_recorder(metrics, vocabulary)
        self._exporter = Exporter(
            metrics, vocabulary=vocabulary, ledger=_no_totals, standing=self._standing, version=__version__
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        async with asyncio.TaskGroup() as tasks:
            keepers = [
                tasks.create_task(self._keep_worker(place))
                for place in range(self._configuration.settings.server.workers)
            ]
            others = [tasks.create_task(self._watch_file()), tasks.create_task(self._admin(admin))]
            await self._stopping.wait()
            await self._stop_workers()
            for task in (*keepers, *others):
                task.cancel()
        self._recorder.close()
        return 0 if self._announced else 1

    async def _first_configuration(self) -> tuple[Blueprint, Configuration]:
        blueprint = self._blueprint_of(self._read_text())
        configuration = read_configuration(blueprint, self._env)
        if self._order.sandbox or (self._order.sandbox is None and _keyless(self._order, configuration)):
            self._sandbox_url = await self._start_sandbox()
            blueprint = self._blueprint_of(blueprint.text, configuration)
            configuration = read_configuration(blueprint, self._env)
        return blueprint, configuration

    def _read_text(self) -> str | None:
        """The file as it is now, so that parent and workers run the same text."""
        if self._order.config is None:
            return None
        try:
            return self._order.config.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def _blueprint_of(self, text: str | None, before: Configuration | None = None) -> Blueprint:
        flags = dict(self._order.flags)
        if self._sandbox_url and before is not None:
            for name in before.settings.providers:
                flags[f"providers.{name}.kind"] = "openai"
                flags[f"providers.{name}.base_url"] = f"{self._sandbox_url}/v1"
                flags[f"providers.{name}.api_key"] = "sk-sandbox"
        path = str(self._order.config) if self._order.config else None
        return Blueprint(path, text, flags)

    async def _start_sandbox(self) -> str:
        url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        config = SandboxConfig(time_scale=0.02)
        self._sandbox = asyncio.get_running_loop().create_task(
            serve_sandbox("127.0.0.1", 0, config, ready=url.set_result)
        )
        return await url

    async def _keep_worker(self, place: int) -> None:
        """Keep one worker running; while it keeps dying, wait longer each time."""
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            began_s = time.monotonic()
            worker = await Worker.start(self._listener, self._metrics, self._blueprint)
            self._workers[place] = worker
            if await worker.ready():
                self._announce()
            status = await worker.ended()
            self._exporter.retire(worker.pid, crashed=not self._stopping.is_set())
            del self._workers[place]
            if not self._announced:  # it never served: trying again would only repeat what it said
                self._stopping.set()
            if self._stopping.is_set():
                return
            lived_s = time.monotonic() - began_s
            pause_s = _FIRST_PAUSE_S if lived_s > _HEALTHY_S else min(pause_s * 2, _LONGEST_PAUSE_S)
            self._log.event("worker_died", "error", pid=worker.pid, status=status, again_in_s=pause_s)
            await asyncio.sleep(pause_s)

    def _announce(self) -> None:
        """Say once, when every worker accepts requests, where they are and what to paste."""
        settings = self._configuration.settings
        ready = sum(worker.is_ready for worker in self._workers.values())
        if self._announced or ready < settings.server.workers:
            return
        self._announced = True
        port, host = self._listener.getsockname()[1], settings.server.host
        sys.stderr.write(banner(self._configuration, port, self._admin_at, sandbox=bool(self._sandbox_url)))
        sys.stderr.flush()
        self._log.event("serving", host=host, port=port, admin_port=self._admin_at, version=__version__)

    async def _stop_workers(self) -> None:
        """SIGTERM to each; after the grace period SIGKILL to whoever is left."""
        grace_s = self._configuration.settings.server.drain_seconds + KILL_AFTER_S
        for worker in self._workers.values():
            worker.signal(signal.SIGTERM)
        waiting = [worker.ended() for worker in self._workers.values()]
        try:
            await asyncio.wait_for(asyncio.gather(*waiting), grace_s)
        except TimeoutError:
            for worker in self._workers.values():
                worker.signal(signal.SIGKILL)

    async def _watch_file(self) -> None:
        """Reload when the file changes. Asking for its times once a second sees what notifications of network and
        overlay file systems miss (a Kubernetes ConfigMap is swapped by a symbolic link)."""
        seen = self._stamp()
        while self._order.config is not None:
            await asyncio.sleep(WATCH_S)
            now = self._stamp()
            if now not in (seen, None):
                seen = now
                self._reload()

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = (self._order.config or Path()).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _reload(self) -> None:
        """Take up the file as it is now; keep what is running when it has mistakes."""
        blueprint = self._blueprint_of(self._read_text(), self._configuration)
        try:
            configuration = read_configuration(blueprint, self._env)
        except (SettingsError, OSError, ValueError) as error:
            self._recorder.reloaded(ok=False)
            self._log.event("reload_refused", "error", why=str(error))
            sys.stderr.write(f"{error}\nThe running configuration is kept.\n")
            return
        fixed = needs_restart(self._configuration.settings, configuration.settings)
        self._blueprint, self._configuration = blueprint, configuration
        self._exporter.learn(build_vocabulary(configuration.settings, configuration.catalogue))
        for worker in self._workers.values():
            worker.run(blueprint)
        self._recorder.reloaded(ok=True)
        self._log.event("reloaded", needs_restart=", ".join(fixed))

    async def _admin(self, sock: socket.socket) -> None:
        port = AdminPort(
            admin_key=self._admin_key,
            metrics_open=lambda: self._configuration.settings.auth.metrics == "open",
            metrics=self._exporter.render,
            ready=self._ready,
            status=self._status,
        )
        config = uvicorn.Config(
            build_admin(port), log_config=None, access_log=False, lifespan="off", server_header=False
        )
        server = _AdminServer(config)
        await server.serve(sockets=[sock])

    def _admin_key(self) -> str:
        key = self._configuration.settings.server.admin_key
        return key.get_secret_value() if key else ""

    def _ready(self) -> bool:
        return not self._stopping.is_set() and any(worker.is_ready for worker in self._workers.values())

    def _status(self) -> dict[str, Any]:
        settings = self._configuration.settings
        return {
            "version": __version__,
            "sandbox": bool(self._sandbox_url),
            "auth": settings.auth.mode,
            "workers": [{"pid": w.pid, "ready": w.is_ready} for w in self._workers.values()],
            "providers": list(settings.providers),
            "routes": list(settings.routes),
        }

    def _standing(self) -> Standing:
        return Standing(workers=sum(worker.is_ready for worker in self._workers.values()))


class Worker:
    """A worker as the parent sees it: a process and the control wire to it."""

    def __init__(self, process: asyncio.subprocess.Process, control: Control) -> None:
        self._process = process
        self._control = control
        self.is_ready = False

    @classmethod
    async def start(cls, listener: socket.socket, metrics: Path, blueprint: Blueprint) -> "Worker":
        """A new process on the listening socket, told what to run."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "proxy.worker",
                *(
                    "--listener",
                    str(listener.fileno()),
                    "--wire",
                    str(theirs.fileno()),
                    "--metrics",
                    str(metrics),
                ),
                pass_fds=(listener.fileno(), theirs.fileno()),
                env={**os.environ, "PYTHONPATH": _PACKAGE_HOME},
            )
        worker = cls(process, await Control.over(ours))
        worker.run(blueprint)
        return worker

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ready(self) -> bool:
        """Wait for its first word; False when it ended instead."""
        self.is_ready = await self._control.receive() is not None
        return self.is_ready

    def run(self, blueprint: Blueprint) -> None:
        """Have it take up a configuration that has been checked."""
        self._control.send(run=pack(blueprint))

    async def ended(self) -> int:
        """Wait for its end; the exit status, negative for a signal."""
        status = await self._process.wait()
        self.is_ready = False
        self._control.close()
        return status

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it if it is still there."""
        if self._process.returncode is None:
            self._process.send_signal(number)


class _AdminServer(uvicorn.Server):
    """uvicorn without signal handlers: signals are the parent's."""

    def install_signal_handlers(self) -> None:
        return


def bind(host: str, port: int) -> socket.socket:
    """A listening TCP socket. Raises OSError whose message names the port and what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(2048)
    except OSError as error:
        sock.close()
        message = (
            f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port or --admin-port"
        )
        raise OSError(error.errno, message) from None
    sock.setblocking(False)
    sock.set_inheritable(True)
    return sock


def _keyless(order: Order, configuration: Configuration) -> bool:
    """No file, no key, and nobody but this machine to serve: the sandbox is better than a wall of 401s."""
    settings = configuration.settings
    keys = [provider.api_key for provider in settings.providers.values() if provider.api_key]
    return (
        order.config is None
        and settings.auth.mode == "open"
        and not any(key.get_secret_value() for key in keys)
    )


async def _no_totals() -> LedgerTotals | None:
    return LedgerTotals()
