"""What the parent is told at scrape: the ledger's integer totals, and where models and migrations stand.

The metrics room knows no Redis. The parent passes in a `LedgerSource`; the store's side fills these records. All money is
integer nano-dollars, exactly as the ledger counts it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class BudgetTotals:
    """One configured budget in its current window. `window` is its `per` ("day", "month"); `resets_at` is Unix seconds."""

    name: str
    scope: str
    window: str
    limit_nano: int
    spent_nano: int
    held_nano: int
    resets_at: float


@dataclass(frozen=True, slots=True)
class LedgerTotals:
    """Everything ever counted: `cost_nano` by (model, task, route), `key_cost_nano` by (team, key), `tokens` by kind."""

    cost_nano: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    key_cost_nano: Mapping[tuple[str, str], int] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)
    budgets: tuple[BudgetTotals, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """What the parent itself knows: days to shutdown by (provider, model), stage percent by migration, live workers."""

    days_left: Mapping[tuple[str, str], float] = field(default_factory=dict)
    stages: Mapping[str, float] = field(default_factory=dict)
    workers: int = 0


LedgerSource = Callable[[], Awaitable[LedgerTotals | None]]
"""Reads the totals; None when Redis does not answer (it must not raise for that)."""

StandingSource = Callable[[], Standing]
