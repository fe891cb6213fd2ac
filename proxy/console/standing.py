"""How things stand now: budgets as they are counted, models with their ends, migrations as they were measured. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from proxy.budgets.windows import NEVER
from proxy.migration.comparison import Column
from proxy.migration.guards import GuardVerdict, Judgement
from proxy.migration.state import State, percent
from proxy.migration.supervision import following, held_until, is_watched
from proxy.models.catalogue import Catalogue
from proxy.models.lifecycle import days_left, is_retired
from proxy.models.rows import ModelRow
from proxy.models.succession import successors_of
from proxy.nouns import NANO_PER_USD
from proxy.settings import Migration, Settings
from proxy.store.states import BudgetState

_MODELS: Final = 100
_BUDGETS: Final = 200
_CALLERS: Final = 6
_SOON_DAYS: Final = 30

Callers = Mapping[str, Mapping[str, int]]
"""Model to key to requests."""


def budgets(states: Iterable[BudgetState]) -> list[dict[str, Any]]:
    """Fullest first. `resets_at` is None where the window never ends."""
    shown = [
        {
            "name": state.budget.name,
            "scope": state.budget.scope,
            "of": state.budget.of,
            "per": state.budget.per,
            "limit": state.limit_nano,
            "spent": state.spent_nano,
            "held": state.held_nano,
            "unsettled": state.unsettled_nano,
            "left": state.left_nano,
            "resets_at": None if state.window.end >= NEVER else state.window.end,
        }
        for state in states
    ]
    return sorted(shown, key=lambda each: -_fullness(each))[:_BUDGETS]


def models(
    settings: Settings, catalogue: Catalogue, called_by: Callers, named: set[str], now: float
) -> list[dict[str, Any]]:
    """Models that somebody calls, the configuration names, or that end soon; those with a known end first, soonest first."""
    lifecycle = settings.lifecycle

    def ended(row: ModelRow) -> bool:
        return is_retired(
            row, "", now, margin_hours=lifecycle.margin_hours, published={}, kind=row.provider_kind
        )

    written = {row.name for name in named if (row := catalogue.resolve(name)) is not None}
    shown = []
    for row in catalogue:
        left = days_left(row.shutdown, now)
        keys = called_by.get(row.name, {})
        if not (keys or row.name in written or (left is not None and 0 < left <= _SOON_DAYS)):
            continue
        step = (
            successors_of(catalogue, row.name, now, ended, allow_dearer=lifecycle.allow_dearer).first
            if row.shutdown is not None
            else None
        )
        shown.append(
            {
                "name": row.name,
                "ends_at": row.shutdown,
                "days_left": left,
                "ended": ended(row),
                "successor": step and (f"{step.model}@{step.effort}" if step.effort else step.model),
                "price_ratio": step.ratio if step else None,
                "configured": row.name in written,
                "requests": sum(keys.values()),
                "callers": _busiest(keys),
                "more_callers": max(0, len(keys) - _CALLERS),
            }
        )
    return sorted(shown, key=_urgency)[:_MODELS]


def migration(
    settings: Migration, state: State, sides: Sequence[Column], judgement: Judgement
) -> dict[str, Any]:
    """Where it stands, who moved it last and what comes next, its sides as they were measured, its guards over all calls."""
    models = {"old": settings.source, "new": str(settings.target), "shadow": str(settings.target)}
    return {
        "name": settings.name,
        "status": state.status.value.replace("_", " "),
        "percent": percent(state),
        "stages": list(state.stages),
        "since": state.since or None,
        "next": following(state),
        "auto": settings.auto,
        "not_before": held_until(settings, state) if is_watched(state) else None,
        "sticky": settings.sticky,
        "changed": state.changed or None,
        "who": state.who,
        "why": state.why,
        "judged": judgement.why,
        "sides": [
            {
                "side": side.side,
                "model": models[side.side],
                "calls": side.calls,
                "failed": side.failed,
                "invalid": sum(side.invalid.values()),
                "first_p95_ms": _ms(side.first_p95_s if side.first_p95_s is not None else side.whole_p95_s),
                "total_p95_ms": _ms(side.total_p95_s),
                "output": side.output_tokens,
                "cost": None if side.usd is None else side.usd * NANO_PER_USD,
            }
            for side in sides
        ],
        "guards": [
            {
                "measure": guard.measure.value,
                "old": guard.old,
                "new": guard.new,
                "excess": guard.excess if guard.judged else None,
                "calls": list(guard.calls),
                "units": sum(guard.units),
                "needed": guard.needed_units,
                "says": _says(guard),
            }
            for guard in judgement.verdicts
            if not guard.task
        ],
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _says(guard: GuardVerdict) -> str:
    if not guard.judged:
        return "too few to tell"
    return "breached" if guard.breached else "near" if guard.near else "within"


def _fullness(each: Mapping[str, Any]) -> float:
    return (each["spent"] + each["held"]) / each["limit"] if each["limit"] else 1.0


def _busiest(keys: Mapping[str, int]) -> list[dict[str, Any]]:
    ranked = sorted(keys.items(), key=lambda item: (-item[1], item[0]))[:_CALLERS]
    return [{"key": key, "requests": count} for key, count in ranked]


def _urgency(each: Mapping[str, Any]) -> tuple[bool, bool, float, int, str]:
    """Called models with an end, soonest first; then other ends; then the busiest."""
    left = each["days_left"]
    return (
        left is None,
        not each["requests"],
        float(left or 0),
        -each["requests"],
        each["name"],
    )
