"""What happened, added up for charts: whole hours by model and by task, and the newest requests. Pure.

Hours come from the rollups and are exact; latencies and decisions come from the newest rows, at most `NEWEST` of them.
A chart has at most `_SHOWN` names and the rest as `other`, so a page stays readable with forty models.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal

from proxy.nouns import LedgerRow, Reason
from proxy.store.rollups import SpendLine

NEWEST: Final = 500
DECISIONS: Final = 60
_SHOWN: Final = 7
_POINTS: Final = 40
_MEASURES: Final = ("requests", "errors", "cost")
_REFUSED: Final = "refused"

Hours = Mapping[int, Sequence[SpendLine]]
"""Hour (Unix seconds / 3600) to what was used in it, by key, team, model and task."""

WHY: Final[Mapping[str, str]] = MappingProxyType(
    {
        Reason.PINNED: "The caller named this model.",
        Reason.CALLER: "The caller named the task; its route puts this model first.",
        Reason.TASK: "The request was read as this task; its route puts this model first.",
        Reason.STICKY: "The conversation was on this model already.",
        Reason.MIGRATION: "A migration put this caller on the new model.",
        Reason.SUCCESSOR: "The model that was asked for, or stands in the route, has ended; this is its successor.",
        Reason.FALLBACK: "The model before it could not answer.",
        Reason.BUDGET: "A budget is past its soft limit and asks for a cheaper model.",
        Reason.SHADOW: "A copy for comparison: nobody was answered from it.",
        Reason.LEARNED: "The provider refused the model before it for this kind of request.",
    }
)


def by_name(hours: Hours, of: Literal["model", "task"]) -> list[dict[str, Any]]:
    """One series for each name, busiest first: a count for each hour of `hours`, in their order."""
    places = {hour: place for place, hour in enumerate(hours)}
    found: dict[str, dict[str, list[int]]] = {}
    for hour, lines in hours.items():
        for line in lines:
            series = found.setdefault(getattr(line, of) or "none", _zeros(len(places)))
            for measure in _MEASURES:
                series[measure][places[hour]] += line.counts.get(measure, 0)
    ranked = sorted(found.items(), key=lambda item: (-sum(item[1]["requests"]), item[0]))
    named = [{"name": name, **series} for name, series in ranked[:_SHOWN]]
    if ranked[_SHOWN:]:
        rest = _zeros(len(places))
        for _, series in ranked[_SHOWN:]:
            for measure in _MEASURES:
                rest[measure] = list(map(sum, zip(rest[measure], series[measure], strict=True)))
        named.append({"name": "other", **rest})
    return named


def totals(hours: Hours) -> dict[str, int]:
    """Everything in these hours together."""
    names = ("requests", "errors", "cost", "input", "output", "cached")
    lines = [line for each in hours.values() for line in each]
    return {name: sum(line.counts.get(name, 0) for line in lines) for name in names}


def callers(hours: Hours, newest: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """Requests by model and key. `newest` are (model asked for, key): who still asks for what another model answers."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for lines in hours.values():
        for line in lines:
            if line.model:
                found[line.model][line.key or "open"] += line.counts.get("requests", 0)
    asked: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for model, key in newest:
        asked[model][key or "open"] += 1
    for model, counts in asked.items():
        for key, count in counts.items():
            found[model][key] = max(found[model][key], count)
    return found


def latencies(rows: Sequence[LedgerRow]) -> dict[str, Any]:
    """Medians and 95th percentiles of the answered among `rows` (newest first): over time, and by model. Milliseconds."""
    answered = [row for row in reversed(rows) if row.provider and row.status < 400]
    if not answered:
        return {"count": 0, "since": None, "points": [], "models": []}
    begin, end = answered[0].at, answered[-1].at
    width_s = max(1.0, (end - begin) / _POINTS)
    slices: dict[int, list[LedgerRow]] = defaultdict(list)
    models: dict[str, list[LedgerRow]] = defaultdict(list)
    for row in answered:
        slices[int((row.at - begin) / width_s)].append(row)
        models[row.served].append(row)
    return {
        "count": len(answered),
        "since": begin,
        "points": [{"at": begin + (n + 0.5) * width_s, **_spread(slices[n])} for n in sorted(slices)],
        "models": [
            {"name": name, **_spread(each)}
            for name, each in sorted(models.items(), key=lambda item: -len(item[1]))
        ][:20],
    }


def decisions(rows: Iterable[LedgerRow]) -> list[dict[str, Any]]:
    """Rows as people read them: who asked for what, what answered, and why that."""
    return [
        {
            "at": row.at,
            "id": row.request_id,
            "key": row.key_name,
            "team": row.team,
            "endpoint": row.endpoint,
            "asked": row.asked,
            "served": "" if row.finish == _REFUSED else row.served,
            "task": row.task,
            "reason": row.reason,
            "why": _why(row),
            "changes": list(row.changes[:8]),
            "cost": row.cost_nano,
            "estimated": row.estimated,
            "status": row.status,
            "finish": row.finish,
            "error": row.error,
            "stream": row.stream,
            "duration_ms": row.duration_ms,
        }
        for row in rows
    ]


def _why(row: LedgerRow) -> str:
    if row.finish != _REFUSED and row.served:
        return WHY.get(row.reason, "")
    meant = f"it was sent to {row.served}" if row.served else "a model was chosen"
    return f"It was refused before {meant}."


def _zeros(count: int) -> dict[str, list[int]]:
    return {measure: [0] * count for measure in _MEASURES}


def _spread(rows: Sequence[LedgerRow]) -> dict[str, Any]:
    whole = sorted(row.duration_ms for row in rows)
    first = sorted(row.first_byte_ms for row in rows if row.first_byte_ms > 0)
    ours = sorted(row.overhead_ms for row in rows)
    return {
        "requests": len(rows),
        "p50_ms": _at(whole, 0.5),
        "p95_ms": _at(whole, 0.95),
        "first_p50_ms": _at(first, 0.5),
        "first_p95_ms": _at(first, 0.95),
        "overhead_p50_ms": _at(ours, 0.5),
    }


def _at(ordered: Sequence[float], share: float) -> float | None:
    """Nearest rank; None of nothing."""
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) if ordered else None
