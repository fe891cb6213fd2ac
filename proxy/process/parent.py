"""The parent: a small process that owns the ports, the workers and the admin port, and never touches a request.

start    check the configuration → fork the workers → bind the ports → equip the workers → banner
SIGHUP   or an edited file: check it; valid → every worker takes it up, invalid → the running one is kept
SIGTERM  or SIGINT: not ready any more → the data port is closed, workers drain for `server.drain_seconds`; whoever is
         not gone a few seconds later is killed
a worker that dies is started again, ever more slowly while it keeps dying; one that never served ends the parent
"""

import asyncio
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from proxy import __version__
from proxy.app.names import build_vocabulary
from proxy.metrics.exporter import Exporter
from proxy.metrics.log import Log
from proxy.metrics.recorder import Recorder, open_recorder
from proxy.process.admin import build_admin_port
from proxy.process.banner import banner, say
from proxy.process.crew import Crew, Duty
from proxy.process.filewatch import watch_file
from proxy.process.forks import Fork
from proxy.process.keeper import StoreKeeper
from proxy.process.lastdays import LastDays
from proxy.process.order import Order, Running
from proxy.process.ports import bind
from proxy.process.reload import Reloading
from proxy.process.replica import Replica
from proxy.process.simulation import Simulation, demonstrate
from proxy.steering.judging import judge_by_measures
from proxy.steering.supervisor import Supervisor


class Parent:
    """One replica. `run` returns the exit status. Making one checks the configuration and raises SettingsError."""

    def __init__(self, order: Order, env: Mapping[str, str]) -> None:
        self._running = Running(order, env)
        self._stopping = asyncio.Event()
        self._simulation = Simulation()
        self._store = StoreKeeper()

    @property
    def workers(self) -> int:
        """How many are wanted."""
        return self._running.configuration.settings.server.workers

    async def run(self, forks: list[Fork], log: Log) -> int:
        """Serve until told to stop, with these as the first workers. Raises SettingsError and OSError before anything is served."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        running = self._running
        if running.order.wants_sandbox(running.configuration):
            running.simulate(await self._simulation.start(lifelike=running.order.demo))
        server = running.configuration.settings.server
        try:
            running.count_in(await self._store.start(running.configuration))
            for warning in self._store.warnings:
                say(f"warning: {warning}")
            with (
                bind(server.host, server.port) as listener,
                bind(server.admin_host, server.admin_port) as admin,
                tempfile.TemporaryDirectory(prefix="switchyard-") as folder,
            ):
                return await self._serve(forks, listener, admin, Path(folder), log)
        finally:
            await self._store.stop()

    async def _serve(
        self, forks: list[Fork], listener: socket.socket, admin: socket.socket, metrics: Path, log: Log
    ) -> int:
        running, store = self._running, self._store
        crew = Crew(forks, self.workers, log, self._stopping)
        replica = Replica(running, store, crew, LastDays(running.configuration, log, time.time))
        vocabulary = build_vocabulary(running.configuration.settings, running.configuration.catalogue)
        recorder = open_recorder(metrics, vocabulary)
        recorder.reloaded(ok=True)
        exporter = Exporter(
            metrics,
            vocabulary=vocabulary,
            ledger=store.totals,
            standing=replica.standing,
            version=__version__,
        )
        reloading = Reloading(replica, exporter, recorder, log)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloading.reload)
        data_at, admin_at = listener.getsockname()[1], admin.getsockname()[1]
        duty = Duty(
            listener,
            metrics,
            blueprint=lambda: store.last_copy(running.blueprint),
            served=lambda: _announce(running, data_at, admin_at, log),
            heard=partial(_heard, replica, reloading),
            ended=lambda pid, crashed: exporter.retire(pid, crashed=crashed),
        )
        port = build_admin_port(replica, exporter.render)
        await port.start(admin)
        async with asyncio.TaskGroup() as tasks:
            keepers = [tasks.create_task(crew.keep(place, duty)) for place in range(crew.wanted)]
            beside = [
                tasks.create_task(each) for each in _timetable(replica, reloading, recorder, log, data_at)
            ]
            await self._stopping.wait()
            # As long as one process has it open, the system takes connections that nobody would answer.
            listener.close()
            await crew.stop(keepers, running.configuration.settings.server.drain_seconds)
            for task in beside:
                task.cancel()
        await port.drain(0)
        recorder.close()
        return 1 if crew.failed else 0


def _timetable(
    replica: Replica, reloading: Reloading, recorder: Recorder, log: Log, data_at: int
) -> Iterator[Coroutine[Any, Any, None]]:
    """What goes on beside the workers until the end. The supervisor and the last days act where this replica leads."""
    order, store = replica.running.order, replica.store
    if order.config is not None:
        yield watch_file(order.config, reloading.edited)
    if order.demo:
        yield demonstrate(data_at)
    yield store.run(recorder, log)
    judged = judge_by_measures(lambda: store.pipe, time.time)
    yield Supervisor(
        store, judged, recorder, log, time.time, published=lambda: replica.last_days.published
    ).run()
    yield replica.last_days.run(store.pipe, lambda: store.is_leader)


def _heard(replica: Replica, reloading: Reloading, pid: int, word: Mapping[str, Any]) -> None:
    """A worker says what it read of models' ends, or whether it runs what it was told to."""
    if "dates" in word:
        replica.last_days.heard(word["dates"])
    elif not word["running"]:
        reloading.refused(f"worker {pid}: {word['why']}")


def _announce(running: Running, port: int, admin_port: int, log: Log) -> None:
    """Every worker accepts requests: where they are and what to paste."""
    sandbox = bool(running.sandbox_url)
    sys.stderr.write(banner(running.configuration, port, admin_port, running.order, sandbox=sandbox))
    sys.stderr.flush()
    host = running.configuration.settings.server.host
    log.event("serving", host=host, port=port, admin_port=admin_port, version=__version__)
