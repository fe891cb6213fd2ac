"""What a planner's snapshot knows of migrations: for each source model its road, and which way a request goes on it.

A road is a migration's settings with its state. A request meets a fork there:

    its key is excluded or pinned     it goes where that says
    its tool loop began elsewhere     it stays on the side it began on (see `unsettled`)
    else                              by its unit's bucket and the share that is in force

Only the last is measured: nobody drew the side of the others by lot.

Tool loops. Only units that the last change of the share moved can be torn out of one, and only while loops from before it
may still be under way. For those, the side that a loop began on is remembered where all workers see it; what nobody
remembers began before the change.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal, Protocol

from proxy.migration.assignment import Side, bucket, key_unit, side_of, talk_unit, user_unit
from proxy.migration.state import State, Status, percent
from proxy.nouns import Arm

LOOP_S: Final = 3600.0
"""How long after a change of the share a tool loop keeps the side it began on."""


class TargetSettings(Protocol):
    """Where a migration leads; `str` of it is `model` or `model@effort`."""

    @property
    def effort(self) -> str | None: ...


class MigrationSettings(Protocol):
    """A migration as the settings spell it."""

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def target(self) -> TargetSettings: ...
    @property
    def stages(self) -> tuple[int, ...]: ...
    @property
    def sticky(self) -> Literal["user", "conversation", "key"]: ...
    @property
    def pins(self) -> Mapping[str, Literal["from", "to"]]: ...
    @property
    def exclude(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Traveller:
    """Whose request it is. `opening` gives what of its conversation never changes, b"" when there is no such thing;
    `begun` the sides on which tool loops under way began, by migration."""

    key_id: str
    key_name: str
    user: str
    opening: Callable[[], bytes]
    begun: Mapping[str, Side]


@dataclass(frozen=True, slots=True)
class Fork:
    """The way a request goes. `arm` None: it is not measured. `why` is one sentence for whoever asks."""

    side: Side
    arm: Arm | None
    why: str


@dataclass(frozen=True, slots=True)
class Road:
    """One migration on its way. `provider`, `model` and `effort` are its target, taken apart."""

    name: str
    provider: str
    model: str
    effort: str
    sticky: Literal["user", "conversation", "key"]
    pins: Mapping[str, Literal["from", "to"]]
    exclude: frozenset[str]
    state: State

    def is_open(self, now: float) -> bool:
        """Whether it matters while the old model lives. Some time after a rollback it does not: nobody is on the new one,
        pinned or not, and no tool loop either."""
        return self.state.status is not Status.ROLLED_BACK or now - self.state.since < LOOP_S

    def fork(self, who: Traveller) -> Fork:
        """Which way this request goes while the old model lives."""
        if who.key_name in self.exclude:
            return Fork("old", None, f"{self.name}: key {who.key_name} takes no part")
        pin = self.pins.get(who.key_name)
        if pin is not None and self.state.status is not Status.ROLLED_BACK:
            side: Side = "new" if pin == "to" else "old"
            return Fork(side, None, f"{self.name}: key {who.key_name} is pinned to the {side} model")
        share = percent(self.state)
        unit = self.unit(who)
        at = bucket(self.name, unit)
        side, why = side_of(at, share), f"bucket {at / 100:.2f} of 100, of which {share} are on the new model"
        # Before the start the old model is measured all the same: that is the baseline. Afterwards there is one model.
        measured = self.state.status in (Status.WAITING, Status.RUNNING, Status.PAUSED)
        begun = who.begun.get(self.name)
        if begun is not None and begun != side:
            side, why, measured = begun, "inside a tool loop, which ends on the side it began on", False
        arm = Arm(self.name, side, unit, self.state.share_version) if measured else None
        return Fork(side, arm, f"{self.name}, {self.state.status.value.replace('_', ' ')}: {why}")

    def ended(self, source: str) -> Fork:
        """The only way once the old model has ended."""
        return Fork("new", None, f"{self.name}: {source} has ended, so everybody is on the new model")

    def unit(self, who: Traveller) -> str:
        """Who it is that stays on one side: the pseudonym of a user, else of a conversation, else of a key."""
        if self.sticky == "user" and who.user:
            return user_unit(who.key_id, who.user)
        if self.sticky != "key" and (opening := who.opening()):
            return talk_unit(who.key_id, opening)
        return key_unit(who.key_id)

    def unsettled(self, who: Traveller, now: float) -> Side | None:
        """The side this unit was on before the last change of the share, where a tool loop may still be on it."""
        state = self.state
        share = percent(state)
        if now - state.since >= LOOP_S or share == state.share_before or self._fixed(who.key_name):
            return None
        at = bucket(self.name, self.unit(who))
        before = side_of(at, state.share_before)
        return before if before != side_of(at, share) else None

    def _fixed(self, key_name: str) -> bool:
        return key_name in self.exclude or key_name in self.pins


States = Mapping[str, State]
"""Migration -> where it stands."""
NO_STATES: Final[States] = MappingProxyType({})

Roads = Mapping[str, Road]
"""Catalogue name of the model to leave -> its road."""


def state_for(settings: MigrationSettings, states: States) -> State:
    """The migration's state; a waiting one where there is none, or none for this road because the file now leads
    elsewhere under the same name. Versions go on rising, so that the new road's state is the later one. A change of the
    stages counts from the next start."""
    known = states.get(settings.name)
    source, target = settings.source, str(settings.target)
    if known is not None and (known.source, known.target) == (source, target):
        nobody_there = known.status in (Status.WAITING, Status.ROLLED_BACK)
        return replace(known, stages=settings.stages, stage=0) if nobody_there else known
    version = known.version if known is not None else 0
    return State(settings.name, source, target, settings.stages, version=version, share_version=version)


def newest(mine: States, theirs: States) -> dict[str, State]:
    """Of each migration the copy with the higher version."""
    return {
        name: max(
            [states[name] for states in (mine, theirs) if name in states], key=lambda state: state.version
        )
        for name in {**mine, **theirs}
    }
