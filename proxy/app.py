"""Puts the rooms together: from settings to what the data port works with. The only place that knows them all."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from proxy.aftercare import Aftercare
from proxy.api.auth import Key, KeyRing
from proxy.api.listing import Listed, Listing
from proxy.budgets.scopes import Book, Budget, Limits, budget
from proxy.house import House
from proxy.ids import RandomIds
from proxy.loops import Loops
from proxy.measuring.shadow import ShadowCourse, Shadows
from proxy.measuring.witness import Course, Witness
from proxy.metrics.labels import Vocabulary
from proxy.migration.roads import States
from proxy.models.catalogue import Catalogue
from proxy.models.catalogue import load as load_catalogue
from proxy.models.families import FAMILIES
from proxy.models.learned import Learned
from proxy.models.lifecycle import Published
from proxy.models.rowfile import CatalogueError
from proxy.money import Money
from proxy.nouns import Caller, Candidate, LedgerRow
from proxy.planning.candidates import Yard
from proxy.planning.expected import Terms
from proxy.planning.foreign import names_served
from proxy.planning.plan import Planner
from proxy.planning.roadworks import road_mistakes, roads_of
from proxy.routing.pace import Pace
from proxy.routing.verdicts import Verdicts
from proxy.settings import (
    Flag,
    Mistake,
    Settings,
    SettingsError,
    load,
    mistake_at,
    models_named,
    shipped_file,
    validate,
    with_made_keys,
)
from proxy.settings import Key as KeySettings
from proxy.settings import Provider as ProviderSettings
from proxy.store.accounts import RunTime
from proxy.store.ledger import Ledger, LedgerOptions
from proxy.store.migrations import packed, states_in
from proxy.store.objects import StoredObjects
from proxy.tasks import TaskOwner
from proxy.tenants import Tenants
from proxy.upstreams.azure import AzureProvider
from proxy.upstreams.breaker import Breakers, State
from proxy.upstreams.http import HttpPool, Origin, Timeouts
from proxy.upstreams.litellm_adapter import LitellmProvider, load_library
from proxy.upstreams.providers import HttpProvider, Provider
from proxy.watch import ModelWatch

NO_STATES: Final[States] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a process is told to run: the file's name and text (None: the shipped file), and the command line's wishes.

    Handed from the parent to its workers as text, so that all of them run what the parent has checked. `redis_url` is the
    configured one or that of the embedded server; `""` where there is neither, and nothing is counted. `made_keys`,
    `limits_nano` and `migrations` (as the store holds them) are the last copy of what operators changed, so that a worker
    that starts while Redis is away knows it too.
    """

    path: str | None = None
    text: str | None = None
    flags: Mapping[str, Flag] = field(default_factory=dict)
    redis_url: str = ""
    made_keys: Mapping[str, str] = field(default_factory=dict)
    limits_nano: Mapping[str, int] = field(default_factory=dict)
    migrations: Mapping[str, str] = field(default_factory=dict)

    @property
    def run_time(self) -> RunTime:
        """What operators changed while the proxy ran, as far as the parent knew."""
        return RunTime(
            {key: text.encode() for key, text in self.made_keys.items()},
            self.limits_nano,
            states_in({name: text.encode() for name, text in self.migrations.items()}),
        )

    def knowing(self, run_time: RunTime) -> "Blueprint":
        """The same with this as the last copy of what operators changed."""
        made = {key: text.decode() for key, text in run_time.keys.items()}
        states = {name: packed(state).decode() for name, state in run_time.migrations.items()}
        return replace(self, made_keys=made, limits_nano=run_time.limits_nano, migrations=states)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings and catalogue that fit each other, with what the operator should be warned of."""

    settings: Settings
    catalogue: Catalogue
    warnings: tuple[Mistake, ...]


def read_configuration(blueprint: Blueprint, env: Mapping[str, str]) -> Configuration:
    """Raises SettingsError with every mistake, of the file and of the models it names."""
    path = Path(blueprint.path) if blueprint.path else None
    settings = load(path, blueprint.text, env=env, flags=blueprint.flags)
    try:
        catalogue = load_catalogue(settings.model_rows(), _names_used(settings), shipped_file("models.yaml"))
    except CatalogueError as error:
        raise SettingsError(
            [
                Mistake(found.file, found.line, 0, found.path, found.message)
                if found.line
                else mistake_at(settings, found.path, found.message)
                for found in error.mistakes
            ]
        ) from None
    names = {name for row in catalogue for name in row.names}
    warnings = validate(settings, names)
    _check_roads(settings, catalogue)
    return Configuration(settings, catalogue, warnings)


def _check_roads(settings: Settings, catalogue: Catalogue) -> None:
    """Raises SettingsError for migrations that the catalogue says cannot be."""
    if not settings.migrations:
        return
    yard = _plain_yard(settings, catalogue, {})
    mistakes = [
        mistake_at(settings, path, message)
        for path, message in road_mistakes(settings, catalogue, yard, time.time())
    ]
    if mistakes:
        raise SettingsError(mistakes)


def with_run_time(configuration: Configuration, run_time: RunTime) -> tuple[Configuration, tuple[str, ...]]:
    """The configuration with the keys made at run time, and why any of them was left out."""
    settings, refused = with_made_keys(configuration.settings, run_time.keys)
    return replace(configuration, settings=settings), refused


def _names_used(settings: Settings) -> set[str]:
    """Model names the configuration mentions and those of litellm providers, so that the catalogue can look up what it
    does not ship."""
    foreign = {provider.litellm_provider or "" for provider in settings.providers.values()} - {""}
    return {*models_named(settings), *names_served(foreign)}


class Pools:
    """One connection pool per provider we dial ourselves, kept over reloads while the provider's settings stay the same."""

    def __init__(self) -> None:
        self._pools: dict[str, tuple[ProviderSettings, HttpPool]] = {}

    def fitting(self, providers: Mapping[str, ProviderSettings]) -> dict[str, HttpPool]:
        """The pools of these providers; those of changed or removed ones finish what they have open and end."""
        fitting: dict[str, tuple[ProviderSettings, HttpPool]] = {}
        for name, settings in providers.items():
            if settings.kind == "litellm":
                continue
            kept = self._pools.pop(name, None)
            if kept is not None and kept[0] == settings:
                fitting[name] = kept
                continue
            if kept is not None:
                kept[1].retire()
            fitting[name] = (settings, HttpPool(_origin(settings)))
        for _, pool in self._pools.values():
            pool.retire()
        self._pools = fitting
        return {name: pool for name, (_, pool) in fitting.items()}

    def close(self) -> None:
        """End every connection now."""
        for _, pool in self._pools.values():
            pool.close()


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
    record: Callable[[LedgerRow, bool, int], None]
    witness: Witness | None = None
    shadows: Shadows | None = None


def build_house(
    configuration: Configuration, fixtures: Fixtures, book: Book, states: States = NO_STATES
) -> House:
    """The rooms of one snapshot of the settings; `book` has its budgets, `states` says where its migrations stand."""
    settings = configuration.settings
    passthrough = settings.auth.mode == "passthrough"
    catalogue, watch = configuration.catalogue, fixtures.watch
    yard = Yard(settings, catalogue, watch.published, watch.gone, roads_of(settings, catalogue, states))
    planner = Planner(settings, yard, fixtures.verdicts, fixtures.pace)
    pools = fixtures.pools.fitting(settings.providers)
    providers = {
        name: _provider(name, each, pools[name], passthrough=passthrough)
        if name in pools
        else _foreign(name, each, fixtures.tasks, passthrough=passthrough)
        for name, each in settings.providers.items()
    }
    watch.take_up(providers, {row.name: row for row in catalogue})
    if fixtures.witness is not None and fixtures.shadows is not None:
        fixtures.witness.take_up(build_courses(settings, catalogue, time.time()))
        fixtures.shadows.take_up(*build_shadows(settings))
    return House(
        planner=planner,
        providers=providers,
        money=Money(fixtures.ledger, book, planner),
        aftercare=Aftercare(planner, fixtures.learned, watch),
        tenants=Tenants(fixtures.objects, keeps=settings.auth.mode == "keys"),
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
        passthrough=passthrough,
    )


def _loops(yard: Yard, fixtures: Fixtures) -> Loops | None:
    if not yard.roads:
        return None
    return Loops(yard.roads, fixtures.ledger.pipe if fixtures.ledger is not None else None, fixtures.tasks)


def build_ledger(redis_url: str) -> Ledger | None:
    """The worker's ledger; None where there is no Redis."""
    if not redis_url:
        return None
    return Ledger(redis_url, LedgerOptions(), wall_clock=time.time, new_id=RandomIds(8))


def with_book(house: House, fixtures: Fixtures, book: Book) -> House:
    """The same rooms counting in another book; retries and what is remembered stay."""
    return replace(house, money=Money(fixtures.ledger, book, house.planner))


def build_book(settings: Settings, run_time: RunTime) -> Book:
    """Every budget and limit of the configuration, with the limits that operators have set since."""
    budgets = [budget(each, each.name, each.scope, each.of or "") for each in settings.all_budgets()]
    limits = {
        key.name: Limits(key.limits.rpm, key.limits.tpm, key.limits.concurrent) for key in settings.keys
    }
    budgets += [
        Budget(f"shadow.{each.name}", "key", each.shadow.usd_nano, each.shadow.per, of=f"shadow/{each.name}")
        for each in settings.migrations
        if each.shadow is not None
    ]
    return Book(budgets, limits).with_limits(run_time.limits_nano)


def build_courses(settings: Settings, catalogue: Catalogue, now: float) -> dict[str, Course]:
    """What measuring has to know of each migration: what its two models cost."""
    return {
        each.name: Course(
            build_terms(catalogue, each.source, "", now),
            build_terms(catalogue, each.target.model, each.target.effort or "", now),
        )
        for each in settings.migrations
    }


def build_terms(catalogue: Catalogue, model: str, effort: str, now: float) -> Terms:
    """What a model costs at an effort, "" for its own."""
    row = catalogue.resolve(model.rpartition("/")[2]) or catalogue.resolve(model)
    if row is None:
        return Terms(None, "none")
    family = FAMILIES[row.family]
    return Terms(row.price_at(now), (effort or family.default_effort) if family.reasons else "none")


def build_shadows(settings: Settings) -> tuple[dict[str, ShadowCourse], dict[str, int]]:
    """Migrations with a shadow, and the connections of each provider."""
    courses = {
        each.name: ShadowCourse(float(each.shadow.share), str(each.target))
        for each in settings.migrations
        if each.shadow is not None
    }
    return courses, {name: each.max_connections for name, each in settings.providers.items()}


def build_keys(settings: Settings) -> KeyRing:
    """The key ring of the configuration file."""
    keys = [_key(key) for key in settings.keys]
    assert settings.auth.mode is not None
    return KeyRing(settings.auth.mode, {key.digest: key for key in keys})


def caller_named(settings: Settings, name: str) -> Caller | None:
    """The caller behind the key of this name."""
    return next((_key(key).caller for key in settings.keys if key.name == name), None)


def build_listing(settings: Settings, catalogue: Catalogue) -> Listing:
    """Every name that can be asked for."""
    names = {route: Listed(route, "switchyard") for route in settings.routes}
    for alias, target in settings.aliases.items():
        names[alias] = Listed(alias, "switchyard", target=target)
    for row in catalogue:
        for name in row.names:
            names.setdefault(name, Listed(name, "system", row.released, row.shutdown, target=row.name))
    return Listing(names)


def build_yard(configuration: Configuration, published: Published) -> Yard:
    """The models and where they are served, for questions that are not a request's."""
    return _plain_yard(configuration.settings, configuration.catalogue, published)


def last_days(configuration: Configuration) -> dict[str, float]:
    """The first second that the model a migration leaves is served by nobody, where that is known, by its name there."""
    yard = build_yard(configuration, {})
    ends = {each.source: yard.last_day(each.source) for each in configuration.settings.migrations}
    return {name: end for name, end in ends.items() if end is not None}


def _plain_yard(settings: Settings, catalogue: Catalogue, published: Published) -> Yard:
    """Without migrations, and with nothing found missing."""
    return Yard(settings, catalogue, published, lambda _, __: False)


def build_vocabulary(settings: Settings, catalogue: Catalogue) -> Vocabulary:
    """The names that may become labels of metrics."""
    return Vocabulary(
        models=frozenset(catalogue.names()),
        providers=frozenset(settings.providers),
        routes=frozenset(settings.routes),
        migrations=frozenset(migration.name for migration in settings.migrations),
    )


def _key(key: KeySettings) -> Key:
    caller = Caller(
        key_id=key.name,
        key_name=key.name,
        team=key.team or "",
        models=frozenset(key.models),
        endpoints=frozenset(endpoint.value for endpoint in key.endpoints),
        trusted_users=key.trusted_users,
    )
    return Key(bytes.fromhex(key.hash.removeprefix("sha256:")), caller, key.expires_at)


def _origin(settings: ProviderSettings) -> Origin:
    return Origin.from_url(
        settings.url,
        ca_file=settings.ca_file,
        proxy_url=settings.proxy.get_secret_value() if settings.proxy else None,
        max_connections=settings.max_connections,
        max_waiting=settings.max_waiting,
    )


def _provider(name: str, settings: ProviderSettings, pool: HttpPool, *, passthrough: bool) -> Provider:
    plain = HttpProvider(
        name=name,
        pool=pool,
        timeouts=_timeouts(settings),
        passthrough=passthrough,
        stream_usage=settings.stream_usage,
        own_headers=() if passthrough else _credentials(settings),
    )
    if settings.kind != "azure":
        return plain
    return AzureProvider(plain, settings.api_version or "", dict(settings.deployments))


def _foreign(name: str, settings: ProviderSettings, tasks: TaskOwner, *, passthrough: bool) -> Provider:
    return LitellmProvider(
        name=name,
        foreign=settings.litellm_provider or "",
        library=load_library(),
        start=tasks.start,
        timeouts=_timeouts(settings),
        max_in_flight=settings.max_connections,
        api_key=settings.api_key.get_secret_value() if settings.api_key else "",
        base_url=settings.url,
        passthrough=passthrough,
        stream_usage=settings.stream_usage,
    )


def _timeouts(settings: ProviderSettings) -> Timeouts:
    waits = settings.timeouts
    return Timeouts(connect_s=waits.connect_s, first_byte_s=waits.first_byte_s, idle_s=waits.idle_s)


def _credentials(settings: ProviderSettings) -> tuple[tuple[bytes, bytes], ...]:
    key = settings.api_key.get_secret_value() if settings.api_key else ""
    named = (
        (b"api-key", key) if settings.kind == "azure" else (b"authorization", f"Bearer {key}" if key else ""),
        (b"openai-organization", settings.organization or ""),
        (b"openai-project", settings.project or ""),
    )
    return tuple([(name, value.encode("latin-1")) for name, value in named if value])
