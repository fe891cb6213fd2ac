"""What a reload cannot change: sockets, processes and the place of the state are chosen at start."""

from proxy.settings.root import Settings

AT_START = (
    "server.host",
    "server.port",
    "server.admin_host",
    "server.admin_port",
    "server.workers",
    "redis.url",
    "redis.embedded",
)


def needs_restart(old: Settings, new: Settings) -> tuple[str, ...]:
    """Dotted keys that differ and apply only at start."""
    return tuple(key for key in AT_START if _value(old, key) != _value(new, key))


def _value(settings: Settings, key: str) -> object:
    section, name = key.split(".")
    return getattr(getattr(settings, section), name)
