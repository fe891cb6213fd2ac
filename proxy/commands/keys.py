"""`switchyard keys`: keys made while the proxy runs, in the same schema as those of the file. Only their hashes are kept."""

import argparse
import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from proxy.commands.amounts import allowance, dollars, when
from proxy.commands.joining import Place, Refused, joined
from proxy.commands.output import as_json, remark, say, table
from proxy.settings import Key, Limits, SettingsError, misfits, read_key
from proxy.store.operator import Unknown

_PREFIX: Final = "sk-sy-"
_WRITTEN_IN: Final = "switchyard keys create"
_OPTIONS: Final[Mapping[str, str]] = MappingProxyType({"name": "NAME", "budgets": "--budget"})
"""Where a setting is not called like its option."""


def add_parser(commands: Any, configured: argparse.ArgumentParser) -> None:
    """`keys create`, `keys list`, `keys revoke`."""
    keys = commands.add_parser(
        "keys",
        help="create, list and revoke keys while the proxy runs",
        description="Keys made at run time work on every worker within two seconds and need no reload. Keys of the "
        "configuration file are listed too, but only the file changes them.",
    )
    verbs = keys.add_subparsers(dest="verb", required=True, metavar="VERB")
    create = verbs.add_parser(
        "create",
        parents=[configured],
        help="make a key and print it, this once",
        description="Prints the new key on standard output and nothing else. Only its SHA-256 is stored: a key that is lost "
        "cannot be shown again, only revoked.",
    )
    create.add_argument("name", metavar="NAME", help="shown in metrics, logs and spend")
    create.add_argument("--team", help="a team of the configuration, whose budgets count too")
    create.add_argument(
        "--models", type=_names, metavar="A,B", help="routes, aliases or models it may use (default all)"
    )
    create.add_argument(
        "--endpoints", type=_names, metavar="A,B", help="such as chat,responses,embeddings (default all)"
    )
    create.add_argument(
        "--budget",
        type=allowance,
        action="append",
        default=[],
        metavar="USD/PERIOD",
        help="hard limit such as 50/month; may be given once per period",
    )
    create.add_argument("--rpm", type=int, help="requests a minute")
    create.add_argument("--tpm", type=int, help="tokens a minute, input and output")
    create.add_argument("--concurrent", type=int, help="requests at the same time")
    create.add_argument(
        "--expires", metavar="DAY", help="last day (UTC) it works, or the moment it ends, with its zone"
    )
    create.add_argument(
        "--trusted-users", action="store_true", help="its `user` field is truthful, so budgets of users apply"
    )
    create.add_argument("--json", action="store_true", help="key, name and settings as JSON")
    create.set_defaults(run=joined(_create))
    shown = verbs.add_parser("list", parents=[configured], help="all keys: of the file and made at run time")
    shown.add_argument("--json", action="store_true", help="the same as JSON, for programs")
    shown.set_defaults(run=joined(_list))
    revoke = verbs.add_parser(
        "revoke", parents=[configured], help="take back a key that was made at run time"
    )
    revoke.add_argument("name", metavar="NAME")
    revoke.set_defaults(run=joined(_revoke))


async def _create(given: argparse.Namespace, place: Place) -> None:
    secret = _PREFIX + secrets.token_urlsafe(32)
    written = _written(given, f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}")
    text = json.dumps(written).encode()
    key = _read(text)
    if key.expires_at is not None and key.expires_at <= place.now:
        raise Refused(f"--expires: {given.expires} is over")
    _refuse_misfit(place, key)
    await place.operator.create_key(key.name, key.hash, text)
    if given.json:
        say(as_json({"key": secret, **written}))
    else:
        say(secret)
    remark(f'Key "{key.name}" works within two seconds. It is shown this once; only its hash is kept.')
    if place.settings.auth.mode != "keys":
        remark(
            f"warning: auth.mode is {place.settings.auth.mode}, in which keys are not asked for; write auth: {{mode: keys}}"
        )


def _read(text: bytes) -> Key:
    """The key; its mistakes are called by the options that were typed, since nobody wrote a file."""
    try:
        return read_key(text, _WRITTEN_IN)
    except SettingsError as error:
        typed = [replace(each, key_path=_option(each.key_path)) for each in error.mistakes]
        raise SettingsError(typed) from None


def _option(key_path: str) -> str:
    """`keys[0].limits.rpm` as `--rpm`."""
    name = re.split(r"[.[]", key_path.removeprefix("keys[0].").removeprefix("limits."))[0]
    return _OPTIONS.get(name, f"--{name}")


def _written(given: argparse.Namespace, key_hash: str) -> dict[str, Any]:
    """The key as the file would say it; what was not given is not written."""
    limits = {name: getattr(given, name) for name in ("rpm", "tpm", "concurrent")}
    settings = {
        "name": given.name,
        "hash": key_hash,
        "team": given.team,
        "models": given.models,
        "endpoints": given.endpoints,
        "budgets": given.budget or None,
        "limits": {name: value for name, value in limits.items() if value is not None} or None,
        "expires": given.expires,
        "trusted_users": given.trusted_users or None,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _refuse_misfit(place: Place, key: Key) -> None:
    for finding in misfits(place.settings, key):
        near = f'; did you mean "{finding.near}"?' if finding.near else ""
        allowed = f"; there are: {', '.join(finding.allowed)}" if finding.allowed else ""
        raise Refused(f"{finding.message}{near}{allowed}")
    catalogue, settings = place.configuration.catalogue, place.settings
    for name in key.models:
        if name not in settings.routes and name not in settings.aliases and catalogue.resolve(name) is None:
            raise Refused(f'no route, alias or model is called "{name}"')


async def _list(given: argparse.Namespace, place: Place) -> None:
    of_file = {key.name for key in place.configuration.settings.keys}
    keys = place.settings.keys
    if given.json:
        say(
            as_json(
                [{**key.model_dump(mode="json", by_alias=True), "made": _made(key, of_file)} for key in keys]
            )
        )
        return
    heads = ("name", "team", "models", "endpoints", "budgets", "limits", "users", "expires", "made")
    say(table(heads, [_row(key, of_file, place.now) for key in keys]) if keys else "There are no keys.")


def _row(key: Key, of_file: set[str], now: float) -> tuple[str, ...]:
    budgets = ", ".join(f"{dollars(each.usd_nano)}/{each.per}" for each in key.budgets)
    rates = {name: getattr(key.limits, name) for name in Limits.model_fields}
    expires = "never" if key.expires_at is None else when(key.expires_at)
    if key.expires_at is not None and now >= key.expires_at:
        expires += " (expired)"
    return (
        key.name,
        key.team or "-",
        ",".join(key.models) or "all",
        ",".join(each.value for each in key.endpoints) or "all",
        budgets or "-",
        " ".join(f"{name}={value}" for name, value in rates.items() if value is not None) or "-",
        "trusted" if key.trusted_users else "-",
        expires,
        _made(key, of_file),
    )


def _made(key: Key, of_file: set[str]) -> str:
    return "file" if key.name in of_file else "run time"


async def _revoke(given: argparse.Namespace, place: Place) -> None:
    if any(key.name == given.name for key in place.configuration.settings.keys):
        raise Refused(
            f'key "{given.name}" is written in the configuration file: remove it there, and every worker drops it'
        )
    hashes = [
        key_hash
        for key_hash, text in place.run_time.keys.items()
        if json.loads(text).get("name") == given.name
    ]
    if not hashes:
        raise Unknown(f'no key is named "{given.name}"')
    for key_hash in hashes:
        await place.operator.revoke_key(given.name, key_hash)
    say(f'Key "{given.name}" is revoked; every worker refuses it within two seconds.')


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
