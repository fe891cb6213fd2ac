"""The records of an explanation: what `switchyard explain` prints and `POST /admin/explain` answers.

Money is US dollars as exact decimals, tokens and requests are whole numbers, times are seconds.
"""

from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class Task:
    """What kind of request it is, and what says so. A task that the caller named has no evidence."""

    name: str
    confidence: float
    p_reasoning: float
    difficulty: str
    unsure: bool
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Option:
    """One candidate. `place` is its turn from 1, 0 when it was dropped. Money is US dollars, None where there is no price;
    `hold_usd` is what would be set aside for it, `why` what is to be said of it."""

    place: int
    target: str
    model: str
    provider: str
    reason: str
    why: str
    effort: str = ""
    endpoint: str = ""
    changes: tuple[str, ...] = ()
    expected_usd: str | None = None
    hold_usd: str | None = None
    first_token_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Heir:
    """A model that would stand in for one that has ended; `skipped` says why it does not ("" when it does)."""

    ended: str
    model: str
    effort: str
    price_ratio: float | None
    skipped: str


@dataclass(frozen=True, slots=True)
class Count:
    """A budget or limit the request would count in, with its unit. Standing figures are None where nobody could tell."""

    name: str
    kind: str
    per: str
    limit: int
    spent: int | None = None
    held: int | None = None
    left: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """How the proxy would answer instead of asking anybody."""

    status: int
    code: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything about one request. `model` is what `x-switchyard-model` would say while all providers are well."""

    asked: str
    route: str
    model: str
    reason: str
    task: Task | None
    decision: str
    candidates: tuple[Option, ...]
    successors: tuple[Heir, ...]
    counts: tuple[Count, ...]
    refusal: Refusal | None
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        built: dict[str, Any] = msgspec.to_builtins(self)
        return built
