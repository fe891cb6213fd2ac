"""The workers of a replica: started, listened to, started again when they die, ended together.

A worker that dies is started again, ever more slowly while it keeps dying. One that ends before all have served ends the
replica: trying again would only repeat what it said.
"""

import asyncio
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from proxy.app.blueprint import Blueprint
from proxy.metrics.log import Log
from proxy.process.banner import say
from proxy.process.control import WorkerProcess
from proxy.process.forks import Fork

KILL_AFTER_S: Final = 4.5
"""Beyond the grace period: cutting takes at most three seconds, the last log lines two, and the whole should stay in five."""
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
_HEALTHY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Duty:
    """What workers are given, and who is told of them. `blueprint` is asked for each new one; `served` is called once, when
    all accept requests, `heard` with what else one says, `ended` with the pid of one that is gone and whether it crashed."""

    listener: socket.socket
    metrics: Path
    blueprint: Callable[[], Blueprint]
    served: Callable[[], None]
    heard: Callable[[int, dict[str, Any]], None]
    ended: Callable[[int, bool], None]


class Crew:
    """One per parent. `stopping` is set by whoever ends the replica; `failed` says that it was a worker that cannot start."""

    def __init__(self, forks: list[Fork], wanted: int, log: Log, stopping: asyncio.Event) -> None:
        self._forks = forks
        self._log = log
        self._stopping = stopping
        self._workers: dict[int, WorkerProcess] = {}
        self._served = False
        self.wanted = wanted
        self.failed = False

    @property
    def workers(self) -> Sequence[WorkerProcess]:
        """Those there are, not all of them ready."""
        return list(self._workers.values())

    @property
    def ready(self) -> int:
        """How many accept requests."""
        return sum(worker.is_ready for worker in self._workers.values())

    @property
    def serves(self) -> bool:
        """Whether somebody accepts requests, and will go on to."""
        return self.ready > 0 and not self._stopping.is_set()

    def run(self, blueprint: Blueprint) -> None:
        """Have everyone take up a configuration that has been checked."""
        for worker in self._workers.values():
            worker.run(blueprint)

    async def keep(self, place: int, duty: Duty) -> None:
        """Keep one worker running; while it keeps dying, wait longer each time."""
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            began_s = time.monotonic()
            try:
                if self._forks:
                    worker = await WorkerProcess.adopt(self._forks.pop(), duty.listener, duty.metrics)
                else:
                    worker = await WorkerProcess.start(duty.listener, duty.metrics)
            except OSError as error:
                why = f"could not be started: {error.strerror}"
            else:
                why = f"ended with status {await self._attend(place, worker, duty)}"
            if not self._served and not self._stopping.is_set():
                self.failed = True
                say(f"switchyard: a worker {why} before it could serve")
                self._stopping.set()
            if self._stopping.is_set():
                return
            lived_s = time.monotonic() - began_s
            pause_s = _FIRST_PAUSE_S if lived_s > _HEALTHY_S else min(pause_s * 2, _LONGEST_PAUSE_S)
            self._log.event("worker_died", "error", why=why, again_in_s=pause_s)
            await self._pause(pause_s)

    async def stop(self, keepers: Sequence[asyncio.Task[None]], grace_s: float) -> None:
        """SIGTERM to each; after the grace period SIGKILL to whoever is left. Returns when all are gone."""
        for worker in self._workers.values():
            worker.signal(signal.SIGTERM)
        await asyncio.wait(keepers, timeout=grace_s + KILL_AFTER_S)
        for worker in self._workers.values():
            self._log.event("worker_killed", "error", pid=worker.pid)
            worker.signal(signal.SIGKILL)
        await asyncio.wait(keepers)

    async def _attend(self, place: int, worker: WorkerProcess, duty: Duty) -> int:
        """Listen to a worker until it ends; its exit status."""
        # From here to the first `await` nothing can change: what it is told is what is running, and it is not missed by
        # a reload or a stop that came while it was being started.
        self._workers[place] = worker
        worker.run(duty.blueprint())
        if self._stopping.is_set():
            worker.signal(signal.SIGTERM)
        async for word in worker.words():
            if "ready" not in word:
                duty.heard(worker.pid, word)
            elif not self._served and self.ready >= self.wanted:
                self._served = True
                duty.served()
        status = await worker.ended()
        del self._workers[place]
        duty.ended(worker.pid, not self._stopping.is_set())
        return status

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return
