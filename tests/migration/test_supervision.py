"""What a migration does by itself: moves on the last day, rolls back on a breach, goes on when all three allow it."""

from dataclasses import dataclass

import pytest

from proxy.migration.guards import Judgement
from proxy.migration.state import Event, State, moved
from proxy.migration.supervision import held_until, next_step

HOUR = 3600.0
WAITING = State("leave", "old", "new", (10, 100))
RUNNING = moved(WAITING, Event.START, now=0.0, who="", why="")
PAUSED = moved(RUNNING, Event.PAUSE, now=0.0, who="", why="")
BACK = moved(RUNNING, Event.ROLLBACK, now=0.0, who="", why="")
DONE = moved(RUNNING, Event.DEADLINE, now=0.0, who="", why="")
READY = Judgement((), ready=True, why="every guard is within its bound", verdicts=())
UNSURE = Judgement((), ready=False, why="12 of 200 calls", verdicts=())
BREACH = Judgement(("a guard",), ready=False, why="failed: 1 % -> 9 %", verdicts=())


@dataclass
class Auto:
    start: str = "manual"
    auto: bool = True
    hold_hours: float = 24


@pytest.mark.parametrize(
    ("settings", "state", "judgement", "hours", "ended", "event"),
    [
        (Auto(), RUNNING, READY, 24, False, Event.PROMOTE),
        (Auto(), RUNNING, READY, 23.9, False, None),
        (Auto(), RUNNING, UNSURE, 240, False, None),
        (Auto(), RUNNING, None, 240, False, None),
        (Auto(auto=False), RUNNING, READY, 240, False, None),
        (Auto(), PAUSED, READY, 240, False, None),
        (Auto(), RUNNING, BREACH, 0, False, Event.ROLLBACK),
        (Auto(auto=False), RUNNING, BREACH, 0, False, Event.ROLLBACK),
        (Auto(), PAUSED, BREACH, 0, False, Event.ROLLBACK),
        (Auto(), BACK, BREACH, 0, False, None),
        (Auto(), DONE, BREACH, 0, False, None),
        (Auto(), WAITING, READY, 240, False, None),
        (Auto(start="now"), WAITING, None, 0, False, Event.START),
        (Auto(start="now"), BACK, None, 240, False, None),
        (Auto(), WAITING, None, 0, True, Event.DEADLINE),
        (Auto(), RUNNING, BREACH, 0, True, Event.DEADLINE),
        (Auto(), BACK, None, 0, True, Event.DEADLINE),
        (Auto(), DONE, None, 0, True, None),
    ],
)
def test_what_happens_at_one_look(settings, state, judgement, hours, ended, event):
    """Missing data promotes nobody, `start: now` undoes no rollback, and on the last day nothing else counts."""
    step = next_step(settings, state, judgement, hours * HOUR, ended=ended)
    assert (step.event if step else None) == event


def test_each_step_says_why():
    """For the log and the audit line."""
    assert "24 h at 10 % are over" in next_step(Auto(), RUNNING, READY, 24 * HOUR, ended=False).why
    assert next_step(Auto(), RUNNING, BREACH, 0.0, ended=False).why == "failed: 1 % -> 9 %"
    assert next_step(Auto(), RUNNING, None, 0.0, ended=True).why == "old has ended; everybody moves to new"
    assert held_until(Auto(), RUNNING) == 24 * HOUR
