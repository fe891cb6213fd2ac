"""Who serves a request for a model that has ended: its chain of successors, in order, with the price of each step.

A successor that has ended too, or has been found missing, is skipped and its own successors are tried after the rest of
the chain. One dearer than 1.5 times the requested model (3 parts input, 1 part output) is skipped unless the operator
allows it: an app must not wake up to a bill it never agreed to. A fine-tuned model has no successor at all.
"""

from collections.abc import Callable
from dataclasses import dataclass

from proxy.models.catalogue import Catalogue
from proxy.models.prices import ratio
from proxy.models.rows import ModelRow

MAX_RATIO = 1.5


@dataclass(frozen=True, slots=True)
class Step:
    """One successor considered: `ratio` is its price next to the requested model's (None: one of them has none),
    `skipped` says why it is not used ("" when it is)."""

    model: str
    effort: str
    ratio: float | None
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Succession:
    """`living` in the order to try; `skipped` with their reasons; `why` is said when nobody is left."""

    asked: str
    living: tuple[Step, ...]
    skipped: tuple[Step, ...]
    why: str = ""

    @property
    def first(self) -> Step | None:
        return self.living[0] if self.living else None


def successors_of(
    catalogue: Catalogue,
    name: str,
    now: float,
    ended: Callable[[ModelRow], bool],
    *,
    allow_dearer: bool = False,
) -> Succession:
    """The chain of `name`. `ended` tells whether a model is retired or missing everywhere it could be served."""
    row = catalogue.resolve(name)
    if row is None:
        return Succession(name, (), (), "unknown model")
    if row.fine_tuned:
        return Succession(name, (), (), "a fine-tuned model has no successor")
    living: list[Step] = []
    skipped: list[Step] = []
    queue = [(successor.model, successor.effort) for successor in row.successors]
    seen = {row.name}
    while queue:
        model, effort = queue.pop(0)
        target = catalogue.get(model)
        if target is None or model in seen:
            continue
        seen.add(model)
        price_ratio = _ratio(target, row, now)
        why = _why_not(target, price_ratio, ended, allow_dearer=allow_dearer)
        step = Step(model, effort, price_ratio, why)
        (skipped if why else living).append(step)
        if ended(target):
            queue += [(successor.model, successor.effort or effort) for successor in target.successors]
    return Succession(row.name, tuple(living), tuple(skipped), "" if living else _nobody(row, skipped))


def _ratio(target: ModelRow, source: ModelRow, now: float) -> float | None:
    theirs, ours = target.price_at(now), source.price_at(now)
    return ratio(theirs, ours) if theirs is not None and ours is not None else None


def _why_not(
    target: ModelRow, price_ratio: float | None, ended: Callable[[ModelRow], bool], *, allow_dearer: bool
) -> str:
    if ended(target):
        return "has ended too"
    if price_ratio is None:
        return "" if allow_dearer else "its price is not known"
    if price_ratio > MAX_RATIO and not allow_dearer:
        return f"{price_ratio:.2f} times dearer (at most {MAX_RATIO} without lifecycle.allow_dearer)"
    return ""


def _nobody(row: ModelRow, skipped: list[Step]) -> str:
    if not row.successors:
        return f"{row.name} has no successor"
    return "; ".join(f"{step.model}: {step.skipped}" for step in skipped)
