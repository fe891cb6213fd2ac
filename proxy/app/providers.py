"""Who is asked: each configured provider with its credentials, and its connections where we dial it ourselves."""

from collections.abc import Mapping

from proxy.settings import Provider as ProviderSettings
from proxy.settings import Settings
from proxy.tasks import TaskOwner
from proxy.upstreams.azure import AzureProvider
from proxy.upstreams.http import HttpPool, Origin, Timeouts
from proxy.upstreams.litellm_adapter import LitellmProvider, load_library
from proxy.upstreams.providers import HttpProvider, Provider


class Pools:
    """One connection pool per provider we dial ourselves, kept over reloads while the provider's settings stay the same."""

    def __init__(self) -> None:
        self._pools: dict[str, tuple[ProviderSettings, HttpPool]] = {}

    def fitting(self, providers: Mapping[str, ProviderSettings]) -> dict[str, HttpPool]:
        """The pools of these providers; those of changed or removed ones finish what they have open and end."""
        fitting: dict[str, tuple[ProviderSettings, HttpPool]] = {}
        for name, settings in providers.items():
            if settings.kind == "litellm":
                continue
            kept = self._pools.pop(name, None)
            if kept is not None and kept[0] == settings:
                fitting[name] = kept
                continue
            if kept is not None:
                kept[1].retire()
            fitting[name] = (settings, HttpPool(_origin(settings)))
        for _, pool in self._pools.values():
            pool.retire()
        self._pools = fitting
        return {name: pool for name, (_, pool) in fitting.items()}

    def close(self) -> None:
        """End every connection now."""
        for _, pool in self._pools.values():
            pool.close()


def build_providers(settings: Settings, pools: Pools, tasks: TaskOwner) -> dict[str, Provider]:
    """Every provider by its name, on the pools that fit these settings."""
    passthrough = settings.auth.mode == "passthrough"
    fitting = pools.fitting(settings.providers)
    return {
        name: _provider(name, each, fitting[name], passthrough=passthrough)
        if name in fitting
        else _foreign(name, each, tasks, passthrough=passthrough)
        for name, each in settings.providers.items()
    }


def _provider(name: str, settings: ProviderSettings, pool: HttpPool, *, passthrough: bool) -> Provider:
    plain = HttpProvider(
        name=name,
        pool=pool,
        timeouts=_timeouts(settings),
        passthrough=passthrough,
        stream_usage=settings.stream_usage,
        own_headers=() if passthrough else _credentials(settings),
    )
    if settings.kind != "azure":
        return plain
    return AzureProvider(plain, settings.api_version or "", dict(settings.deployments))


def _foreign(name: str, settings: ProviderSettings, tasks: TaskOwner, *, passthrough: bool) -> Provider:
    return LitellmProvider(
        name=name,
        foreign=settings.litellm_provider or "",
        library=load_library(),
        start=tasks.start,
        timeouts=_timeouts(settings),
        max_in_flight=settings.max_connections,
        api_key=settings.api_key.get_secret_value() if settings.api_key else "",
        base_url=settings.url,
        passthrough=passthrough,
        stream_usage=settings.stream_usage,
    )


def _origin(settings: ProviderSettings) -> Origin:
    return Origin.from_url(
        settings.url,
        ca_file=settings.ca_file,
        proxy_url=settings.proxy.get_secret_value() if settings.proxy else None,
        max_connections=settings.max_connections,
        max_waiting=settings.max_waiting,
    )


def _timeouts(settings: ProviderSettings) -> Timeouts:
    waits = settings.timeouts
    return Timeouts(connect_s=waits.connect_s, first_byte_s=waits.first_byte_s, idle_s=waits.idle_s)


def _credentials(settings: ProviderSettings) -> tuple[tuple[bytes, bytes], ...]:
    key = settings.api_key.get_secret_value() if settings.api_key else ""
    named = (
        (b"api-key", key) if settings.kind == "azure" else (b"authorization", f"Bearer {key}" if key else ""),
        (b"openai-organization", settings.organization or ""),
        (b"openai-project", settings.project or ""),
    )
    return tuple([(name, value.encode("latin-1")) for name, value in named if value])
