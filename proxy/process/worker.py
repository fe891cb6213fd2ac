"""One worker: a process that serves the data port. Forked by the parent, or started by it as `python -m proxy.process.worker`.

It is given the listening socket and one end of the control wire, runs the configuration the parent has checked, and ends
by draining: on SIGTERM, or when the parent is gone.
"""

import argparse
import asyncio
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

import uvloop

from proxy.api.data import DataApp, DataPort
from proxy.api.door import DoorLimits
from proxy.api.guard import Gate
from proxy.api.me import Me
from proxy.api.server import DataServer
from proxy.app.book import build_book, build_ledger
from proxy.app.configuration import INVALID, Configuration, read_configuration, with_run_time
from proxy.app.house import Fixtures, build_house, with_book
from proxy.app.keys import build_keys
from proxy.app.names import build_listing, build_vocabulary
from proxy.app.providers import Pools
from proxy.errors import ApiError
from proxy.house import House
from proxy.measuring.shadow import Shadows
from proxy.measuring.witness import Witness
from proxy.metrics.log import Level, Log
from proxy.metrics.recorder import Recorder, open_recorder
from proxy.migration.roads import newest
from proxy.models.learned import Learned, Lesson, packed, unpacked
from proxy.models.lifecycle import Published
from proxy.nouns import Candidate, LedgerRow, Reason
from proxy.process.control import Control, unpack
from proxy.process.forks import equipment
from proxy.routing.classifier import Classifier
from proxy.routing.pace import Pace
from proxy.routing.verdicts import Verdicts
from proxy.store.accounts import Accounts, RunTime
from proxy.store.ledger import Ledger
from proxy.store.lessons import SharedLessons
from proxy.store.objects import StoredObjects
from proxy.tasks import TaskOwner
from proxy.upstreams.breaker import Breakers, State
from proxy.watch import ModelWatch

_LAST_BILLS_S = 2.0
"""How long a drained process waits for calls that go on without their client, and for holds still open."""

_LOOK_EVERY_S: Final = 1.0
BUFFERED_BODIES: Final = 8
"""Bodies of the largest size that may be held at once; smaller ones are counted by their bytes."""

_RECORD_AFTER_S: Final = 0.001
"""How long numbers and log wait for what is more urgent, and for company."""


class Worker:
    """What lives as long as the process: the log, the numbers, the pools and the port whose fields a reload replaces."""

    def __init__(
        self,
        configuration: Configuration,
        run_time: RunTime,
        ledger: Ledger | None,
        metrics: Path,
        log: Log,
        *,
        dates_changed: Callable[[Published], None],
    ) -> None:
        self.log = log
        self._dates_changed = dates_changed
        self.ledger = ledger
        verdicts = Verdicts(Classifier.load())
        self.witness = Witness(ledger.pipe, verdicts, time.monotonic) if ledger is not None else None
        self.shadows = Shadows(verdicts, time.monotonic, self.witness.shadowed) if self.witness else None
        if self.witness is not None:
            self.witness.shadower = self.shadows
        self.lessons = SharedLessons(ledger.pipe, self._lessons_changed) if ledger is not None else None
        self.fixtures = Fixtures(
            verdicts=verdicts,
            pace=Pace(),
            pools=Pools(),
            ledger=ledger,
            objects=StoredObjects(ledger.pipe) if ledger is not None else None,
            tasks=TaskOwner(),
            learned=Learned(self._tell),
            watch=ModelWatch(time.monotonic, time.time, self._plan_anew),
            breakers=Breakers(),
            health_changed=self._health_changed,
            moved_on=self._moved_on,
            record=self._record,
            witness=self.witness,
            shadows=self.shadows,
        )
        self._ended: list[tuple[LedgerRow, bytes, bool, int]] = []
        self.configuration = configuration
        self.run_time = run_time
        merged, _ = with_run_time(configuration, run_time)
        self.book = build_book(merged.settings, run_time)
        vocabulary = build_vocabulary(configuration.settings, configuration.catalogue)
        self.recorder: Recorder = open_recorder(metrics, vocabulary)
        self.grace_s = configuration.settings.server.drain_seconds
        server = configuration.settings.server
        self.port = DataPort(
            house=self._house(),
            keys=build_keys(merged.settings),
            gate=Gate(server.max_in_flight, BUFFERED_BODIES * server.max_json_bytes),
            max_json_bytes=server.max_json_bytes,
            listing=build_listing(configuration.settings, configuration.catalogue),
            is_ready=lambda: not self.server.draining,
            started=self.recorder.started,
            ended=self.recorder.ended,
            me=self._me(),
            refused=self._refused,
        )
        self.server = DataServer(DataApp(self.port), DoorLimits())

    def take_up(self, configuration: Configuration) -> None:
        """Run another configuration from the next request on."""
        self.configuration = configuration
        settings = configuration.settings
        port = self.port
        self._admit()
        port.house = self._house()
        port.listing = build_listing(settings, configuration.catalogue)
        port.max_json_bytes = settings.server.max_json_bytes
        port.gate.max_requests = settings.server.max_in_flight
        port.gate.max_bytes = BUFFERED_BODIES * settings.server.max_json_bytes
        self.grace_s = settings.server.drain_seconds
        self.recorder.learn(build_vocabulary(settings, configuration.catalogue))

    def run_time_changed(self, found: RunTime) -> None:
        """Operators changed keys, limits or migrations: in force from the next request on. Of migrations the later copy
        stands, should the store have lost its own."""
        states = newest(self.run_time.migrations, found.migrations)
        moved = states != self.run_time.migrations
        self.run_time = replace(found, migrations=states)
        self._admit()
        if moved:
            self._plan_anew()
        else:
            self.port.house = with_book(self.port.house, self.fixtures, self.book)

    def _admit(self) -> None:
        """Keys and budgets of the configuration, with what operators have changed since."""
        merged, refused = with_run_time(self.configuration, self.run_time)
        for why in refused:
            self.log.event("key_left_out", "error", why=why)
        self.book = build_book(merged.settings, self.run_time)
        self.port.keys = build_keys(merged.settings)
        self.port.me = self._me()

    def _me(self) -> Me:
        return Me(self.book, self.ledger.pipe if self.ledger is not None else None)

    async def watch_store(self, ledger: Ledger) -> None:
        """Show in the metrics how this process gets on with Redis. Runs until cancelled."""
        while True:
            self.recorder.redis(up=not ledger.pipe.away and (ledger.healthy or ledger.lost))
            self.recorder.epoch_lost(ledger.lost)
            await asyncio.sleep(_LOOK_EVERY_S)

    async def watch_breakers(self) -> None:
        """Show in the metrics which breakers wait for their probe. Runs until cancelled."""
        while True:
            for provider, model, state in self.fixtures.breakers.unwell(time.perf_counter()):
                self.recorder.breaker(provider, model, state.value)
            await asyncio.sleep(_LOOK_EVERY_S)

    def _tell(self, lesson: Lesson) -> None:
        if self.lessons is not None:
            self.lessons.tell(*packed(lesson))

    def _lessons_changed(self, told: Iterable[bytes]) -> None:
        self.fixtures.learned.take_up(unpacked(told), time.time())

    def poll_minutes(self) -> int:
        """How often providers are asked for their models."""
        return self.configuration.settings.lifecycle.poll_minutes

    def _plan_anew(self) -> None:
        """New shutdown dates, or migrations that moved: what is planned from now on knows them."""
        self.port.house = self._house()
        self._dates_changed(self.fixtures.watch.published)

    def _house(self) -> House:
        return build_house(self.configuration, self.fixtures, self.book, self.run_time.migrations)

    async def drain(self) -> None:
        """Finish what is running, cut what does not finish, and let go of everything."""
        report = await self.server.drain(self.grace_s)
        last_bills_s = time.monotonic() + _LAST_BILLS_S
        if self.shadows is not None:
            self.shadows.stop()
        await self.fixtures.tasks.idle(_LAST_BILLS_S)
        self.fixtures.pools.close()
        if self.ledger is not None:
            await self.ledger.drain(max(0.0, last_bills_s - time.monotonic()))
            await self.ledger.close()
        if self.witness is not None:
            await self.witness.catch_up()
        self._record_ended()
        self.recorder.close()
        self.log.event("drained", drained=report.drained, cut=report.cut, aborted=report.aborted)
        self.log.close()

    def _health_changed(self, candidate: Candidate, state: State) -> None:
        self.recorder.breaker(candidate.provider, candidate.model, state.value)
        level: Level = "info" if state is State.CLOSED else "warning"
        self.log.event(
            "breaker", level, provider=candidate.provider, model=candidate.model, state=state.value
        )

    def _moved_on(self, before: Candidate, after: Candidate, cause: str) -> None:
        if after.reason is not Reason.LEARNED:  # that is the same model, asked in other words
            self.recorder.fallback(before.model, after.model, cause)

    def _record(self, row: LedgerRow, told: bytes, final: bool, events: int) -> None:
        """Numbers and log can wait; the next request of the same client is on its way already."""
        if not self._ended:
            asyncio.get_running_loop().call_later(_RECORD_AFTER_S, self._record_ended)
        self._ended.append((row, told, final, events))

    def _record_ended(self) -> None:
        ended, self._ended = self._ended, []
        for row, told, final, events in ended:
            self.recorder.observe(row, chunks=events, final=final)
            if row.arm:
                self.recorder.arm(row.migration, row.arm, row)
            self.log.request(row, told)

    def _refused(self, refusal: ApiError, endpoint: str, request_id: str) -> None:
        reason = refusal.code or type(refusal).__name__
        self.recorder.refusal(reason, endpoint=endpoint, status=refusal.status)
        self.log.event(
            "refused",
            "warning",
            request_id=request_id,
            endpoint=endpoint,
            status=refusal.status,
            error=reason,
        )


async def work(listener: socket.socket, wire: socket.socket, metrics: Path) -> int:
    """Serve until told to stop. Returns the exit status; raises what `INVALID` lists when it cannot begin."""
    control = await Control.over(wire)
    first = await control.receive()
    if first is None:
        return 1
    blueprint = unpack(first["run"])
    configuration = read_configuration(blueprint, os.environ)
    ledger = build_ledger(blueprint.redis_url)
    log = Log(sys.stdout.fileno(), time.time)
    worker = Worker(
        configuration,
        blueprint.run_time,
        ledger,
        metrics,
        log,
        dates_changed=lambda published: control.send(
            dates=[(provider, model, ends) for (provider, model), ends in published.items()]
        ),
    )
    background = TaskOwner()
    stop = asyncio.Event()
    if ledger is not None:
        await ledger.start()
        accounts = Accounts(ledger.pipe, worker.run_time_changed)
        counting = [ledger.run(), accounts.run(), worker.watch_store(ledger)]
        if worker.witness is not None:
            counting.append(worker.witness.run())
        if worker.fixtures.objects is not None:
            counting.append(worker.fixtures.objects.run())
        if worker.lessons is not None:
            counting.append(worker.lessons.run())
        for task in [background.start(each) for each in counting]:
            # None of them ends by itself. A worker that no longer counts, or hears of no revocation, must not go on.
            task.add_done_callback(lambda _: stop.set())
        await accounts.poll()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    # What start-up made lives as long as the process; looking through it again and again costs a tenth of a request.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    await worker.server.start(listener)
    control.send(ready=os.getpid())
    background.start(worker.fixtures.watch.run(worker.poll_minutes))
    background.start(worker.watch_breakers())
    following = background.start(_follow(control, worker))
    # Also when it fails: a worker that no longer hears its parent must not go on with what may have been revoked.
    following.add_done_callback(lambda _: stop.set())
    await stop.wait()
    await worker.drain()
    background.cancel()
    return 0


async def _follow(control: Control, worker: Worker) -> None:
    """Take up every configuration the parent sends, until the parent is gone."""
    while (message := await control.receive()) is not None:
        try:
            # In a thread: it takes some 50 ms, in which streams should go on.
            configuration = await asyncio.to_thread(
                read_configuration, unpack(message["run"]), dict(os.environ)
            )
            worker.take_up(configuration)
            worker.log.event("configuration_taken", pid=os.getpid())
            control.send(running=True)
        except INVALID as error:
            control.send(running=False, why=str(error))


def main() -> int:
    """The process: sockets by number; interrupts and hang-ups are the parent's matter."""
    options = argparse.ArgumentParser()
    options.add_argument("--listener", type=int, required=True)
    options.add_argument("--wire", type=int, required=True)
    options.add_argument("--metrics", type=Path, required=True)
    given = options.parse_args()
    return _live(socket.socket(fileno=given.listener), socket.socket(fileno=given.wire), given.metrics)


def forked(wire: socket.socket) -> int:
    """The same for a process that was forked."""
    equipped = equipment(wire)
    if equipped is None:
        return 1
    listener, metrics = equipped
    return _live(listener, wire, Path(metrics))


def _live(listener: socket.socket, wire: socket.socket, metrics: Path) -> int:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        return uvloop.run(work(listener, wire, metrics))
    except INVALID as error:
        sys.stderr.write(f"switchyard worker: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
