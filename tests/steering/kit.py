"""Settings, a judge and a parent's knowledge in few words."""

from dataclasses import dataclass, field, replace

from proxy.app.blueprint import Blueprint
from proxy.app.configuration import read_configuration
from proxy.migration.guards import GuardVerdict, Judgement, Measure

KEYS = "".join(f'  - {{name: k{i}, hash: "sha256:{i:064x}"}}\n' for i in range(1, 31))


def configured(more="stages: [10, 50, 100]", rest=""):
    text = (
        f"auth: {{mode: keys}}\nkeys:\n{KEYS}{rest}\n"
        f"migrations: [{{name: leave, from: gpt-4.1-mini, to: gpt-6-luna@none, {more}}}]"
    )
    return read_configuration(Blueprint("switchyard.yaml", text), {})


def breach(measure=Measure.FAILED):
    guard = GuardVerdict(
        measure, "", 0.01, 0.2, 0.18, 0.1, 0.3, breached=True, near=True, judged=True, units=(90, 90),
        calls=(900, 900), needed_units=50, needed_calls=500,
    )  # fmt: skip
    return Judgement((guard,), ready=False, why="failed: 1.00% -> 20.00%", verdicts=(guard,))


READY = Judgement((), ready=True, why="every guard is within its bound", verdicts=())


@dataclass
class Parent:
    """What a supervisor asks of its parent."""

    pipe: object
    configuration: object
    is_leader: bool = True
    states: dict = field(default_factory=dict)

    def with_(self, **more):
        return replace(self, **more)


@dataclass
class Told:
    """A log and a recorder that keep what they are told."""

    events: list = field(default_factory=list)
    trips: list = field(default_factory=list)

    def event(self, name, level="info", **fields):
        self.events.append((name, level, fields))

    def guard_tripped(self, migration, guard):
        self.trips.append((migration, guard))

    def named(self, name):
        return [fields for each, _, fields in self.events if each == name]
