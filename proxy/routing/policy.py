"""In which order a route's candidates are tried, and which are left out. Pure.

    the task    an unsure verdict goes by P(reasoning) alone: reasoning side or the route's default
    money       a candidate that may cost more than the cap is dropped
    preference  balanced keeps the order the operator wrote; cheapest sorts by what this request is expected to cost
    latency     a candidate whose first token comes too late goes behind the others, never out: a slow answer beats none;
                once a minute it is tried first, so that one that has recovered comes back

Money comes in nano-dollars, time in seconds; nothing here knows what a model is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from proxy.nouns import NANO_PER_USD, Candidate
from proxy.routing.classifier import Verdict
from proxy.routing.tasks import REASONING_TASKS

REASONING_FROM: Final = 0.5
"""P(reasoning) from which an unsure request is served by the reasoning side."""

VISIBLE_TOKENS: Final = 500
"""What an answer is expected to show when its length is not capped below that."""

_THOUGHT: Final[Mapping[str, float]] = {
    "none": 0,
    "minimal": 0.2,
    "low": 1,
    "medium": 3,
    "high": 8,
    "xhigh": 16,
    "max": 32,
}
"""Hidden tokens for each visible one, by effort: rough, and only ever used to compare candidates."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a route and its caller ask of candidates. `max_first_token_s` and `max_cost_nano` None: nothing."""

    prefer: Literal["balanced", "cheapest"] = "balanced"
    max_first_token_s: float | None = None
    max_cost_nano: int | None = None


@dataclass(frozen=True, slots=True)
class Runner:
    """One candidate with what it is judged by. `expected_nano` and `most_nano` are this request's cost (None: not known),
    `probe` says that its lateness should be overlooked this once."""

    candidate: Candidate
    first_token_s: float = 0.0
    expected_nano: int | None = None
    most_nano: int | None = None
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Ranking:
    """`first` to `late` in the order to try; `late` are those put last for their slowness. `dropped` has the reasons."""

    kept: tuple[Runner, ...]
    late: tuple[Runner, ...] = ()
    dropped: tuple[tuple[Runner, str], ...] = ()


def lane(verdict: Verdict) -> tuple[str, str]:
    """(the task whose list serves it, why when that is not its own). "" stands for the route's default."""
    if not verdict.unsure:
        return verdict.task, ""
    reasons = verdict.p_reasoning >= REASONING_FROM
    if reasons == (verdict.task in REASONING_TASKS):
        return verdict.task, ""
    side = f"P(reasoning) is {verdict.p_reasoning:.2f}"
    if reasons:
        return "reasoning", f"unsure of the task; {side}, so the reasoning side serves it"
    return "", f"unsure of the task; {side}, so the route's default serves it"


def rank(runners: Sequence[Runner], wishes: Wishes) -> Ranking:
    """The order to try `runners` in; they come in the order written."""
    kept: list[Runner] = []
    dropped: list[tuple[Runner, str]] = []
    for runner in runners:
        why = _too_dear(runner, wishes.max_cost_nano)
        if why:
            dropped.append((runner, why))
        else:
            kept.append(runner)
    if wishes.prefer == "cheapest":
        kept.sort(key=_expected)
    limit_s = wishes.max_first_token_s
    if limit_s is None:
        return Ranking(tuple(kept), (), tuple(dropped))
    late = tuple([runner for runner in kept if runner.first_token_s > limit_s and not runner.probe])
    if not late:
        return Ranking(tuple(kept), (), tuple(dropped))
    soon = [runner for runner in kept if runner.first_token_s <= limit_s or runner.probe]
    return Ranking((*soon, *late), late if soon else (), tuple(dropped))


def expected_output(effort: str, cap: int | None) -> int:
    """Output tokens to expect, thoughts included. `cap` None: the caller set none."""
    thought = _THOUGHT.get(effort, _THOUGHT["medium"])
    expected = round(VISIBLE_TOKENS * (1 + thought))
    return expected if cap is None else min(cap, expected)


def _too_dear(runner: Runner, cap_nano: int | None) -> str:
    if cap_nano is None:
        return ""
    if runner.most_nano is None:
        return "nothing bounds what it may cost"
    if runner.most_nano > cap_nano:
        return f"it may cost {usd(runner.most_nano)} USD, more than {usd(cap_nano)}"
    return ""


def usd(nano: int) -> str:
    """US dollars without trailing zeros, at least two decimals."""
    whole, part = divmod(nano, NANO_PER_USD)
    return f"{whole}.{f'{part:09d}'.rstrip('0').ljust(2, '0')}"


def _expected(runner: Runner) -> tuple[bool, int]:
    """A candidate without a price is no cheap one."""
    return runner.expected_nano is None, runner.expected_nano or 0
