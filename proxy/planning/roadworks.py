"""From the settings' migrations to roads, and everything about one that only the catalogue can tell is wrong. Pure.

What a migration's target costs is asked here, in advance: on the day the old model stops everybody is moved, and nobody
should find out about the bill at midnight.
"""

from collections.abc import Iterator, Mapping

from proxy.migration.roads import Road, States, state_for
from proxy.models.catalogue import Catalogue
from proxy.models.prices import ratio
from proxy.models.rows import ModelRow
from proxy.models.succession import MAX_RATIO
from proxy.planning.candidates import Yard
from proxy.settings import Migration, Settings


def roads_of(settings: Settings, catalogue: Catalogue, states: States) -> dict[str, Road]:
    """The road away from each model that is being left, by its catalogue name."""
    roads = {}
    for each in settings.migrations:
        source = catalogue.resolve(each.source)
        assert source is not None, "read_configuration refuses unknown models"
        provider, model = each.target.split(settings.providers)
        roads[source.name] = Road(
            name=each.name,
            provider=provider,
            model=model,
            effort=each.target.effort or "",
            sticky=each.sticky,
            pins=each.pins,
            exclude=frozenset(each.exclude),
            state=state_for(each, states),
        )
    return roads


def road_mistakes(
    settings: Settings, catalogue: Catalogue, yard: Yard, now: float
) -> Iterator[tuple[str, str]]:
    """(key path, message) of every migration that cannot be: two names of one model, circles, nobody to serve, a price
    that nobody agreed to."""
    leaving: dict[str, tuple[Migration, str]] = {}
    for i, each in enumerate(settings.migrations):
        source = catalogue.resolve(each.source)
        target = catalogue.resolve(each.target.split(settings.providers)[1])
        assert source is not None
        assert target is not None, "unknown models are refused before"
        wrong = dict(_ends(each, source, target, leaving))
        wrong = wrong or dict(_serving(source, target, yard, now))
        wrong = wrong or dict(price_mistakes(source, target, settings, now))
        leaving.setdefault(source.name, (each, target.name))
        yield from ((f"migrations[{i}].{key}", message) for key, message in wrong.items())


def _ends(
    each: Migration, source: ModelRow, target: ModelRow, leaving: Mapping[str, tuple[Migration, str]]
) -> Iterator[tuple[str, str]]:
    """The same as settings look for, with every spelling of a model taken for the model."""
    if source.fine_tuned:
        yield "from", "a fine-tuned model is left by changing the name in the application, not by a migration"
        return
    if source.name == target.name:
        yield "to", f"{each.target.model} is {source.name}, the same model as from"
    if source.name in leaving:
        other, _ = leaving[source.name]
        yield (
            "from",
            f'"{other.name}" already leaves {source.name} as {other.source}; let one finish, or remove it',
        )
    chain = [source.name, target.name]
    while chain[-1] in leaving and chain[-1] != source.name:
        chain.append(leaving[chain[-1]][1])
    if len(chain) > 2 and chain[-1] == source.name:
        yield (
            "to",
            f"goes round in a circle: {' → '.join(chain)}; point each migration at the final model",
        )


def _serving(source: ModelRow, target: ModelRow, yard: Yard, now: float) -> Iterator[tuple[str, str]]:
    if yard.row(source.name) is None:
        yield (
            "from",
            f"no provider here serves {source.name}; add one under providers, or models.{source.name}",
        )
    if yard.row(target.name) is None:
        yield "to", f"no provider here serves {target.name}; add one under providers, or models.{target.name}"
    elif yard.ended(target, now):
        heirs = yard.heirs(target.name, now)
        instead = f"; write to: {heirs.first.model}" if heirs is not None and heirs.first else ""
        yield "to", f"{target.name} has been shut down{instead}"


def price_mistakes(
    source: ModelRow, target: ModelRow, settings: Settings, now: float
) -> Iterator[tuple[str, str]]:
    """Lifecycle's ceiling, which holds for where everybody goes on the old model's last day."""
    if settings.lifecycle.allow_dearer:
        return
    ours, theirs = source.price_at(now), target.price_at(now)
    allow = "write lifecycle: {allow_dearer: true} to agree"
    if theirs is None or ours is None:
        unknown = target.name if theirs is None else source.name
        yield "to", f"the price of {unknown} is not known, so nobody can say what moving will cost; {allow}"
    elif ratio(theirs, ours) > MAX_RATIO:
        times = f"{ratio(theirs, ours):.2f} times the price of {source.name}"
        yield "to", f"{target.name} costs {times}, above {MAX_RATIO}; {allow}, or choose a cheaper model"
