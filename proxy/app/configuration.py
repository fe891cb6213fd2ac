"""Reads a configuration: the file and the models it names, with every mistake of both at once."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from proxy.app.blueprint import Blueprint
from proxy.app.doubts import doubts
from proxy.app.fitness import unfit
from proxy.app.yard import build_yard
from proxy.models.catalogue import Catalogue
from proxy.models.catalogue import load as load_catalogue
from proxy.models.rowfile import CatalogueError
from proxy.planning.foreign import names_served
from proxy.planning.roadworks import road_mistakes
from proxy.settings import (
    Mistake,
    Settings,
    SettingsError,
    load,
    mistake_at,
    mistake_in,
    models_named,
    shipped_file,
    validate,
    with_made_keys,
)
from proxy.store.accounts import RunTime

INVALID: Final = (SettingsError, OSError, ValueError)
"""What is raised for a configuration that no worker could run."""


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
    mistakes = [*_road_mistakes(settings, catalogue)]
    mistakes += [mistake_in(settings, found) for found in unfit(settings, catalogue)]
    if mistakes:
        raise SettingsError(mistakes)
    warnings += tuple([mistake_in(settings, found) for found in doubts(settings, time.time())])
    return Configuration(settings, catalogue, warnings)


def with_run_time(configuration: Configuration, run_time: RunTime) -> tuple[Configuration, tuple[str, ...]]:
    """The configuration with the keys made at run time, and why any of them was left out."""
    settings, refused = with_made_keys(configuration.settings, run_time.keys)
    return replace(configuration, settings=settings), refused


def _road_mistakes(settings: Settings, catalogue: Catalogue) -> Iterator[Mistake]:
    """Migrations that the catalogue says cannot be."""
    if not settings.migrations:
        return
    yard = build_yard(settings, catalogue, {})
    for path, message in road_mistakes(settings, catalogue, yard, time.time()):
        yield mistake_at(settings, path, message)


def _names_used(settings: Settings) -> set[str]:
    """Model names the configuration mentions and those of litellm providers, so that the catalogue can look up what it
    does not ship."""
    foreign = {provider.litellm_provider or "" for provider in settings.providers.values()} - {""}
    return {*models_named(settings), *names_served(foreign)}
