"""Where a migration stands. Everything that affects its state, and every way from one to another, is in this file.

Theory of operation. A state is a record with a version that only rises. `moved` looks up (status, event) in ONE table; what
is not in it is refused with what can be done instead. A copy with a higher version is always the later one, whoever
holds it: replicas keep the highest they have seen, and give it back to a store that has lost it.

    waiting      nobody is on the new model
    running      the stage's share of units is
    paused       the same share, but time does not promote it; guards go on watching
    rolled_back  nobody is, and what is measured is over
    finished     everybody is: the last stage was promoted, or the old model's day came
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Status(StrEnum):
    """Where a migration stands."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    ROLLED_BACK = "rolled_back"
    FINISHED = "finished"


class Event(StrEnum):
    """What may happen to a migration. All but the last are also what an operator types."""

    START = "start"
    PROMOTE = "promote"
    PAUSE = "pause"
    RESUME = "resume"
    ROLLBACK = "rollback"
    DEADLINE = "deadline"


VERBS: Final = (Event.START, Event.PROMOTE, Event.PAUSE, Event.RESUME, Event.ROLLBACK)

_NEXT: Final[Mapping[tuple[Status, Event], Status]] = MappingProxyType(
    {
        (Status.WAITING, Event.START): Status.RUNNING,
        (Status.ROLLED_BACK, Event.START): Status.RUNNING,
        (Status.RUNNING, Event.PROMOTE): Status.RUNNING,
        (Status.RUNNING, Event.PAUSE): Status.PAUSED,
        (Status.PAUSED, Event.RESUME): Status.RUNNING,
        (Status.RUNNING, Event.ROLLBACK): Status.ROLLED_BACK,
        (Status.PAUSED, Event.ROLLBACK): Status.ROLLED_BACK,
        (Status.FINISHED, Event.ROLLBACK): Status.ROLLED_BACK,
        (Status.WAITING, Event.DEADLINE): Status.FINISHED,
        (Status.RUNNING, Event.DEADLINE): Status.FINISHED,
        (Status.PAUSED, Event.DEADLINE): Status.FINISHED,
        (Status.ROLLED_BACK, Event.DEADLINE): Status.FINISHED,
    }
)
"""A promotion out of the last stage finishes: the one step that depends on more than the status (see `moved`)."""


class Refused(Exception):
    """The event cannot happen in this state; the message says what can."""


@dataclass(frozen=True, slots=True)
class State:
    """One migration's state. Times are Unix seconds.

    `source`, `target` and `stages` are those it was started with. `share_version` and `since` are the version and the time
    at which the present share came into force: what is measured belongs to them. `share_before` is the share until then, in
    percent. `changed`, `who` and `why` tell of the last event.
    """

    name: str
    source: str
    target: str
    stages: tuple[int, ...]
    status: Status = Status.WAITING
    stage: int = 0
    version: int = 0
    share_version: int = 0
    share_before: int = 0
    since: float = 0.0
    started: float = 0.0
    changed: float = 0.0
    who: str = ""
    why: str = ""


def percent(state: State) -> int:
    """Percent of the units that are on the new model."""
    if state.status is Status.FINISHED:
        return 100
    if state.status in (Status.RUNNING, Status.PAUSED):
        return state.stages[state.stage]
    return 0


def at_last_stage(state: State) -> bool:
    """Whether the next promotion finishes it."""
    return state.stage == len(state.stages) - 1


def moved(state: State, event: Event, *, now: float, who: str, why: str) -> State:
    """The state after an event. Raises Refused."""
    status = _NEXT.get((state.status, event))
    if status is None:
        raise Refused(_cannot(state, event))
    stage = state.stage
    if event is Event.START:
        stage = 0
    elif event is Event.PROMOTE and at_last_stage(state):
        status = Status.FINISHED
    elif event is Event.PROMOTE:
        stage += 1
    after = replace(
        state,
        status=status,
        stage=stage,
        version=state.version + 1,
        started=now if event is Event.START else state.started,
        changed=now,
        who=who,
        why=why,
    )
    if event is not Event.START and percent(after) == percent(state):
        return after
    return replace(after, share_version=after.version, share_before=percent(state), since=now)


def _cannot(state: State, event: Event) -> str:
    can = [each.value for status, each in _NEXT if status is state.status and each in VERBS]
    instead = f"; it can: {', '.join(can)}" if can else ""
    return f"{state.name} is {state.status.value.replace('_', ' ')}, so it cannot {event.value}{instead}"
