"""Builds the house that serves requests, from one snapshot of the settings and what outlives it."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from proxy.aftercare import Aftercare
from proxy.app.configuration import Configuration
from proxy.app.courses import build_courses, build_shadows
from proxy.app.providers import Pools, build_providers
from proxy.budgets.scopes import Book
from proxy.house import House
from proxy.loops import Loops
from proxy.measuring.shadow import Shadows
from proxy.measuring.witness import Witness
from proxy.migration.roads import NO_STATES, States
from proxy.models.learned import Learned
from proxy.money import Money
from proxy.nouns import Candidate, LedgerRow
from proxy.planning.candidates import Yard
from proxy.planning.plan import Planner
from proxy.planning.roadworks import roads_of
from proxy.routing.pace import Pace
from proxy.routing.verdicts import Verdicts
from proxy.store.ledger import Ledger
from proxy.store.objects import StoredObjects
from proxy.tasks import TaskOwner
from proxy.tenants import Tenants
from proxy.upstreams.breaker import Breakers, State
from proxy.watch import ModelWatch


@dataclass(frozen=True, slots=True)
class Fixtures:
    """What lives as long as the process and is built into every house."""

    verdicts: Verdicts
    pace: Pace
    pools: Pools
    ledger: Ledger | None
    objects: StoredObjects | None
    tasks: TaskOwner
    learned: Learned
    watch: ModelWatch
    breakers: Breakers
    health_changed: Callable[[Candidate, State], None]
    moved_on: Callable[[Candidate, Candidate, str], None]
    record: Callable[[LedgerRow, bytes, bool, int], None]
    witness: Witness | None = None
    shadows: Shadows | None = None


def build_house(
    configuration: Configuration, fixtures: Fixtures, book: Book, states: States = NO_STATES
) -> House:
    """The rooms of one snapshot of the settings; `book` has its budgets, `states` says where its migrations stand."""
    settings = configuration.settings
    catalogue, watch = configuration.catalogue, fixtures.watch
    yard = Yard(settings, catalogue, watch.published, watch.missing, roads_of(settings, catalogue, states))
    planner = Planner(settings, yard, fixtures.verdicts, fixtures.pace)
    providers = build_providers(settings, fixtures.pools, fixtures.tasks)
    watch.take_up(providers, {row.name: row for row in catalogue})
    if fixtures.witness is not None and fixtures.shadows is not None:
        fixtures.witness.take_up(build_courses(settings, catalogue, time.time()))
        fixtures.shadows.take_up(*build_shadows(settings))
    return House(
        planner=planner,
        providers=providers,
        money=Money(fixtures.ledger, book, planner),
        aftercare=Aftercare(planner, fixtures.learned, watch),
        tenants=Tenants(fixtures.objects, providers, keeps=settings.auth.mode == "keys"),
        loops=_loops(yard, fixtures),
        breakers=fixtures.breakers,
        pace=fixtures.pace,
        health_changed=fixtures.health_changed,
        moved_on=fixtures.moved_on,
        record=fixtures.record,
        tasks=fixtures.tasks,
        wall_clock=time.time,
        clock=time.perf_counter,
        rng=random.random,
        onlooker=fixtures.witness,
        passthrough=settings.auth.mode == "passthrough",
    )


def with_book(house: House, fixtures: Fixtures, book: Book) -> House:
    """The same rooms counting in another book; retries and what is remembered stay."""
    return replace(house, money=Money(fixtures.ledger, book, house.planner))


def _loops(yard: Yard, fixtures: Fixtures) -> Loops | None:
    if not yard.roads:
        return None
    return Loops(yard.roads, fixtures.ledger.pipe if fixtures.ledger is not None else None, fixtures.tasks)
