"""`switchyard migrate plan`: what moving from one model to another would mean, by what the ledger knows, and what to write for it."""

import argparse
from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from proxy.app.courses import build_terms
from proxy.commands.amounts import counted, day, dollars, exact, moment, when
from proxy.commands.joining import Place, Refused, joined
from proxy.commands.near import meant
from proxy.commands.output import as_json, remark, say, table
from proxy.migration.judge import READY_CALLS
from proxy.migration.timetable import Timetable, fewest_calls_a_day, timetable
from proxy.models.lifecycle import DAY_S, days_left
from proxy.models.probe import Probed, probes
from proxy.models.rowreader import split_effort
from proxy.models.rows import KNOWN_EFFORTS, ModelRow
from proxy.planning.expected import TOKENS, cost_ratio
from proxy.planning.roadworks import price_mistakes
from proxy.settings.migrations import SHIPPED_STAGES
from proxy.store.rollups import ROWS_KEPT, SpendLine, latest_rows, spend

_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything the command shows. `ratio` None: a price, or the work, is not known. `ends` None: no end is known.
    `dearer`: the configuration refuses the target until somebody has agreed to its price."""

    source: ModelRow
    target: ModelRow
    written: str
    callers: tuple[SpendLine, ...]
    tokens: Mapping[str, int]
    calls_a_day: float
    cost_nano: int
    ratio: float | None
    changes: tuple[Probed, ...]
    ends: float | None
    stages: Timetable | None
    sticky: str
    dearer: bool


def add_parser(verbs: Any, configured: argparse.ArgumentParser) -> None:
    """`plan`."""
    plan = verbs.add_parser(
        "plan",
        parents=[configured],
        help="who calls a model, what would change, what it would cost, and what to write",
        description=f"Reads the last {_DAYS} days of the ledger. The cost ratio is that of the real token mix, token for token, with the "
        "thoughts the new effort is known to take; models write answers of different length, which a shadow or the first stage shows.",
    )
    plan.add_argument("--from", dest="source", required=True, metavar="MODEL", help="the model to leave")
    plan.add_argument(
        "--to", dest="target", required=True, metavar="MODEL[@EFFORT]", help="the model to move to"
    )
    plan.add_argument(
        "--since", type=moment, metavar="WHEN", help=f"look at calls from here on (default {_DAYS}d)"
    )
    plan.add_argument("--json", action="store_true", help="the same as JSON, for programs")
    plan.set_defaults(run=joined(_plan))


async def _plan(given: argparse.Namespace, place: Place) -> None:
    source, (target, effort) = _row(place, given.source), _target(place, given.target)
    since = place.now - _DAYS * DAY_S if given.since is None else given.since
    lines = await spend(place.pipe, since, place.now, ("key", "team", "task", "model"))
    mine = tuple([line for line in lines if line.model == source.name])
    tokens = {name: sum(line.counts.get(name, 0) for line in mine) for name in TOKENS}
    calls = sum(line.counts.get("requests", 0) for line in mine)
    entries = await latest_rows(place.pipe, ROWS_KEPT)
    known = [entry.row for entry in entries if entry.row.served == source.name]
    found = Plan(
        source=source,
        target=target,
        written=f"{target.name}@{effort}" if effort else target.name,
        callers=mine,
        tokens=tokens,
        calls_a_day=calls / max(1.0, (place.now - since) / DAY_S),
        cost_nano=sum(line.cost_nano for line in mine),
        ratio=cost_ratio(
            tokens,
            build_terms(place.configuration.catalogue, source.name, "", place.now),
            build_terms(place.configuration.catalogue, target.name, effort, place.now),
        ),
        changes=tuple(probes(source, target, effort)),
        ends=source.shutdown,
        stages=timetable(SHIPPED_STAGES, place.now, _last_moment(place, source)),
        sticky="user" if 2 * sum(bool(row.user_hash) for row in known) > len(known) else "conversation",
        dearer=_is_dearer(place, source, target),
    )
    if given.json:
        say(as_json(_as_json(found, place.now)))
    else:
        _show(found, place.now)
        remark(f"calls from {when(since)} to {when(place.now)}")


def _row(place: Place, name: str) -> ModelRow:
    row = place.configuration.catalogue.resolve(name)
    if row is None:
        near = meant(name, place.configuration.catalogue.names())
        raise Refused(f"no model is called {name}{near or '; `switchyard models` lists them'}")
    return row


def _target(place: Place, written: str) -> tuple[ModelRow, str]:
    name, effort = split_effort(written)
    model, at, unknown = written.rpartition("@")
    catalogue = place.configuration.catalogue
    # Some providers write a version behind an @ of a model's name.
    if at and effort is None and catalogue.resolve(written) is None:
        allowed = ", ".join(KNOWN_EFFORTS)
        raise Refused(
            f'unknown effort "{unknown}" of {model}{meant(unknown, KNOWN_EFFORTS)}; allowed: {allowed}'
        )
    return _row(place, name.partition("/")[2] if "/" in name else name), effort or ""


def _is_dearer(place: Place, source: ModelRow, target: ModelRow) -> bool:
    """As the check of the configuration sees it, so that what is printed is accepted when it is pasted."""
    return any(price_mistakes(source, target, place.settings, place.now))


def _last_moment(place: Place, source: ModelRow) -> float | None:
    if source.shutdown is None:
        return None
    return source.shutdown - place.settings.lifecycle.margin_hours * 3600


def _show(plan: Plan, now: float) -> None:
    say(f"From {plan.source.name} to {plan.written}\n")
    say(_deadline(plan, now))
    say("\nWho calls it\n" if plan.callers else "\nNobody called it in this time.")
    if plan.callers:
        heads = ("key", "team", "task", ">requests", ">cost")
        rows = [
            (
                line.key,
                line.team or "-",
                line.task or "-",
                f"{line.counts.get('requests', 0):,}",
                dollars(line.cost_nano),
            )
            for line in plan.callers
        ]
        say(table(heads, rows))
    say("\nWhat translation will change\n")
    say(
        table(("who sends", "sees"), [(each.what, each.told) for each in plan.changes])
        if plan.changes
        else "Nothing."
    )
    say(f"\nCost\n\n{_cost(plan)}")
    say(f"\nStages\n\n{_stages(plan)}")
    if plan.stages is not None:
        say(f"\nTo write into the configuration\n\n{block(plan)}")


def _deadline(plan: Plan, now: float) -> str:
    left = days_left(plan.ends, now)
    if plan.ends is None or left is None:
        return "No end of the old model is known."
    if left <= 0:
        return f"{plan.source.name} ended on {day(plan.ends)}: its successor answers already."
    return f"{plan.source.name} stops on {day(plan.ends)}, in {counted(left, 'day')}."


def _cost(plan: Plan) -> str:
    if plan.ratio is None:
        return "The cost ratio is not known: a price is missing, or nobody called the old model."
    return (
        f"{dollars(plan.cost_nano)} were spent; the same work would have cost {dollars(round(plan.cost_nano * plan.ratio))}: "
        f"{plan.ratio:.2f} times as much (input {plan.tokens['input']:,} tokens, {plan.tokens['cached']:,} of them cached; output "
        f"{plan.tokens['output']:,}, {plan.tokens['reasoning']:,} of them thoughts)."
    )


def _stages(plan: Plan) -> str:
    if plan.stages is None:
        return "There is no time left for stages: move everybody now, or let the old model's day do it."
    rows = [(f"{stage} %", when(begins)) for stage, begins in plan.stages.stages]
    words = [table((">share", "begins, if started now"), rows)]
    if plan.stages.tight:
        words.append("There is no time for a second try before the end.")
    needed = fewest_calls_a_day(
        [stage for stage, _ in plan.stages.stages], plan.stages.hold_hours, READY_CALLS
    )
    if plan.calls_a_day < needed:
        words.append(
            f"Time alone does not promote a stage: its first needs about {needed:,} calls a day to be judged in "
            f"{plan.stages.hold_hours:g} h, and there are {plan.calls_a_day:,.0f}; it lasts longer, or begins with a larger share."
        )
    return "\n\n".join(words)


def block(plan: Plan) -> str:
    """What to paste into the configuration."""
    assert plan.stages is not None
    stages = ", ".join([str(stage) for stage, _ in plan.stages.stages])
    agreed = [
        f"# Agrees to what {plan.target.name} costs next to {plan.source.name}; without it `switchyard check` refuses this.",
        "# It belongs into `lifecycle:` where there is one already.",
        "lifecycle: {allow_dearer: true}",
    ]
    return "\n".join(
        [
            *(agreed if plan.dearer else []),
            "migrations:",
            f"  - name: leave-{plan.source.name}",
            f"    from: {plan.source.name}",
            f"    to: {plan.written}",
            f"    stages: [{stages}]",
            f"    hold_hours: {plan.stages.hold_hours:g}",
            f"    sticky: {plan.sticky}",
            "    auto: true",
            "    guard: {max_error_rate_increase: 0.01, max_slow_first_token_increase: 0.05, max_cost_ratio_over_plan: 1.2}",
        ]
    )


def _as_json(plan: Plan, now: float) -> dict[str, Any]:
    return {
        "from": plan.source.name,
        "to": plan.written,
        "ends": day(plan.ends) or None,
        "days_left": days_left(plan.ends, now),
        "callers": [_caller(name, lines) for name, lines in _by_key(plan.callers).items()],
        "calls_a_day": round(plan.calls_a_day, 1),
        "tokens": dict(plan.tokens),
        "cost_usd": exact(plan.cost_nano),
        "cost_ratio": plan.ratio,
        "changes": [
            {"sends": each.what, "changes": list(each.changes), "stays": each.stays} for each in plan.changes
        ],
        "stages": [{"percent": stage, "begins": when(at)} for stage, at in plan.stages.stages]
        if plan.stages
        else [],
        "hold_hours": plan.stages.hold_hours if plan.stages else None,
        "tight": plan.stages.tight if plan.stages else True,
        "configuration": block(plan) if plan.stages else None,
    }


def _by_key(lines: Sequence[SpendLine]) -> dict[str, list[SpendLine]]:
    found: dict[str, list[SpendLine]] = {}
    for line in lines:
        found.setdefault(line.key, []).append(line)
    return found


def _caller(key: str, lines: Sequence[SpendLine]) -> dict[str, Any]:
    tasks: Tally[str] = Tally()
    for line in lines:
        tasks[line.task] += line.counts.get("requests", 0)
    return {
        "key": key,
        "team": lines[0].team,
        "requests": sum(tasks.values()),
        "cost_usd": exact(sum(line.cost_nano for line in lines)),
        "tasks": dict(tasks),
    }
