"""The settings as plain data to look at, without secrets: a secret reads "(set)", a key's hash is cut short."""

from typing import Any

from pydantic import SecretStr

from proxy.settings.record import Record
from proxy.settings.root import Settings

SET = "(set)"


def redacted(settings: Settings) -> dict[str, Any]:
    """JSON-ready data with the keys of the YAML file; amounts are decimal text in US dollars."""
    out: dict[str, Any] = _plain(settings, settings.model_dump(mode="json", by_alias=True))
    return out


def _plain(value: Any, dumped: Any) -> Any:
    if isinstance(value, SecretStr):
        return SET
    if isinstance(value, Record):
        shown = {}
        for name, info in type(value).model_fields.items():
            key = info.alias or name
            shown[key] = _plain(getattr(value, name), dumped[key])
        if "hash" in shown:
            shown["hash"] = f"{shown['hash'][:15]}…"
        return shown
    if isinstance(value, tuple):
        return [_plain(item, text) for item, text in zip(value, dumped, strict=True)]
    if isinstance(value, dict):
        return {key: _plain(item, dumped[key]) for key, item in value.items()}
    return dumped
