"""Keys made at run time, read with the schema of the file's keys and put behind them.

A key of the file always wins: one made at run time with its name or hash, or one that refers to what the file no longer
has, is left out and named, never half obeyed.
"""

import json
from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from proxy.settings.access import Key
from proxy.settings.exposure import exposure
from proxy.settings.faults import findings
from proxy.settings.mistakes import Finding, SettingsError
from proxy.settings.record import Record
from proxy.settings.root import Settings
from proxy.settings.source import Source

RUN_TIME = "keys made at run time"


class _Made(Record):
    """One key where the schema expects it, so that mistakes know their allowed values."""

    keys: tuple[Key, ...]


def read_key(text: bytes, written_in: str = RUN_TIME) -> Key:
    """A key from its settings as JSON. Raises SettingsError with every mistake; `written_in` stands for the file."""
    source = Source(written_in)
    try:
        source.data["keys"] = [json.loads(text)]
        return _Made.model_validate_json(b'{"keys":[' + text + b"]}").keys[0]
    except json.JSONDecodeError:
        raise SettingsError([source.mistake(Finding((), "not JSON"))]) from None
    except ValidationError as error:
        raise SettingsError([source.mistake(finding) for finding in findings(error, source)]) from None


def with_made_keys(settings: Settings, made: Mapping[str, bytes]) -> tuple[Settings, tuple[str, ...]]:
    """The settings with those keys (hash → settings as JSON) behind its own, and a sentence for each that was left out."""
    kept = list(settings.keys)
    refused: list[str] = []
    for key_hash in sorted(made):
        try:
            key = read_key(made[key_hash])
        except SettingsError as error:
            refused.append(f"a key made at run time cannot be read: {error}")
            continue
        why = next(misfits(settings.model_copy(update={"keys": tuple(kept)}), key), None)
        if why is None:
            kept.append(key)
        else:
            refused.append(f'key "{key.name}" made at run time is left out: {why.message}')
    return settings.model_copy(update={"keys": tuple(kept)}), tuple(refused)


def misfits(settings: Settings, key: Key) -> Iterator[Finding]:
    """Why `key` cannot stand beside these settings."""
    if any(key.name == other.name for other in settings.keys):
        yield Finding(("name",), f'a key named "{key.name}" exists')
    if any(key.hash == other.hash for other in settings.keys):
        yield Finding(("hash",), "a key with this hash exists")
    teams = tuple(team.name for team in settings.teams)
    if key.team is not None and key.team not in teams:
        yield Finding(("team",), f'no team is called "{key.team}"', teams, key.team)
    if len({budget.per for budget in key.budgets}) < len(key.budgets):
        yield Finding(("budgets",), "two budgets for the same window; keep the smaller one")
    if key.budgets and not settings.has_budgets():
        yield from exposure(settings.model_copy(update={"keys": (*settings.keys, key)}))
