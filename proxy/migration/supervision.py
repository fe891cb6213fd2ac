"""What is to happen to a migration by itself, at one look. Pure; whoever looks does it.

In this order: the old model's day moves everybody whatever the stage; `start: now` begins what never began; a breach takes
everybody back; time, samples and guards together let a stage go on, and nothing less than all three does.
"""

from typing import NamedTuple, Protocol

from proxy.migration.guards import Judgement
from proxy.migration.state import Event, State, Status, at_last_stage, percent

_HOUR_S = 3600.0


class AutoSettings(Protocol):
    """Of a migration's settings what lets it move by itself."""

    @property
    def start(self) -> str: ...
    @property
    def auto(self) -> bool: ...
    @property
    def hold_hours(self) -> float: ...


class Step(NamedTuple):
    """An event, and why."""

    event: Event
    why: str


def is_watched(state: State) -> bool:
    """Whether guards have anything to say."""
    return state.status in (Status.RUNNING, Status.PAUSED)


def following(state: State) -> int | None:
    """The percentage of the next stage; None where there is none, or it is not on its way."""
    return state.stages[state.stage + 1] if is_watched(state) and not at_last_stage(state) else None


def held_until(settings: AutoSettings, state: State) -> float:
    """The time before which the present stage is not over."""
    return state.since + settings.hold_hours * _HOUR_S


def next_step(
    settings: AutoSettings, state: State, judgement: Judgement | None, now: float, *, ended: bool
) -> Step | None:
    """What is to happen now. `ended`: the old model's day has come. `judgement` None: nothing can be told."""
    if ended:
        if state.status is Status.FINISHED:
            return None
        return Step(Event.DEADLINE, f"{state.source} has ended; everybody moves to {state.target}")
    if state.status is Status.WAITING and settings.start == "now":
        return Step(Event.START, "the configuration says start: now")
    if judgement is None or not is_watched(state):
        return None
    if judgement.breaches:
        return Step(Event.ROLLBACK, judgement.why)
    held = settings.auto and state.status is Status.RUNNING and now >= held_until(settings, state)
    if held and judgement.ready:
        return Step(
            Event.PROMOTE, f"{settings.hold_hours:g} h at {percent(state)} % are over; {judgement.why}"
        )
    return None
