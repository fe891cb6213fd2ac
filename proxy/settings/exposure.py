"""Doors that must not stand open: binds beyond loopback without keys, an admin port without its key, a proxy of itself."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from proxy.settings.mistakes import Finding
from proxy.settings.root import Settings
from proxy.settings.server import is_loopback
from proxy.settings.store_url import fault_of

SHORTEST_ADMIN_KEY = 32
_ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104  # recognised, not bound


def exposure(settings: Settings) -> Iterator[Finding]:
    """Everything that would let strangers in or lose money where nobody looks."""
    yield from _data_port(settings)
    yield from _admin_port(settings)
    yield from _redis(settings)
    yield from _ourselves(settings)


def _data_port(settings: Settings) -> Iterator[Finding]:
    host = settings.server.host
    if is_loopback(host):
        return
    if settings.auth.mode == "open":
        yield Finding(
            ("auth", "mode"), f"open is for loopback only, and server.host is {host}", ("keys", "passthrough")
        )
    if settings.auth.mode == "keys" and not settings.keys and settings.redis.url is None:
        yield Finding(
            ("auth", "mode"),
            f"mode keys on {host} without a key would refuse everyone; list one under keys, or set redis.url and use "
            "`switchyard keys create`",
        )


def _admin_port(settings: Settings) -> Iterator[Finding]:
    server = settings.server
    key = server.admin_key
    if key is not None and len(key.get_secret_value()) < SHORTEST_ADMIN_KEY:
        yield Finding(("server", "admin_key"), f"shorter than {SHORTEST_ADMIN_KEY} characters")
    if key is None and not is_loopback(server.admin_host):
        yield Finding(
            ("server", "admin_host"),
            f"the admin port on {server.admin_host} needs admin_key; set it or use 127.0.0.1",
        )
    if server.port and server.port == server.admin_port:
        yield Finding(("server", "admin_port"), "the same as server.port")


def _redis(settings: Settings) -> Iterator[Finding]:
    url = settings.redis.url
    if url is not None and (why := fault_of(url.get_secret_value())):
        yield Finding(("redis", "url"), why)
    kept = [
        what
        for what, there in (("budgets", settings.has_budgets()), ("migrations", settings.migrations))
        if there
    ]
    if url is None and settings.redis.embedded is None and kept and not is_loopback(settings.server.host):
        yield Finding(
            ("redis",),
            f"{' and '.join(kept)} on {settings.server.host} need redis.url; for a single machine write redis: "
            "{embedded: single-node}",
        )


def _ourselves(settings: Settings) -> Iterator[Finding]:
    ports = {settings.server.port, settings.server.admin_port} - {0}
    for name, provider in settings.providers.items():
        parts = urlsplit(provider.url)
        host = parts.hostname or ""
        ours = is_loopback(host) or host in (settings.server.host, *_ANY_ADDRESS)
        if ours and (parts.port or 80) in ports:
            yield Finding(
                ("providers", name, "base_url"),
                "points at this proxy itself; OPENAI_BASE_URL=http://127.0.0.1:4000/v1 is for your applications, not for it",
            )
