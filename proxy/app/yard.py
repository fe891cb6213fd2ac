"""The models and where they are served, for questions that are not a request's: may this migration be, when does a model end."""

from proxy.models.catalogue import Catalogue
from proxy.models.lifecycle import Published
from proxy.planning.candidates import NOTHING_GONE, Yard
from proxy.settings import Settings


def build_yard(settings: Settings, catalogue: Catalogue, published: Published) -> Yard:
    """Without migrations, and with nothing found missing."""
    return Yard(settings, catalogue, published, lambda: NOTHING_GONE)


def last_days(settings: Settings, catalogue: Catalogue, published: Published) -> dict[str, float]:
    """The first second that the model a migration leaves is served by nobody, where that is known, by its name there."""
    yard = build_yard(settings, catalogue, published)
    ends = {each.source: yard.last_day(each.source) for each in settings.migrations}
    return {name: end for name, end in ends.items() if end is not None}
