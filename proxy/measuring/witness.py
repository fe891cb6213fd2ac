"""Sees how attempts under a migration end, looks at some of their answers afterwards, and enters what it saw in batches.

Theory of operation. Flow calls `listen`, `failed` and `ended`, which only write down; everything else happens in `run`, a
task the process owns. Whether an answer will be looked at is decided before it is asked for, so that it cannot depend on
how it turns out: at most `LOOKED_AT_PER_S` a second of each side of a migration, so that a small share is seen as well as a
large one, and none while copies are many. Failures of both kinds, no answer and no good one, are counted among these calls
alone. Looking is done an event at a time. Only of calls that are looked at is the task known where nobody routed them: it is classified here, off the relay path.

A share measures against a baseline that the first process to see enough of the old model freezes for all: of the share
before, or of this one when there was none. Until then nothing is called slow and no cost is counted, on neither side.
"""

import asyncio
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from msgspec.structs import replace

from proxy.errors import ApiError
from proxy.house import Client, House
from proxy.measuring.answers import answered, judged
from proxy.measuring.copies import Listened, Shelf
from proxy.migration.comparison import Seen
from proxy.migration.observation import (
    Baseline,
    Observation,
    Sums,
    pace_key,
    quantile,
)
from proxy.nouns import Endpoint
from proxy.parse import Request
from proxy.planning.expected import TOKENS, Terms, cost_ratio
from proxy.routing.verdicts import Verdicts
from proxy.store.client import Pipe, StoreAway, StoreUnsent
from proxy.store.observations import enter, freeze, read_baseline, seen, shares
from proxy.trace import Trace
from proxy.upstreams.attempt import Outcome
from proxy.upstreams.refusals import Failed

LOOKED_AT_PER_S: Final = 50
BASELINE_CALLS: Final = 200
"""Calls of the old model that a baseline needs; of one task, or of one way of answering, half as many."""
_EVERY_S: Final = 0.25
_BASELINE_EVERY_S: Final = 1.0
_MOST_WAITING: Final = 2_000
_JUDGED: Final = frozenset({Endpoint.CHAT, Endpoint.RESPONSES, Endpoint.COMPLETIONS})

Share = tuple[str, int]
"""A migration and the version of its share."""


@dataclass(frozen=True, slots=True)
class Course:
    """What measuring has to know of a migration."""

    old: Terms
    new: Terms


class Shadower(Protocol):
    """Who may copy a call of the old model to the new one."""

    def offer(self, trace: Trace, house: House) -> None:
        """Here is one whose answer went out. Never waits, never raises."""


@dataclass(frozen=True, slots=True)
class _Look:
    """An answer to look at."""

    observation: Observation
    request: Request
    answer: Listened | None


class Witness:
    """One per process. `pipe` is for what is not urgent; `shadower`, if there is one, is offered what the old model answered."""

    def __init__(self, pipe: Pipe, verdicts: Verdicts, clock: Callable[[], float]) -> None:
        self._pipe = pipe
        self._verdicts = verdicts
        self._clock = clock
        self.shadower: Shadower | None = None
        self._shelf = Shelf()
        self._listening: dict[str, Listened | None] = {}
        self._looks: deque[_Look] = deque()
        self._sums: dict[Share, Sums] = {}
        self._baselines: dict[Share, Baseline] = {}
        self._ask_again_s: dict[Share, float] = {}
        self._second = 0
        self._looked_at: Tally[tuple[str, str]] = Tally()
        self._courses: Mapping[str, Course] = {}

    def take_up(self, courses: Mapping[str, Course]) -> None:
        """Migrations by name, of another configuration."""
        self._courses = courses

    # What flow calls.

    def listen(self, client: Client, trace: Trace) -> Client:
        """The client for the rest of the call."""
        call = trace.call
        if call.endpoint not in _JUDGED or self._shelf.full or not self._may_look(trace):
            self._listening[call.id] = None
            return client
        listened = self._listening[call.id] = Listened(client, self._shelf)
        return listened

    def failed(self, failed: Failed, trace: Trace, now_s: float) -> None:
        """An attempt gave no answer. What the caller did wrong it did wrong on both sides; what translation did, on one."""
        if trace.call.id in self._listening:
            looked_at = self._listening[trace.call.id] is not None
            found = replace(_begun(trace), failure=failed.failure.value, total_s=now_s - trace.sent_s)
            self._keep(found, trace, None, looked_at=looked_at)

    def ended(self, outcome: Outcome | None, trace: Trace, now_s: float, house: House) -> None:
        """The call is over. `outcome` None: the client left before there was one, or we refused."""
        answer = self._listening.pop(trace.call.id, None)
        arm = trace.candidate.arm if trace.candidate is not None else None
        if arm is None or isinstance(outcome, Failed) or not trace.attempt or trace.finish == "refused":
            if answer is not None:
                answer.taken()
            return
        found = replace(_begun(trace), total_s=now_s - trace.sent_s)
        if outcome is not None:
            found = replace(found, first_s=trace.first_byte_s - trace.sent_s)
        if outcome is None or trace.finish in ("client_gone", "cut"):
            self._keep(replace(found, left=True), trace, answer, looked_at=answer is not None)
            return
        found = answered(found, trace)
        self._keep(found, trace, answer, looked_at=answer is not None)
        if arm.side == "old" and not found.failure and self.shadower is not None:
            self.shadower.offer(trace, house)

    def shadowed(self, observation: Observation) -> None:
        """A shadow call is over."""
        self._add(observation)

    def _may_look(self, trace: Trace) -> bool:
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._looked_at.clear()
        assert trace.plan is not None
        arm = trace.plan.candidates[0].arm
        assert arm is not None
        side = (arm.migration, arm.side)
        self._looked_at[side] += 1
        return self._looked_at[side] <= LOOKED_AT_PER_S and len(self._looks) < _MOST_WAITING

    def _keep(self, found: Observation, trace: Trace, answer: Listened | None, *, looked_at: bool) -> None:
        if looked_at and trace.request is not None:
            self._looks.append(_Look(found, trace.request, answer))
        else:
            self._add(replace(found, drawn=looked_at or trace.call.endpoint not in _JUDGED))

    def _add(self, observation: Observation) -> None:
        share = (observation.migration, observation.version)
        self._sums.setdefault(share, Sums()).add(observation, self._baselines.get(share))

    # What the process calls.

    async def run(self) -> None:
        """Look and enter until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            await self.catch_up()

    async def catch_up(self) -> None:
        """Look at every answer that waits, and enter everything seen so far."""
        while self._looks:
            await self._look(self._looks.popleft())
        with suppress(StoreAway):
            for share in list(self._sums):
                await self._find_baseline(share)
        for share in list(self._sums):
            sums = self._sums.pop(share)
            try:
                await enter(self._pipe, *share, sums)
            except StoreUnsent:
                self._sums.setdefault(share, sums)
                return
            except StoreAway:
                # Entered or not, nobody knows: a little missing is harmless, counted twice would not be.
                continue

    async def _look(self, look: _Look) -> None:
        found = look.observation
        with suppress(ApiError):  # parts of a body are first read here, and may turn out to be no JSON
            found = replace(found, task=found.task or self._verdicts.of(look.request.fields).task)
        copy = look.answer.taken() if look.answer is not None else None
        if copy is not None and not found.failure and not found.left:
            found = await judged(found, look.request, copy)
        self._add(found)

    async def _find_baseline(self, share: Share) -> None:
        now_s = self._clock()
        if share in self._baselines or now_s < self._ask_again_s.get(share, now_s):
            return
        self._ask_again_s[share] = now_s + _BASELINE_EVERY_S
        found = await read_baseline(self._pipe, *share) or await self._baseline_now(*share)
        if found is not None:
            self._baselines[share] = found

    async def _baseline_now(self, name: str, version: int) -> Baseline | None:
        """By the share before this one, else by this one itself; frozen for everybody."""
        course = self._courses.get(name)
        if course is None:
            return None
        before = [each for each in await shares(self._pipe, name) if each < version]
        for each in (*before[-1:], version):
            found = baseline_of(await seen(self._pipe, name, [each]), course)
            if found is not None:
                return await freeze(self._pipe, name, version, found)
        return None


def _begun(trace: Trace) -> Observation:
    """Whose attempt it is."""
    candidate, request, plan = trace.candidate, trace.request, trace.plan
    assert candidate is not None
    assert candidate.arm is not None
    assert request is not None
    arm, task = candidate.arm, plan.task if plan is not None else ""
    return Observation(arm.migration, arm.version, arm.side, arm.unit, task, request.stream)


def baseline_of(counts: Seen, course: Course) -> Baseline | None:
    """What the old model did, as a baseline; None before it was seen often enough."""
    cap_nano = quantile(counts.histogram("old", "", "price"), 0.99)
    if counts.count("old", "", "billed") < BASELINE_CALLS or cap_nano is None:
        return None
    slow_s = {}
    for task in ("", *counts.tasks):
        for stream in (False, True):
            paces = counts.histogram("old", task, "first" if stream else "whole")
            limit_s = quantile(paces, 0.95)
            if limit_s is not None and sum(paces.values()) >= BASELINE_CALLS // 2:
                slow_s[pace_key(task, stream=stream)] = limit_s
    ratio = cost_ratio({name: counts.count("old", "", name) for name in TOKENS}, course.old, course.new)
    return Baseline(slow_s, cap_nano, 1.0 if ratio is None else ratio)
