"""What an operator should look at again, though the configuration runs with it: warnings, never mistakes.

A file has to go on loading when a key's last day has passed; it is also read where not all of it is needed (a command, a
simulation); and keys made at run time are in no file.
"""

import importlib.util
import ssl
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import msgspec

from proxy.settings import Finding, Settings

_LISTS: Final = ("provider_endpoints_support_backup.json", "llms/openai_like/providers.json")
_ALIKE: Final = 0.88
"""How like a listed name one must be to be taken for it misspelt (`get_close_matches`): litellm's lists are not complete."""


def doubts(settings: Settings, now: float) -> Iterator[Finding]:
    """Every one of them; the file of a provider's authorities is looked at where this runs."""
    yield from _unreadable_authorities(settings)
    yield from _misspelt_foreigners(settings)
    yield from _keys_past_their_end(settings, now)
    yield from _strangers_on_roads(settings)


def _unreadable_authorities(settings: Settings) -> Iterator[Finding]:
    for name, provider in settings.providers.items():
        if provider.ca_file is None or not provider.url.startswith("https:"):
            continue
        try:
            ssl.create_default_context(cafile=provider.ca_file)
        except OSError as error:
            why = f"{error.strerror or error}; here, no call can be sent to this provider"
            yield Finding(("providers", name, "ca_file"), why)


def _misspelt_foreigners(settings: Settings) -> Iterator[Finding]:
    for name, provider in settings.providers.items():
        foreign = provider.litellm_provider
        listed = foreign_names() if foreign else frozenset()
        if foreign and foreign not in listed and (near := get_close_matches(foreign, listed, 1, _ALIKE)):
            path = ("providers", name, "litellm_provider")
            yield Finding(path, f'litellm lists no provider "{foreign}"', (near[0],), foreign)


def foreign_names() -> frozenset[str]:
    """The providers that litellm lists, without importing it; none where it is not installed, or lists them otherwise."""
    spec = importlib.util.find_spec("litellm")
    found: set[str] = set()
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for name in _LISTS:
            with suppress(OSError, msgspec.DecodeError):
                listed = msgspec.json.decode(Path(folder, name).read_bytes(), type=dict[str, msgspec.Raw])
                inner = listed.get("providers")
                found |= set(msgspec.json.decode(inner, type=dict[str, msgspec.Raw]) if inner else listed)
    return frozenset(found)


def _keys_past_their_end(settings: Settings, now: float) -> Iterator[Finding]:
    for i, key in enumerate(settings.keys):
        if key.expires_at is not None and key.expires_at <= now:
            yield Finding(("keys", i, "expires"), f'"{key.name}" has ended; whoever uses it gets a 401')


def _strangers_on_roads(settings: Settings) -> Iterator[Finding]:
    """Where no key is in the file, all of them are made at run time, and none of these names is known here."""
    names = tuple(key.name for key in settings.keys)
    for i, migration in enumerate(settings.migrations):
        written: list[tuple[str, str | int, str]] = [("pins", name, name) for name in migration.pins]
        written += [("exclude", place, name) for place, name in enumerate(migration.exclude)]
        for where, place, name in written:
            if names and name not in names:
                message = f'no key of this file is called "{name}"; one made at run time may be'
                yield Finding(("migrations", i, where, place), message, names, name)
