"""The names of a configuration: those that can be asked for, and those that may become labels of metrics."""

from proxy.api.listing import Listed, Listing
from proxy.metrics.labels import Vocabulary
from proxy.models.catalogue import Catalogue
from proxy.settings import Settings


def build_listing(settings: Settings, catalogue: Catalogue) -> Listing:
    """Every name that can be asked for."""
    names = {route: Listed(route, "switchyard") for route in settings.routes}
    for alias, target in settings.aliases.items():
        names[alias] = Listed(alias, "switchyard", target=target)
    for row in catalogue:
        for name in row.names:
            names.setdefault(name, Listed(name, "system", row.released, row.shutdown, target=row.name))
    return Listing(names)


def build_vocabulary(settings: Settings, catalogue: Catalogue) -> Vocabulary:
    """The names that may become labels of metrics."""
    return Vocabulary(
        models=frozenset(catalogue.names()),
        providers=frozenset(settings.providers),
        routes=frozenset(settings.routes),
        migrations=frozenset(migration.name for migration in settings.migrations),
    )
