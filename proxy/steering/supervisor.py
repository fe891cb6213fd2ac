"""Looks after migrations in the parent of the leading replica: rolls back, promotes, warns of ends, moves everybody on the day.

What is to happen is decided by `migration.supervision`, and done by the same compare-and-set as a command: should two
replicas both take themselves for the leader, one of them comes second and looks again. A breach is acted on at the first
look that sees it, so a second after it is measured.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final, Protocol

from proxy.app.configuration import Configuration
from proxy.app.yard import last_days
from proxy.metrics.log import Log
from proxy.metrics.recorder import Recorder
from proxy.migration.guards import Judgement, Measure
from proxy.migration.roads import States, newest, state_for
from proxy.migration.state import Event, Refused, State, Status, percent
from proxy.migration.supervision import is_watched, next_step
from proxy.models.lifecycle import Published, days_left, warning
from proxy.settings import Migration
from proxy.steering.helm import Helm
from proxy.store.client import Pipe, StoreAway
from proxy.store.migrations import read_states

LOOK_EVERY_S: Final = 1.0
WHO: Final = "switchyard"
_GUARDS: Final = {
    Measure.FAILED: "error_rate",
    Measure.SLOW: "slow_first_token",
    Measure.COST: "cost_ratio",
}

Judge = Callable[[Migration, State], Awaitable[Judgement | None]]
"""What the guards say of the present stage; None while nothing can be told. Raises StoreAway."""


class Watched(Protocol):
    """What the parent knows, asked anew at each look; its configuration has the keys made at run time."""

    @property
    def pipe(self) -> Pipe | None: ...
    @property
    def is_leader(self) -> bool: ...
    @property
    def configuration(self) -> Configuration: ...
    @property
    def states(self) -> States: ...


class Supervisor:
    """One per parent; it acts while its replica leads. `published` is what providers say of their models' ends: the day it
    acts on is the one that requests are planned by."""

    def __init__(
        self,
        watched: Watched,
        judge: Judge,
        recorder: Recorder,
        log: Log,
        wall_clock: Callable[[], float],
        *,
        published: Callable[[], Published],
    ) -> None:
        self._watched = watched
        self._judge = judge
        self._recorder = recorder
        self._log = log
        self._wall_clock = wall_clock
        self._published = published
        self._warned: dict[str, int] = {}
        self._refused: dict[str, str] = {}

    async def run(self) -> None:
        """Look until cancelled. The store being away is no error: it is looked at again."""
        while True:
            with suppress(StoreAway):
                await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """One look at every migration. Raises StoreAway."""
        pipe, configuration = self._watched.pipe, self._watched.configuration
        if pipe is None or not configuration.settings.migrations or not self._watched.is_leader:
            return
        states = newest(self._watched.states, await read_states(pipe))
        ends = last_days(configuration.settings, configuration.catalogue, self._published())
        helm = Helm(pipe, configuration.settings)
        for migration in configuration.settings.migrations:
            state = state_for(migration, states)
            self._warn(migration, state, ends)
            await self._look_after(helm, migration, state, ends)

    async def _look_after(
        self, helm: Helm, migration: Migration, state: State, ends: Mapping[str, float]
    ) -> None:
        now = self._wall_clock()
        margin_s = helm.settings.lifecycle.margin_hours * 3600
        ended = migration.source in ends and now >= ends[migration.source] - margin_s
        judgement = await self._judge(migration, state) if is_watched(state) and not ended else None
        step = next_step(migration, state, judgement, now, ended=ended)
        if step is None:
            return
        try:
            after = await helm.put(state, step.event, who=WHO, why=step.why, now=now)
        except Refused as why:
            self._say_once(migration.name, step.event, str(why))
            return
        self._refused.pop(migration.name, None)
        breached = step.event is Event.ROLLBACK
        self._log.event(
            "migration_moved",
            "error" if breached else "info",
            migration=migration.name,
            step=step.event.value,
            percent=percent(after),
            why=step.why,
        )
        if breached and judgement is not None:
            for guard in {_GUARDS[each.measure] for each in judgement.breaches}:
                self._recorder.guard_tripped(migration.name, guard)

    def _say_once(self, name: str, event: Event, why: str) -> None:
        """What cannot be done would be said at every look."""
        if self._refused.get(name) != why:
            self._refused[name] = why
            self._log.event("migration_held", "warning", migration=name, step=event.value, why=why)

    def _warn(self, migration: Migration, state: State, ends: Mapping[str, float]) -> None:
        """30, 14, 7 and 1 days before the old model's end, each once."""
        days = days_left(ends.get(migration.source), self._wall_clock())
        level = warning(days)
        if level is None or state.status is Status.FINISHED or self._warned.get(migration.name) == level:
            return
        self._warned[migration.name] = level
        self._log.event(
            "migration_deadline",
            "warning",
            migration=migration.name,
            model=migration.source,
            days_left=days,
            percent=percent(state),
            why=f"{migration.source} ends in {days} days; then everybody moves to {migration.target}",
        )
