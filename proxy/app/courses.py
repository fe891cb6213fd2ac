"""What measuring has to know of migrations: the prices of both models, and where copies go."""

from proxy.measuring.shadow import ShadowCourse
from proxy.measuring.witness import Course
from proxy.models.catalogue import Catalogue
from proxy.models.families import FAMILIES
from proxy.planning.expected import Terms
from proxy.settings import Settings


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
