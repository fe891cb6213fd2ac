"""What is written well and cannot be used: faults of a configuration that only the catalogue can tell.

A mistake is what could never do what was meant by it.
"""

from collections.abc import Iterator

from proxy.models.catalogue import Catalogue
from proxy.models.families import FAMILIES
from proxy.models.rows import ModelRow
from proxy.settings import Finding, Settings, targets_named

_FOREIGN = "foreign"
"""Whether such a model reasons is taken from litellm's price map, which learns of new ones late."""


def unfit(settings: Settings, catalogue: Catalogue) -> Iterator[Finding]:
    """Mistakes; the names of models are known to be in the catalogue."""
    yield from _efforts_without_effect(settings, catalogue)
    yield from _roads_to_another_kind(settings, catalogue)


def _efforts_without_effect(settings: Settings, catalogue: Catalogue) -> Iterator[Finding]:
    for path, target in targets_named(settings):
        row = catalogue.resolve(target.split(settings.providers)[1])
        if row is None or target.effort in (None, "none") or row.family == _FOREIGN:
            continue
        if not FAMILIES[row.family].reasons:
            yield Finding(path, f'"{target.model}" takes no effort; leave out @{target.effort}')


def _roads_to_another_kind(settings: Settings, catalogue: Catalogue) -> Iterator[Finding]:
    for i, each in enumerate(settings.migrations):
        source = catalogue.resolve(each.source)
        target = catalogue.resolve(each.target.split(settings.providers)[1])
        if source is None or target is None or _uses(source) & _uses(target):
            continue
        uses = [" and ".join(sorted(_uses(row))) for row in (target, source)]
        message = f'"{each.target.model}" is a model for {uses[0]}, and "{each.source}" one for {uses[1]}'
        yield Finding(("migrations", i, "to"), message)


def _uses(row: ModelRow) -> frozenset[str]:
    """What it is asked for: a chat model on chat and Responses alike, whichever it has; any other on its endpoints."""
    return frozenset({"chat"}) if FAMILIES[row.family].chat else row.endpoints - {"batches"}
