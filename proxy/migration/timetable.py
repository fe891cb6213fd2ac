"""When each stage of a migration begins, so that the last one has before the old model's end. Pure; times are Unix seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_HOUR_S: Final = 3600.0
_USUAL_H: Final = 24.0
_SHORTEST_H: Final = 1.0
_SHARE_USED: Final = 0.75
"""Of the time there is; the rest is for looking, and for a second try."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """Stages with the moment each begins, and the hours each lasts at least. `tight`: there is no time for a second try."""

    stages: tuple[tuple[int, float], ...]
    hold_hours: float
    tight: bool


def timetable(stages: Sequence[int], begins: float, ends: float | None) -> Timetable | None:
    """A day for each stage where the end (None: none is known) leaves that much, else less; with fewer stages when they would
    last less than an hour. None when the end is too near for any."""
    kept = list(stages)
    while kept:
        hours = _USUAL_H
        if ends is not None:
            hours = min(hours, (ends - begins) * _SHARE_USED / _HOUR_S / len(kept))
        if hours >= _SHORTEST_H:
            break
        del kept[0]
    else:
        return None
    hold_s = (int(hours) if hours >= 1 else hours) * _HOUR_S
    dated = tuple([(stage, begins + place * hold_s) for place, stage in enumerate(kept)])
    tight = ends is not None and dated[-1][1] + len(kept) * hold_s > ends
    return Timetable(dated, hold_s / _HOUR_S, tight)


def fewest_calls_a_day(stages: Sequence[int], hold_hours: float, needed: int) -> int:
    """Calls a day for which the smallest stage shows `needed` on the new model while it lasts."""
    return round(needed / (min(stages) / 100) / (hold_hours / 24)) if stages and hold_hours else 0
