"""Model names against the catalogue, which the caller passes in: unknown names, rows without prices, retired names.

A retired name without a living successor is a warning, not a mistake: its requests are answered 404.
"""

from collections.abc import Collection, Iterator, Mapping

from proxy.settings.mistakes import Finding, Path
from proxy.settings.models import ModelRow
from proxy.settings.names import Names
from proxy.settings.root import Settings
from proxy.settings.values import Target


class Catalogue:
    """Which names mean a model. `retired` maps names past their end to a living successor, or to None."""

    def __init__(self, known: Collection[str], retired: Mapping[str, str | None], names: Names) -> None:
        self._shipped = frozenset(known)
        self._retired = retired
        self._names = names
        self.models = tuple(sorted(self._shipped | set(names.models)))
        self.askable = (*names.routes, *names.aliases, *self.models)

    def mistakes(self, settings: Settings) -> Iterator[Finding]:
        """Names that mean nothing and rows that lack a price."""
        for path, name in _models_named(settings):
            if not self._is_model(name):
                yield Finding(path, f'unknown model "{name}"', self.models, name.rpartition("/")[2])
        for path, name in _names_asked(settings):
            if name not in self.askable and not self._is_model(name):
                others = tuple(other for other in self.askable if path != ("aliases", other))
                yield Finding(path, f'"{name}" is no route, alias or model', others, name)
        for name, row in settings.models.items():
            if name not in self._shipped:
                yield from _lacking(name, row)

    def warnings(self, settings: Settings) -> Iterator[Finding]:
        """Retired names that nobody stands in for."""
        for path, name in (*_models_named(settings), *_names_asked(settings)):
            model = Target(name).split(self._names.providers)[1]
            if name not in self._names.routes and self._retired.get(model, "lives") is None:
                yield Finding(
                    path, f'"{name}" has been shut down and has no living successor; requests get a 404'
                )

    def _is_model(self, name: str) -> bool:
        model = Target(name).split(self._names.providers)[1]
        if model.startswith("ft:"):  # a fine-tune is priced and bounded by its base: ft:BASE:org::id
            model = model.split(":")[1]
        return model in self._shipped or model in self._names.models


def models_named(settings: Settings) -> tuple[str, ...]:
    """Every model the configuration names, without provider and effort, each once; aliases and keys may name routes."""
    asked = (
        name
        for _, name in _names_asked(settings)
        if name not in settings.routes and name not in settings.aliases
    )
    names = [*(name for _, name in _models_named(settings)), *asked]
    return tuple(dict.fromkeys(Target(name).split(settings.providers)[1] for name in names))


def targets_named(settings: Settings) -> Iterator[tuple[Path, Target]]:
    """Every place that may give a model an effort."""
    yield from _routed(settings)
    for i, migration in enumerate(settings.migrations):
        yield ("migrations", i, "to"), migration.target
    yield from _downgrades(settings)
    for name, text in settings.aliases.items():
        model, _, effort = text.partition("@")
        if model not in settings.routes:
            yield ("aliases", name), Target(model, effort or None)


def _models_named(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Every place that must name a model."""
    yield from ((path, target.model) for path, target in _routed(settings))
    for name, provider in settings.providers.items():
        yield from ((("providers", name, "deployments", model), model) for model in provider.deployments)
    for name, row in settings.models.items():
        if row.successors is not None:
            chain: Path = ("models", name, "successors", "chain")
            yield from ((path, target.model) for path, target in _each(chain, row.successors.chain))
    for i, migration in enumerate(settings.migrations):
        yield ("migrations", i, "from"), migration.source
        yield ("migrations", i, "to"), migration.target.model
    yield from ((path, target.model) for path, target in _downgrades(settings))


def _routed(settings: Settings) -> Iterator[tuple[Path, Target]]:
    for name, route in settings.routes.items():
        base: Path = ("routes", name)
        yield from _each((*base, "default"), route.default)
        for task, lists in route.tasks.items():
            for difficulty in type(lists).model_fields:
                yield from _each((*base, "tasks", task, difficulty), getattr(lists, difficulty))


def _downgrades(settings: Settings) -> Iterator[tuple[Path, Target]]:
    lists: list[tuple[Path, tuple[object, ...]]] = [(("budgets",), settings.budgets)]
    lists += [(("teams", i, "budgets"), team.budgets) for i, team in enumerate(settings.teams)]
    lists += [(("keys", i, "budgets"), key.budgets) for i, key in enumerate(settings.keys)]
    for path, allowances in lists:
        for i, allowance in enumerate(allowances):
            on_soft = getattr(allowance, "on_soft", None)
            if on_soft is not None:
                yield (*path, i, "on_soft", "downgrade"), on_soft.downgrade


def _names_asked(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Every place that may name a route, an alias or a model."""
    for name, target in settings.aliases.items():
        yield ("aliases", name), target.partition("@")[0]
    for i, key in enumerate(settings.keys):
        yield from ((("keys", i, "models", n), name) for n, name in enumerate(key.models))
    for i, budget in enumerate(settings.budgets):
        if budget.scope == "model":
            yield ("budgets", i, "of"), str(budget.of)


def _each(path: Path, targets: tuple[Target, ...]) -> Iterator[tuple[Path, Target]]:
    return (((*path, i), target) for i, target in enumerate(targets))


def _lacking(name: str, row: ModelRow) -> Iterator[Finding]:
    lacks = [key for key in ("family", "context", "max_output") if getattr(row, key) is None]
    if not (row.usd_per_m or row.prices or row.unpriced):
        lacks.append("usd_per_m")
    if lacks:
        yield Finding(("models", name), f"not in the shipped catalogue, so it needs {', '.join(lacks)}")
