"""Settings: one YAML file into one frozen, typed tree; every mistake in it with its place and what to write instead.

    load(path, text, env=…)         the tree, or SettingsError with all mistakes; no file: the shipped one
    without_file(env, host)         the shipped configuration on another address
    validate(settings, models, …)   model names against the catalogue; returns warnings
    models_named(settings)          what the catalogue should know
    mistake_at · mistake_in         a fault another room found, with its line
    targets_named(settings)         where a model may be given an effort
    schema() · redacted(settings)   JSON Schema for editors · the tree without secrets, for the admin port
    needs_restart(old, new)         keys a reload cannot change
    read_key · with_made_keys       keys made at run time, in the file's schema · the tree with them behind its own

Money is nano-dollars (`*_nano`), read from the digits as written. A secret is a `SecretStr` and is in no message and no repr.
Every key that the schema accepts is acted on.
"""

from proxy.settings.access import Auth, Key, Limits, Team
from proxy.settings.budgets import Allowance, Budget
from proxy.settings.catalogue import models_named, targets_named
from proxy.settings.dump import redacted
from proxy.settings.loading import load, mistake_at, mistake_in, validate, without_file
from proxy.settings.migrations import Guard, Migration
from proxy.settings.mistakes import Finding, Mistake, SettingsError
from proxy.settings.models import Deployment, ModelRow, Prices
from proxy.settings.providers import Provider, Timeouts
from proxy.settings.restart import needs_restart
from proxy.settings.root import Settings
from proxy.settings.routes import TASKS, CallRules, Route
from proxy.settings.runtime import misfits, read_key, with_made_keys
from proxy.settings.schema import schema
from proxy.settings.server import Lifecycle, Redis, Server, is_loopback
from proxy.settings.shipped import shipped_file
from proxy.settings.source import Flag
from proxy.settings.values import EFFORTS, Target

__all__ = [
    "EFFORTS",
    "TASKS",
    "Allowance",
    "Auth",
    "Budget",
    "CallRules",
    "Deployment",
    "Finding",
    "Flag",
    "Guard",
    "Key",
    "Lifecycle",
    "Limits",
    "Migration",
    "Mistake",
    "ModelRow",
    "Prices",
    "Provider",
    "Redis",
    "Route",
    "Server",
    "Settings",
    "SettingsError",
    "Target",
    "Team",
    "Timeouts",
    "is_loopback",
    "load",
    "misfits",
    "mistake_at",
    "mistake_in",
    "models_named",
    "needs_restart",
    "read_key",
    "redacted",
    "schema",
    "shipped_file",
    "targets_named",
    "validate",
    "with_made_keys",
    "without_file",
]
