"""Names that must mean something, and must mean one thing: duplicates, aliases, teams, budgets, deployments, migrations."""

from collections.abc import Iterable, Iterator

from proxy.settings.budgets import Allowance
from proxy.settings.mistakes import Finding, Path
from proxy.settings.names import Names
from proxy.settings.root import Settings


def references(settings: Settings, names: Names) -> Iterator[Finding]:
    """Every reference that can be checked without the catalogue."""
    yield from _twice("teams", (team.name for team in settings.teams))
    yield from _twice("keys", (key.name for key in settings.keys))
    yield from _twice("keys", (key.hash for key in settings.keys), "hash")
    yield from _twice("budgets", (budget.name for budget in settings.budgets))
    yield from _twice("migrations", (migration.name for migration in settings.migrations))
    yield from _windows(settings)
    yield from _people(settings, names)
    yield from _deployments(settings, names)
    yield from _aliases(settings)
    yield from _roads(settings)
    yield from _pins(settings)


def _twice(section: str, values: Iterable[str], key: str = "name") -> Iterator[Finding]:
    first: dict[str, int] = {}
    for i, value in enumerate(values):
        if value in first:
            shown = "" if key == "hash" else f' "{value}"'
            yield Finding((section, i, key), f"the {key}{shown} is already used by {section}[{first[value]}]")
        first.setdefault(value, i)


def _windows(settings: Settings) -> Iterator[Finding]:
    for i, team in enumerate(settings.teams):
        yield from _one_per_window(("teams", i, "budgets"), team.budgets)
    for i, key in enumerate(settings.keys):
        yield from _one_per_window(("keys", i, "budgets"), key.budgets)


def _one_per_window(path: Path, allowances: tuple[Allowance, ...]) -> Iterator[Finding]:
    seen: set[str] = set()
    for i, allowance in enumerate(allowances):
        if allowance.per in seen:
            yield Finding((*path, i, "per"), f"a second budget per {allowance.per}; keep the smaller one")
        seen.add(allowance.per)


def _people(settings: Settings, names: Names) -> Iterator[Finding]:
    for i, key in enumerate(settings.keys):
        if key.team is not None and key.team not in names.teams:
            yield Finding(("keys", i, "team"), f'no team is called "{key.team}"', names.teams, key.team)
    for i, budget in enumerate(settings.budgets):
        known = {"team": names.teams, "key": names.keys}.get(budget.scope)
        if known is not None and budget.of not in known:
            yield Finding(
                ("budgets", i, "of"), f'no {budget.scope} is called "{budget.of}"', known, str(budget.of)
            )


def _deployments(settings: Settings, names: Names) -> Iterator[Finding]:
    for model, row in settings.models.items():
        for i, deployment in enumerate(row.deployments):
            if deployment.provider not in names.providers:
                path = ("models", model, "deployments", i, "provider")
                message = f'no provider is called "{deployment.provider}"'
                yield Finding(path, message, names.providers, deployment.provider)


def _aliases(settings: Settings) -> Iterator[Finding]:
    """A circle is reported once, at its first name in the alphabet."""
    for name in settings.aliases:
        if name in settings.routes:
            yield Finding(("aliases", name), "a route has this name; rename one of them")
        chain = [name]
        while chain[-1] in settings.aliases and chain[-1] not in chain[:-1]:
            chain.append(settings.aliases[chain[-1]])
        if chain[-1] == name and name == min(chain) and len(chain) > 1:
            yield Finding(("aliases", name), f"goes round in a circle: {' → '.join(chain)}")


def _roads(settings: Settings) -> Iterator[Finding]:
    roads: dict[str, str] = {}
    owner: dict[str, str] = {}
    for i, migration in enumerate(settings.migrations):
        if migration.source in roads:
            other = owner[migration.source]
            message = f'"{other}" already leaves {migration.source}; let one finish, or remove it'
            yield Finding(("migrations", i, "from"), message)
            continue
        chain = [migration.source, migration.target.model]
        while chain[-1] in roads and chain[-1] != migration.source:
            chain.append(roads[chain[-1]])
        if chain[-1] == migration.source:
            message = f"goes round in a circle: {' → '.join(chain)}; point each migration at the final model"
            yield Finding(("migrations", i, "to"), message)
            continue
        roads[migration.source] = migration.target.model
        owner[migration.source] = migration.name


def _pins(settings: Settings) -> Iterator[Finding]:
    for i, migration in enumerate(settings.migrations):
        for key in migration.pins:
            if key in migration.exclude:
                message = "this key is excluded as well; write it in one of them: an excluded key stays on the old model"
                yield Finding(("migrations", i, "pins", key), message)
