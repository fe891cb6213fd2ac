"""What is measured of migrations, kept where all replicas add to it: sums for the guards, counts for people, a baseline.

Everything belongs to one version of a migration's share: when the share changes, measuring begins anew. Sums over units are
kept exact by what each unit had before (`observe_v1`). A batch whose answer did not come may have been entered and is not
sent again: a little missing is harmless, counted twice would not be.
"""

from collections import Counter as Tally
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from proxy.migration.comparison import Seen
from proxy.migration.guards import MOST_WEIGHT, Arms, ArmTotals, Measure, Totals
from proxy.migration.observation import SEPARATOR, SIDES, Baseline, Sums
from proxy.store import keys
from proxy.store.client import Pipe, StoreAway, StoreUnsent, Word
from proxy.store.resp import pairs
from proxy.store.scripts import OBSERVE

MOST_UNITS: Final = 100_000
"""Of one share, sides and tasks counted apart: some 10 MB. See the script for those beyond."""
_ROWS_AT_ONCE: Final = 100
_DAY_S: Final = 86_400
_KEPT_S: Final = (60 * _DAY_S, 30 * _DAY_S, 180 * _DAY_S)
_STATS: Final = ("units", "calls", "n", "y", "nn", "ny", "yy")


@dataclass(frozen=True, slots=True)
class Measured:
    """One share as guards see it. `quiet_s`: how long ago each side was last heard of; a side that never was is missing."""

    totals: Totals
    quiet_s: Mapping[str, float]


async def enter(pipe: Pipe, name: str, version: int, sums: Sums, *, most_units: int = MOST_UNITS) -> None:
    """Add to one share. Raises StoreAway; StoreUnsent only when nothing of it was sent."""
    head: list[Word] = [version, most_units, MOST_WEIGHT, *_KEPT_S, len(sums.sides), *sorted(sums.sides)]
    rows = [(SEPARATOR.join(place), unit, more) for (*place, unit), more in sums.units.items()]
    for start in range(0, max(1, len(rows)), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        words = [*head, len(some)]
        for place, unit, more in some:
            words += (place, unit, *[format(number, ".17g") for number in more])
        if start == 0:
            for what, amount in sums.counts.items():
                words += (what, amount)
        try:
            await pipe.script(OBSERVE, keys.measured(name, version), words)
        except StoreUnsent as unsent:
            raise StoreAway(str(unsent)) if start else unsent from None


async def measured(pipe: Pipe, name: str, version: int, now: float) -> Measured:
    """What guards judge by. Raises StoreAway."""
    sums, _, counts, _ = keys.measured(name, version)
    flat = await pipe.call("HGETALL", sums)
    last = await pipe.call("HMGET", counts, *[f"{side}{SEPARATOR}last" for side in SIDES])
    arms: dict[tuple[Measure, str], dict[str, dict[str, float]]] = {}
    for field, value in pairs(flat).items():
        side, task, measure, stat = field.split(SEPARATOR)
        arms.setdefault((Measure(measure), task), {}).setdefault(side, {})[stat] = float(value)
    totals = {
        place: Arms(_arm(sides.get("old", {})), _arm(sides.get("new", {}))) for place, sides in arms.items()
    }
    heard: dict[str, float] = {
        side: max(0.0, now - int(at) / 1000) for side, at in zip(SIDES, last, strict=True) if at
    }
    return Measured(totals, heard)


async def shares(pipe: Pipe, name: str) -> list[int]:
    """Versions of the shares that were measured, oldest first. Raises StoreAway."""
    found = await pipe.call("ZRANGE", keys.measured(name, 0)[3], 0, -1)
    return sorted(map(int, found))


async def seen(pipe: Pipe, name: str, versions: list[int]) -> Seen:
    """Counts of these shares together. Raises StoreAway."""
    added: Tally[tuple[str, str, str]] = Tally()
    for version in versions:
        for field, value in pairs(await pipe.call("HGETALL", keys.measured(name, version)[2])).items():
            side, task, *what = field.split(SEPARATOR)
            if what:  # else it is when a side was last heard of
                added[side, task, what[0]] += int(value)
    return Seen(added)


async def read_baseline(pipe: Pipe, name: str, version: int) -> Baseline | None:
    """What a share measures against, once that is frozen. Raises StoreAway."""
    text = await pipe.call("GET", keys.baseline(name, version))
    return _baseline.decode(text) if text else None


async def freeze(pipe: Pipe, name: str, version: int, baseline: Baseline) -> Baseline:
    """Make it the share's baseline unless there is one; the one that stands. Raises StoreAway."""
    key = keys.baseline(name, version)
    await pipe.call("SET", key, msgspec.json.encode(baseline), "NX", "EX", _KEPT_S[2])
    return await read_baseline(pipe, name, version) or baseline


_baseline: Final = msgspec.json.Decoder(Baseline)


def _arm(stats: Mapping[str, float]) -> ArmTotals:
    units, calls, *sums = [stats.get(name, 0.0) for name in _STATS]
    return ArmTotals(round(units), round(calls), *sums)
