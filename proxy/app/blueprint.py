"""What a process is told to run, as it goes over the wire from the parent to its workers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from proxy.settings import Flag
from proxy.store.accounts import RunTime
from proxy.store.migrations import packed, states_in


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a process is told to run: the file's name and text (None: the shipped file), and the command line's wishes.

    Handed from the parent to its workers as text, so that all of them run what the parent has checked. `redis_url` is the
    configured one or that of the embedded server; `""` where there is neither, and nothing is counted. `made_keys`,
    `limits_nano` and `migrations` (as the store holds them) are the last copy of what operators changed, so that a worker
    that starts while Redis is away knows it too.
    """

    path: str | None = None
    text: str | None = None
    flags: Mapping[str, Flag] = field(default_factory=dict)
    redis_url: str = ""
    made_keys: Mapping[str, str] = field(default_factory=dict)
    limits_nano: Mapping[str, int] = field(default_factory=dict)
    migrations: Mapping[str, str] = field(default_factory=dict)

    @property
    def run_time(self) -> RunTime:
        """What operators changed while the proxy ran, as far as the parent knew."""
        return RunTime(
            {key: text.encode() for key, text in self.made_keys.items()},
            self.limits_nano,
            states_in({name: text.encode() for name, text in self.migrations.items()}),
        )

    def knowing(self, run_time: RunTime) -> "Blueprint":
        """The same with this as the last copy of what operators changed."""
        made = {key: text.decode() for key, text in run_time.keys.items()}
        states = {name: packed(state).decode() for name, state in run_time.migrations.items()}
        return replace(self, made_keys=made, limits_nano=run_time.limits_nano, migrations=states)
