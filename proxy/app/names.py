"""The names of a configuration: those that can be asked for, and those that may become labels of metrics."""

from functools import partial

from proxy.api.listing import Listed, Listing
from proxy.metrics.labels import Vocabulary
from proxy.models.catalogue import Catalogue
from proxy.models.rowreader import split_effort
from proxy.planning.candidates.places import allowed_in
from proxy.settings import Settings


def build_listing(settings: Settings, catalogue: Catalogue) -> Listing:
    """Every name that can be asked for."""
    names = {route: Listed(route, "switchyard") for route in settings.routes}
    for alias, target in settings.aliases.items():
        names[alias] = Listed(alias, "switchyard", target=target)
    for row in catalogue:
        for name in row.names:
            names.setdefault(name, Listed(name, "system", row.released, row.shutdown, target=row.name))
    return Listing(names, partial(_spelt_otherwise, settings, catalogue))


def _spelt_otherwise(settings: Settings, catalogue: Catalogue, name: str) -> Listed | None:
    """A model by `provider/model`, `model@effort` or a fine-tuned one's name, as requests may name it. A date that nobody has
    seen is for the provider to judge."""
    plain = split_effort(name)[0]
    provider, slash, rest = plain.partition("/")
    if slash and provider in settings.providers:
        if provider not in allowed_in(settings):
            return None
        plain = rest
    row = catalogue.resolve(plain)
    if row is None or not (row.fine_tuned or plain in row.names or plain.partition("/")[2] in row.names):
        return None
    released = None if row.fine_tuned else row.released
    return Listed(name, "system", released, row.shutdown, target=row.name, plain=plain)


def build_vocabulary(settings: Settings, catalogue: Catalogue) -> Vocabulary:
    """The names that may become labels of metrics."""
    return Vocabulary(
        models=frozenset(catalogue.names()),
        providers=frozenset(settings.providers),
        routes=frozenset(settings.routes),
        migrations=frozenset(migration.name for migration in settings.migrations),
    )
