"""Who may ask: callers from the keys of the configuration."""

from proxy.api.auth import Key, KeyRing
from proxy.nouns import Caller
from proxy.settings import Key as KeySettings
from proxy.settings import Settings


def build_keys(settings: Settings) -> KeyRing:
    """The key ring of the configuration file."""
    keys = [_key(key) for key in settings.keys]
    assert settings.auth.mode is not None
    return KeyRing(settings.auth.mode, {key.digest: key for key in keys})


def caller_named(settings: Settings, name: str) -> Caller | None:
    """The caller behind the key of this name."""
    return next((_key(key).caller for key in settings.keys if key.name == name), None)


def _key(key: KeySettings) -> Key:
    caller = Caller(
        key_id=key.name,
        key_name=key.name,
        team=key.team or "",
        models=frozenset(key.models),
        endpoints=frozenset(endpoint.value for endpoint in key.endpoints),
        trusted_users=key.trusted_users,
    )
    return Key(bytes.fromhex(key.hash.removeprefix("sha256:")), caller, key.expires_at)
