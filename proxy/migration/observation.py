"""What one attempt adds to what is known of an arm, and how many of them add up. Pure.

Two kinds of sums leave here. `Sums.units` are what guards judge by: for each unit its calls and what they sum up to, by
measure, so that the store can keep `ArmTotals` exact. `Sums.counts` are what people compare: counters, and histograms whose
buckets grow by a tenth, for each side and task; "" is all tasks together.

Fallbacks and other calls without an arm never come here. A shadow call is counted as a side of its own and never as a unit.
"""

import math
from collections import Counter as Tally
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from proxy.nouns import Usage

ShownSide = Literal["old", "new", "shadow"]
SIDES: Final[tuple[ShownSide, ...]] = ("old", "new", "shadow")
SEPARATOR: Final = "\x1f"
_GROWTH: Final = math.log(1.1)
_LEAST: Final = 0.001
_NO_USAGE: Final = Usage(source="none")


class Observation(msgspec.Struct, frozen=True, gc=False):
    """One finished attempt. `failure` is how it failed ("" when an answer came); `first_s` None: nothing began; `cost_nano`
    None: not billed. `left`: the caller went away, which says nothing of how the answer would have been. `judged`: the
    answer itself was looked at; `invalid` is then what is wrong with it (validity.py), `refusal` whether it declines.
    `drawn`: it is one of those that failures are counted among. Where only some answers are looked at it is these: among all
    of them, what is invalid would seem the rarer the more calls there are."""

    migration: str
    version: int
    side: ShownSide
    unit: str
    task: str
    stream: bool
    failure: str = ""
    left: bool = False
    first_s: float | None = None
    total_s: float = 0.0
    usage: Usage = _NO_USAGE
    cost_nano: int | None = None
    finish: str = ""
    refusal: bool = False
    invalid: str = ""
    judged: bool = False
    drawn: bool = True

    @property
    def tells_of_failure(self) -> bool:
        """Whether it counts as one that failed or did not."""
        return self.drawn and not self.left

    @property
    def failed(self) -> bool:
        """Whether the caller got nothing it can use."""
        return bool(self.failure or self.invalid)


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a stage measures against, frozen when it begins. `slow_s` is the old model's p95 of the first token by (task,
    streamed or whole); `cap_nano` its p99 cost of a call; `ratio` the planned cost of a call on the new model, as a multiple."""

    slow_s: Mapping[str, float]
    cap_nano: float
    ratio: float

    def threshold_s(self, task: str, *, stream: bool) -> float | None:
        """Later than this is slow; None where the old model has not been seen enough."""
        return self.slow_s.get(pace_key(task, stream=stream), self.slow_s.get(pace_key("", stream=stream)))


@dataclass(slots=True)
class Sums:
    """What is to be added to the store for one migration and stage version."""

    units: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    counts: "Tally[str]" = field(default_factory=Tally)
    sides: set[str] = field(default_factory=set)

    def add(self, seen: Observation, baseline: Baseline | None) -> None:
        """Count one attempt. Without a baseline nothing can be called slow, and nothing can be capped."""
        self.sides.add(seen.side)
        tasks = ("", seen.task) if seen.task else ("",)
        for task in tasks:
            for what, amount in _counted(seen):
                self.counts[SEPARATOR.join((seen.side, task, what))] += amount
        if seen.side == "shadow":
            return
        more = list(_measured(seen, baseline))
        for task in tasks:
            sums = self.units.setdefault((seen.side, task, seen.unit), [0.0] * 6)
            for place, value in more:
                sums[place] += 1
                sums[place + 1] += value


def _measured(seen: Observation, baseline: Baseline | None) -> Iterator[tuple[int, float]]:
    """(place of n among a unit's sums, y) of every measure this attempt says something about."""
    if seen.tells_of_failure:
        yield 0, float(seen.failed)
    if baseline is None:
        return
    threshold_s = baseline.threshold_s(seen.task, stream=seen.stream)
    if threshold_s is not None:
        if seen.first_s is not None:
            yield 2, float(seen.first_s > threshold_s)
        elif seen.left and seen.total_s > threshold_s:
            # It left after waiting that long: the first token is late, whenever it would have come.
            yield 2, 1.0
    if seen.cost_nano is not None and not seen.left:
        cap = baseline.cap_nano * (baseline.ratio if seen.side == "new" else 1.0)
        yield 4, min(float(seen.cost_nano), cap)


def _counted(seen: Observation) -> Iterator[tuple[str, int]]:
    yield "calls", 1
    if seen.left:
        yield "left", 1
    if seen.failure:
        yield f"error:{seen.failure}", 1
    if seen.finish:
        yield f"finish:{seen.finish}", 1
    if seen.judged:
        yield "judged", 1
    if seen.refusal:
        yield "refusal", 1
    if seen.invalid:
        yield f"invalid:{seen.invalid}", 1
    if seen.tells_of_failure:
        yield "drawn", 1
        if seen.failed:
            yield "failed", 1
    if seen.first_s is not None:
        yield f"{'first' if seen.stream else 'whole'}:{bucket_of(seen.first_s)}", 1
    if not seen.failure and not seen.left:
        yield f"total:{bucket_of(seen.total_s)}", 1
    if seen.cost_nano is not None:
        yield "billed", 1
        yield "cost", seen.cost_nano
        yield f"price:{bucket_of(seen.cost_nano)}", 1
        for name in ("input", "cached", "cache_write", "output", "reasoning"):
            if amount := getattr(seen.usage, f"{name}_tokens"):
                yield name, amount


def bucket_of(value: float) -> int:
    """The bucket of a histogram that grows by a tenth from bucket to bucket; 0 holds everything up to a thousandth."""
    return max(0, math.ceil(math.log(value / _LEAST) / _GROWTH)) if value > _LEAST else 0


def upper_edge(bucket: int) -> float:
    """The most a bucket's values can be."""
    return _LEAST * math.exp(bucket * _GROWTH)


def quantile(histogram: Mapping[int, int], share: float) -> float | None:
    """The value that this share of all does not exceed, a tenth too high at most; None of nothing."""
    left = share * sum(histogram.values())
    if not left:
        return None
    for bucket in sorted(histogram):
        left -= histogram[bucket]
        if left <= 1e-9:
            break
    return upper_edge(bucket)


def pace_key(task: str, *, stream: bool) -> str:
    """A task's streamed and whole answers begin at different times."""
    return f"{task}{SEPARATOR}{'first' if stream else 'whole'}"
