"""The parent: a small process that owns the ports, the workers and the admin port, and never touches a request.

start    check the configuration → fork the workers → bind the ports → equip the workers → banner
SIGHUP   or an edited file: check it; valid → every worker takes it up, invalid → the running one is kept
SIGTERM  or SIGINT: not ready any more → workers drain for `server.drain_seconds` → the data port is closed; whoever is
         not gone a few seconds later is killed
a worker that dies is started again, ever more slowly while it keeps dying; one that never served ends the parent
"""

import asyncio
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from proxy import __version__
from proxy.api.admin import AdminPort, build_admin
from proxy.api.server import DataServer
from proxy.app.blueprint import Blueprint
from proxy.app.configuration import Configuration, read_configuration
from proxy.app.names import build_vocabulary
from proxy.app.providers import Pools
from proxy.console.overview import Overview, View
from proxy.console.pages import build_page
from proxy.explain import Explainer
from proxy.metrics.exporter import Exporter
from proxy.metrics.log import Log
from proxy.metrics.recorder import open_recorder
from proxy.metrics.totals import Standing
from proxy.migration.roads import state_for
from proxy.migration.state import percent
from proxy.process.banner import banner
from proxy.process.control import WorkerProcess, start_demo
from proxy.process.forks import Fork
from proxy.process.keeper import StoreKeeper
from proxy.process.lastdays import LastDays
from proxy.sandbox.config import SandboxConfig
from proxy.sandbox.server import serve as serve_sandbox
from proxy.settings import Flag, SettingsError, mistake_at, needs_restart
from proxy.steering.desk import MigrationDesk
from proxy.steering.judging import judge_by_measures
from proxy.steering.supervisor import Supervisor

KILL_AFTER_S: Final = 4.5
"""Beyond the grace period: cutting takes at most three seconds, the last log lines two, and the whole should stay in five."""
WATCH_S: Final = 1.0
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
_HEALTHY_S: Final = 60.0
_INVALID = (SettingsError, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line asked for. `sandbox` None: only where there is no key to work with. `demo`: with traffic."""

    config: Path | None
    flags: Mapping[str, Flag]
    sandbox: bool | None
    demo: bool = False


class Parent:
    """One replica. `run` returns the exit status. Making one checks the configuration and raises SettingsError."""

    def __init__(self, order: Order, env: Mapping[str, str]) -> None:
        self._order = order
        self._env = env
        self._stopping = asyncio.Event()
        self._forks: list[Fork] = []
        self._workers: dict[int, WorkerProcess] = {}
        self._sandbox_url = ""
        self._store = StoreKeeper()
        self._desk = MigrationDesk(self._store, time.time)
        self._announced = False
        self._failed = False
        self._tried = self._read_text()
        self._blueprint, self._configuration = self._checked(self._tried)

    @property
    def workers(self) -> int:
        """How many are wanted."""
        return self._configuration.settings.server.workers

    async def run(self, forks: list[Fork], log: Log) -> int:
        """Serve until told to stop, with these as the first workers. Raises SettingsError and OSError before anything is served."""
        self._forks, self._log = forks, log
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        await self._simulate()
        server = self._configuration.settings.server
        try:
            self._blueprint = replace(self._blueprint, redis_url=await self._store.start(self._configuration))
            for warning in self._store.warnings:
                self._say(f"warning: {warning}")
            with (
                bind(server.host, server.port) as listener,
                bind(server.admin_host, server.admin_port) as admin,
                tempfile.TemporaryDirectory(prefix="switchyard-") as folder,
            ):
                return await self._serve(listener, admin, Path(folder))
        finally:
            await self._store.stop()

    async def _serve(self, listener: socket.socket, admin: socket.socket, metrics: Path) -> int:
        self._listener, self._metrics = listener, metrics
        self._admin_at = admin.getsockname()[1]
        vocabulary = build_vocabulary(self._configuration.settings, self._configuration.catalogue)
        self._recorder = open_recorder(metrics, vocabulary)
        self._last_days = LastDays(self._configuration, self._log, time.time)
        self._recorder.reloaded(ok=True)
        self._exporter = Exporter(
            metrics,
            vocabulary=vocabulary,
            ledger=self._store.totals,
            standing=self._standing,
            version=__version__,
        )
        app = build_admin(self._admin_port())
        app.include_router(build_page(__version__, lambda: bool(self._admin_key())))
        port = DataServer(app)
        await port.start(admin)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._reload)
        judged = judge_by_measures(lambda: self._store.pipe, time.time)
        supervisor = Supervisor(self._store, judged, self._recorder, self._log, time.time)
        async with asyncio.TaskGroup() as tasks:
            places = range(self._configuration.settings.server.workers)
            keepers = [tasks.create_task(self._keep_worker(place)) for place in places]
            watchers = [
                tasks.create_task(self._watch_file()),
                *([tasks.create_task(self._demonstrate())] if self._order.demo else []),
                tasks.create_task(self._store.run(self._recorder, self._log)),
                tasks.create_task(supervisor.run()),
                tasks.create_task(self._last_days.run(self._store.pipe, lambda: self._store.is_leader)),
            ]
            await self._stopping.wait()
            await self._stop_workers(keepers)
            for watcher in watchers:
                watcher.cancel()
        await port.drain(0)
        self._recorder.close()
        return 1 if self._failed else 0

    # Configuration

    async def _simulate(self) -> None:
        """Put the sandbox in the providers' place if that was ordered, or where there is nothing else to work with."""
        keyless = self._order.sandbox is None and _keyless(self._order, self._configuration)
        if self._order.sandbox or keyless:
            self._sandbox_url = await self._start_sandbox()
            self._blueprint, self._configuration = self._checked(self._tried)

    def _read_text(self) -> str | None:
        """The file as it is now, so that parent and workers run the same text; None is left to `read_configuration`."""
        if self._order.config is None:
            return None
        try:
            return self._order.config.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def _checked(self, text: str | None) -> tuple[Blueprint, Configuration]:
        """What to run for this text of the file. Raises what `_INVALID` lists when no worker could run it."""
        path = str(self._order.config) if self._order.config else None
        blueprint = Blueprint(path, text, self._order.flags)
        configuration = read_configuration(blueprint, self._env)
        if self._sandbox_url:
            simulated = _simulated(configuration, self._sandbox_url)
            blueprint = Blueprint(path, text, {**self._order.flags, **simulated})
            configuration = read_configuration(blueprint, self._env)
        _check_origins(configuration)
        return replace(blueprint, redis_url=self._store.url), configuration

    async def _start_sandbox(self) -> str:
        url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        # A demo is to be believed, a first try to be quick.
        config = SandboxConfig(time_scale=0.3 if self._order.demo else 0.02)
        self._sandbox = asyncio.get_running_loop().create_task(
            serve_sandbox("127.0.0.1", 0, config, ready=url.set_result)
        )
        return await url

    async def _demonstrate(self) -> None:
        """Have traffic sent to the data port, until it ends by itself or this is cancelled."""
        demo = await start_demo(f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1")
        try:
            await demo.wait()
        finally:
            if demo.returncode is None:
                demo.terminate()
                await demo.wait()

    async def _watch_file(self) -> None:
        """Reload when the file was edited and has stood still for one look: a file half written may well be valid, with
        half of its keys missing. Asking for its times once a second sees what notifications of network and overlay file
        systems miss (a Kubernetes ConfigMap is swapped by a symbolic link)."""
        taken = before = self._stamp()
        while self._order.config is not None:
            await asyncio.sleep(WATCH_S)
            now = self._stamp()
            if now == before and now not in (taken, None):
                taken = now
                if self._read_text() != self._tried:  # else a SIGHUP came first
                    self._reload()
            before = now

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = (self._order.config or Path()).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _reload(self) -> None:
        """Take up the file as it is now; keep what is running when it has mistakes."""
        self._tried = self._read_text()
        try:
            blueprint, configuration = self._checked(self._tried)
        except _INVALID as error:
            self._refuse_reload(str(error))
            return
        fixed = needs_restart(self._configuration.settings, configuration.settings)
        self._blueprint, self._configuration = blueprint, configuration
        self._store.take_up(configuration)
        self._last_days.take_up(configuration)
        vocabulary = build_vocabulary(configuration.settings, configuration.catalogue)
        self._exporter.learn(vocabulary)
        self._recorder.learn(vocabulary)
        for worker in self._workers.values():
            worker.run(blueprint)
        self._recorder.reloaded(ok=True)
        self._log.event("reloaded", needs_restart=", ".join(fixed))
        for warning in configuration.warnings:
            self._say(f"warning: {warning}")
        if fixed:
            self._say(
                f"The new configuration is running, but not its {', '.join(fixed)}: that takes a restart."
            )

    def _refuse_reload(self, why: str) -> None:
        self._recorder.reloaded(ok=False)
        self._log.event("reload_refused", "error", why=why)
        self._say(f"{why}\nThe running configuration is kept.")

    def _say(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    # Workers

    async def _keep_worker(self, place: int) -> None:
        """Keep one worker running; while it keeps dying, wait longer each time."""
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            began_s = time.monotonic()
            try:
                if self._forks:
                    worker = await WorkerProcess.adopt(self._forks.pop(), self._listener, self._metrics)
                else:
                    worker = await WorkerProcess.start(self._listener, self._metrics)
            except OSError as error:
                why = f"could not be started: {error.strerror}"
            else:
                why = f"ended with status {await self._attend(place, worker)}"
            if not self._announced and not self._stopping.is_set():
                # It never served: trying again would only repeat what it said.
                self._failed = True
                self._say(f"switchyard: a worker {why} before it could serve")
                self._stopping.set()
            if self._stopping.is_set():
                return
            lived_s = time.monotonic() - began_s
            pause_s = _FIRST_PAUSE_S if lived_s > _HEALTHY_S else min(pause_s * 2, _LONGEST_PAUSE_S)
            self._log.event("worker_died", "error", why=why, again_in_s=pause_s)
            await self._pause(pause_s)

    async def _attend(self, place: int, worker: WorkerProcess) -> int:
        """Listen to a worker until it ends; its exit status."""
        # From here to the first `await` nothing can change: what it is told is what is running, and it is not missed by
        # a reload or a stop that came while it was being started.
        self._workers[place] = worker
        worker.run(self._store.last_copy(self._blueprint))
        if self._stopping.is_set():
            worker.signal(signal.SIGTERM)
        async for word in worker.words():
            if "ready" in word:
                self._announce()
            elif "dates" in word:
                self._last_days.heard(word["dates"])
            elif not word["running"]:
                self._refuse_reload(f"worker {worker.pid}: {word['why']}")
        status = await worker.ended()
        del self._workers[place]
        self._exporter.retire(worker.pid, crashed=not self._stopping.is_set())
        return status

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

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

    async def _stop_workers(self, keepers: list[asyncio.Task[None]]) -> None:
        """SIGTERM to each; after the grace period SIGKILL to whoever is left. Returns when all are gone."""
        for worker in self._workers.values():
            worker.signal(signal.SIGTERM)
        # As long as one process has it open, the system takes connections that nobody would answer.
        self._listener.close()
        grace_s = self._configuration.settings.server.drain_seconds + KILL_AFTER_S
        await asyncio.wait(keepers, timeout=grace_s)
        for worker in self._workers.values():
            self._log.event("worker_killed", "error", pid=worker.pid)
            worker.signal(signal.SIGKILL)
        await asyncio.wait(keepers)

    # The admin port

    def _admin_port(self) -> AdminPort:
        return AdminPort(
            admin_key=self._admin_key,
            metrics_open=lambda: self._configuration.settings.auth.metrics == "open",
            metrics=self._exporter.render,
            ready=self._ready,
            status=self._status,
            overview=Overview(self._view, wall_clock=time.time, clock=time.monotonic).body,
            explain=Explainer(
                lambda: self._configuration, self._store.standings, lambda: self._store.states
            ).answer,
            migrations=self._desk.standing,
            migrate=self._desk.steer,
        )

    def _view(self) -> View:
        about = {
            "version": __version__,
            "sandbox": bool(self._sandbox_url),
            "workers": [worker.is_ready for worker in self._workers.values()],
        }
        settings, catalogue = self._configuration.settings, self._configuration.catalogue
        return View(self._store.pipe, self._store.book, settings, catalogue, about)

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
            "leader": self._store.is_leader,
            "workers": [{"pid": w.pid, "ready": w.is_ready} for w in self._workers.values()],
            "providers": list(settings.providers),
            "routes": list(settings.routes),
        }

    def _standing(self) -> Standing:
        return Standing(
            days_left=self._last_days.days_left(),
            stages={
                each.name: percent(state_for(each, self._store.states))
                for each in self._configuration.settings.migrations
            },
            workers=sum(worker.is_ready for worker in self._workers.values()),
        )


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


def _simulated(configuration: Configuration, url: str) -> dict[str, Flag]:
    """The flags that turn every provider into the sandbox. It speaks Azure's paths too; an Azure deployment has a name of
    its owner's there, which no sandbox knows, so it is called after its model. What litellm would speak to is OpenAI here."""
    flags: dict[str, Flag] = {}
    for name, provider in configuration.settings.providers.items():
        at = f"providers.{name}"
        flags |= {f"{at}.base_url": f"{url}/v1", f"{at}.api_key": "sk-sandbox", f"{at}.proxy": None}
        if provider.kind == "azure":
            flags |= {
                f"{at}.base_url": url,
                f"{at}.deployments": {model: model for model in provider.deployments},
            }
        if provider.kind == "litellm":
            flags |= {f"{at}.kind": "openai", f"{at}.litellm_provider": None}
    return flags


def _check_origins(configuration: Configuration) -> None:
    """What only shows when a worker opens it, such as a CA file that cannot be read. Raises SettingsError."""
    for name, provider in configuration.settings.providers.items():
        pools = Pools()
        try:
            pools.fitting({name: provider})
        except (OSError, ValueError) as error:
            key = "ca_file" if isinstance(error, OSError) else "base_url"
            why = (error.strerror if isinstance(error, OSError) else "") or str(error)
            raise SettingsError(
                [mistake_at(configuration.settings, f"providers.{name}.{key}", why)]
            ) from None
        pools.close()


def _keyless(order: Order, configuration: Configuration) -> bool:
    """No file, no key, and nobody but this machine to serve: the sandbox is better than a wall of 401s."""
    settings = configuration.settings
    keys = [provider.api_key for provider in settings.providers.values() if provider.api_key]
    return (
        order.config is None
        and settings.auth.mode == "open"
        and not any(key.get_secret_value() for key in keys)
    )
