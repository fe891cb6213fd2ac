"""The whole configuration as one frozen tree.

Everything a request reads is a plain attribute. Nothing here needs the catalogue of models; `catalogue.py` compares
the names with it once it is known.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import Field, PrivateAttr

from proxy.settings.access import Auth, Key, Team
from proxy.settings.budgets import Allowance, Budget, Scope
from proxy.settings.migrations import Migration
from proxy.settings.models import ModelRow
from proxy.settings.providers import Provider
from proxy.settings.record import Record
from proxy.settings.routes import CallRules, Route
from proxy.settings.server import Lifecycle, Redis, Server, is_loopback
from proxy.settings.source import Source
from proxy.settings.values import ModelName, Name, TargetName


class Origin:
    """Where the tree was read from. Two trees that say the same are equal wherever they were written."""

    __slots__ = ("source",)

    def __init__(self, source: Source | None = None) -> None:
        self.source = source

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Origin)

    def __hash__(self) -> int:
        return 0

    def __deepcopy__(self, memo: object) -> "Origin":
        return self


class Settings(Record):
    """Switchyard's configuration. Every section may be left out."""

    server: Server = Field(default_factory=Server, description="Ports, processes and the limits of the door.")
    redis: Redis = Field(
        default_factory=Redis, description="Where budgets, run-time keys and migration state live."
    )
    auth: Auth = Field(default_factory=Auth, description="How callers prove who they are.")
    providers: Mapping[Name, Provider] = Field(
        default_factory=dict,
        min_length=1,
        description="Upstreams by name. In passthrough mode callers' keys go to the first one only.",
    )
    models: Mapping[ModelName, ModelRow] = Field(
        default_factory=dict, description="Models of your own, and overrides of the shipped catalogue."
    )
    routes: Mapping[Name, Route] = Field(
        default_factory=dict,
        description="Names served by the kind of task. Left out: the shipped route auto.",
    )
    aliases: Mapping[ModelName, TargetName] = Field(
        default_factory=dict, description="Other names for routes and models, looked up first."
    )
    teams: tuple[Team, ...] = Field(default=(), description="Keys that share budgets.")
    keys: tuple[Key, ...] = Field(
        default=(), description="Keys of ours, by their SHA-256. `keys create` makes more at run time."
    )
    budgets: tuple[Budget, ...] = Field(
        default=(), description="Budgets of the whole proxy, and by team, key, user or model."
    )
    migrations: tuple[Migration, ...] = Field(default=(), description="Roads from one model to the next.")
    lifecycle: Lifecycle = Field(
        default_factory=Lifecycle, description="What happens around a shutdown date."
    )
    defaults: CallRules = Field(
        default_factory=CallRules,
        description="How calls behave that name a model instead of a route.",
    )
    _origin: Origin = PrivateAttr(default_factory=Origin)

    @property
    def origin(self) -> Source | None:
        return self._origin.source

    @property
    def passthrough_provider(self) -> str:
        """The one provider a caller's own key may be sent to ("" without providers)."""
        return next(iter(self.providers), "")

    def resolve(self, name: str) -> str:
        """Follow aliases from `name` to a route or a model; names that are no alias are returned as they are."""
        seen = {name}
        while name in self.aliases and self.aliases[name] not in seen:
            name = self.aliases[name]
            seen.add(name)
        return name

    def has_budgets(self) -> bool:
        return next(self.all_budgets(), None) is not None

    def all_budgets(self) -> Iterator[Budget]:
        """Every budget with its scope and name; those of keys are named `search-web.month`, of teams `team.search.month`."""
        yield from self.budgets
        for team in self.teams:
            yield from (_scoped(allowance, "team", team.name) for allowance in team.budgets)
        for key in self.keys:
            yield from (_scoped(allowance, "key", key.name) for allowance in key.budgets)

    def model_rows(self) -> Mapping[str, Any]:
        """`models:` as written (text, lists and mappings, environment filled in), for the catalogue to read."""
        written = self.origin.data.get("models") if self.origin else None
        return written if isinstance(written, dict) else {}

    def with_flat_aliases(self) -> Self:
        """The same settings in which every alias names its route or model at once."""
        return self.model_copy(update={"aliases": {name: self.resolve(name) for name in self.aliases}})

    def with_auth_mode(self) -> Self:
        """The same settings with `auth.mode` decided."""
        if self.auth.mode is not None:
            return self
        elsewhere = "open" if is_loopback(self.server.host) else "passthrough"
        mode = "keys" if self.keys else elsewhere
        return self.model_copy(update={"auth": self.auth.model_copy(update={"mode": mode})})

    def with_origin(self, source: Source) -> Self:
        """Remember the places, for mistakes that are found later."""
        self._origin = Origin(source)
        return self


def _scoped(allowance: Allowance, scope: Scope, of: str) -> Budget:
    fields = {name: getattr(allowance, name) for name in Allowance.model_fields}
    name = f"{of}.{allowance.per}" if scope == "key" else f"{scope}.{of}.{allowance.per}"
    return Budget.model_construct(**fields, name=name, scope=scope, of=of)
