"""What the command line asked for, and what there is to run for it: the file as it is now, checked before any worker sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from proxy.app.blueprint import Blueprint
from proxy.app.configuration import Configuration, read_configuration
from proxy.app.providers import Pools
from proxy.process.simulation import simulated
from proxy.settings import Flag, SettingsError, mistake_at


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line asked for. `sandbox` None: only where there is no key to work with. `demo`: with traffic."""

    config: Path | None
    flags: Mapping[str, Flag]
    sandbox: bool | None
    demo: bool = False

    def text(self) -> str | None:
        """The file as it is now, so that parent and workers run the same text; None is left to `read_configuration`."""
        if self.config is None:
            return None
        try:
            return self.config.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def wants_sandbox(self, configuration: Configuration) -> bool:
        """Whether the sandbox takes the providers' place: it was ordered, or there is nothing else to work with."""
        return bool(self.sandbox or (self.sandbox is None and self._is_keyless(configuration)))

    def _is_keyless(self, configuration: Configuration) -> bool:
        """No file, no key, and nobody but this machine to serve: the sandbox is better than a wall of 401s."""
        settings = configuration.settings
        keys = [provider.api_key for provider in settings.providers.values() if provider.api_key]
        return (
            self.config is None
            and settings.auth.mode == "open"
            and not any(key.get_secret_value() for key in keys)
        )


class Running:
    """What this replica runs: the blueprint for workers, the configuration it gives, and the text last tried.

    Making one raises what `INVALID` lists, as does `reload`, which then leaves everything as it was. `sandbox_url` and
    `redis_url` are "" where there is none. `started` are the settings that sockets, processes and store were made by.
    """

    def __init__(self, order: Order, env: Mapping[str, str]) -> None:
        self.order = order
        self._env = env
        self.sandbox_url = ""
        self._redis_url = ""
        self.tried = order.text()
        self.blueprint, self.configuration = self._checked(self.tried)
        self.started = self.configuration.settings

    def simulate(self, url: str) -> None:
        """Every provider is the sandbox at this URL from now on."""
        self.sandbox_url = url
        self.blueprint, self.configuration = self._checked(self.tried)

    def count_in(self, redis_url: str) -> None:
        """Workers count in this store."""
        self._redis_url = redis_url
        self.blueprint = replace(self.blueprint, redis_url=redis_url)

    def reload(self) -> None:
        """Take up the file as it is now."""
        self.tried = self.order.text()
        self.blueprint, self.configuration = self._checked(self.tried)

    def _checked(self, text: str | None) -> tuple[Blueprint, Configuration]:
        path = str(self.order.config) if self.order.config else None
        blueprint = Blueprint(path, text, self.order.flags)
        configuration = read_configuration(blueprint, self._env)
        if self.sandbox_url:
            flags = {**self.order.flags, **simulated(configuration.settings, self.sandbox_url)}
            blueprint = Blueprint(path, text, flags)
            configuration = read_configuration(blueprint, self._env)
        _check_origins(configuration)
        return replace(blueprint, redis_url=self._redis_url), configuration


def _check_origins(configuration: Configuration) -> None:
    """What only shows when a worker opens it, such as a CA file that cannot be read. Raises SettingsError."""
    for name, provider in configuration.settings.providers.items():
        pools = Pools()
        try:
            pools.fitting({name: provider})
        except (OSError, ValueError) as error:
            key = "ca_file" if isinstance(error, OSError) else "base_url"
            why = (error.strerror if isinstance(error, OSError) else "") or str(error)
            raise SettingsError(
                [mistake_at(configuration.settings, f"providers.{name}.{key}", why)]
            ) from None
        pools.close()
