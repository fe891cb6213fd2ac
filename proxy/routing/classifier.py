"""Which of the thirteen tasks a request is: `Classifier.load().classify(body)` gives a `Verdict`.

Theory of operation: `view` clips the request, `features` turns it into named facts, `weights` adds up what each fact says.
A short follow-up ("and with interest?") says little itself, so most of its verdict comes from the turn before it. A bare
"thanks" is chat whatever came before. Everything is pure: same request, same verdict, no clock, no network, no randomness.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources

import msgspec
from msgspec.structs import replace

from proxy.routing.difficulty import difficulty
from proxy.routing.evidence import phrases
from proxy.routing.features import facts, groups
from proxy.routing.instruction import follows_up
from proxy.routing.lexicon import Lexicon
from proxy.routing.tasks import REASONING_TASKS, TASKS
from proxy.routing.view import TaskView, read
from proxy.routing.weights import Weights, parse

UNSURE_BELOW = 0.4
EARLIER_SHARE = 0.85
_REASONING = len(REASONING_TASKS)
_KEPT = 512
"""Two for each instruction that is remembered (see wording)."""


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """`confidence` is the calibrated P(task is right), `p_reasoning` the calibrated P(the reasoning side serves it).

    `evidence` is empty unless asked for (`explain`), because writing it costs more than the verdict.
    """

    task: str
    confidence: float
    p_reasoning: float
    difficulty: str
    unsure: bool
    evidence: tuple[str, ...] = ()


class Classifier:
    """Holds the lexicon and the weights; immutable after loading, safe to share between threads."""

    def __init__(self, lexicon: Lexicon, weights: Weights) -> None:
        self._lexicon = lexicon
        self._weights = weights
        self._weigh = lru_cache(_KEPT)(weights.weigh)

    @classmethod
    def load(cls) -> Classifier:
        """The packaged classifier. Raises ValueError when the weights belong to another version or lexicon."""
        room = resources.files(__package__)
        words = room.joinpath("lexicon.txt").read_text(encoding="utf-8")
        return cls(Lexicon(words), parse(room.joinpath("weights.bin").read_bytes(), words))

    def classify(self, request: Mapping[str, object] | TaskView) -> Verdict:
        """The verdict on a decoded chat or Responses body (or a view of one). Never raises on any decoded JSON object."""
        view = request if isinstance(request, TaskView) else read(request)
        return self._verdict(view, self._logits(view))

    def explain(self, request: Mapping[str, object] | TaskView) -> Verdict:
        """The same verdict with its evidence: what was seen, and which facts spoke for the task most."""
        view = request if isinstance(request, TaskView) else read(request)
        verdict = self.classify(view)
        seen = facts(view, self._lexicon)
        lane = TASKS.index(verdict.task)
        said = ((self._weights.says(fact), fact) for fact in seen)
        pulls = sorted(((s[lane] - sum(s) / len(s), fact) for s, fact in said if s is not None), reverse=True)
        return replace(verdict, evidence=phrases(view, seen, pulls, unsure=verdict.unsure))

    def _logits(self, view: TaskView) -> list[float]:
        own = self._scores(view)
        if not follows_up(view, self._lexicon):
            return own
        before = replace(
            view, ask=view.earlier, length=len(view.earlier), images=view.earlier_images, earlier=""
        )
        return [
            EARLIER_SHARE * t + (1 - EARLIER_SHARE) * o
            for o, t in zip(own, self._scores(before), strict=True)
        ]

    def _scores(self, view: TaskView) -> list[float]:
        """The logits of one view by itself. What a remembered group says is remembered with it."""
        packed = found = 0
        loose: list[str] = []
        for group in groups(view, self._lexicon):
            if type(group) is tuple:
                says, known = self._weigh(group)
                packed += says
                found += known
            else:
                loose += group
        says, known = self._weights.weigh(dict.fromkeys(loose))
        return self._weights.logits((packed + says, found + known))

    def _verdict(self, view: TaskView, logits: list[float]) -> Verdict:
        fit = self._weights.calibration
        top = max(logits)
        weights = [math.exp((x - top) / fit.temperature) for x in logits]
        total = sum(weights)
        reasoning = sum(weights[:_REASONING]) / total
        odds = math.log((reasoning + 1e-9) / (1 - reasoning + 1e-9))
        p_reasoning = 1 / (1 + math.exp(-(fit.slope * odds + fit.shift)))
        best = max(range(len(weights)), key=weights.__getitem__)
        confidence = weights[best] / total
        task = TASKS[best]
        return Verdict(task, confidence, p_reasoning, difficulty(task, view), confidence < UNSURE_BELOW)
