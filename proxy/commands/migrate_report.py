"""`switchyard migrate report`: one migration as a page for whoever was not there: what changed, for whom, with what result."""

import argparse
from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from proxy.commands.amounts import counted, when
from proxy.commands.joining import Place, joined
from proxy.commands.output import say
from proxy.commands.page import Block, Grid, Heading, Items, Words, as_html, as_markdown
from proxy.migration.comparison import Column, Seen, columns, cost_against
from proxy.migration.guards import GuardVerdict, Judgement, Measure
from proxy.migration.observation import Baseline
from proxy.migration.state import State, Status, percent
from proxy.models.probe import probes
from proxy.nouns import LedgerRow
from proxy.settings import Migration
from proxy.steering.helm import Helm
from proxy.steering.judging import last_measured, standing
from proxy.store.observations import read_baseline, seen, shares
from proxy.store.operator import AuditLine
from proxy.store.rollups import ROWS_KEPT, latest_rows

_AUDIT: Final = 1_000
_MOST_KEYS: Final = 50
_SIDES: Final = {"old": "old", "new": "new", "shadow": "new, in the shadow"}
_GUARDS: Final = {
    Measure.FAILED: "failed or bad answers",
    Measure.SLOW: "slow first tokens",
    Measure.COST: "cost of a call",
}


def add_parser(verbs: Any, configured: argparse.ArgumentParser) -> None:
    """`report`."""
    report = verbs.add_parser(
        "report",
        parents=[configured],
        help="one migration as a page: what changed, for whom, both models compared, guards, audit",
        description="Markdown on standard output, or a page of HTML that needs nothing else.",
    )
    report.add_argument("name", metavar="NAME", help="as in the configuration")
    report.add_argument("--html", action="store_true", help="HTML instead of Markdown")
    report.set_defaults(run=joined(_report))


async def _report(given: argparse.Namespace, place: Place) -> None:
    helm = Helm(place.pipe, place.settings)
    migration, state = helm.settings_of(given.name), await helm.state(given.name)
    versions = await shares(place.pipe, migration.name)
    rows = [entry.row for entry in await latest_rows(place.pipe, ROWS_KEPT)]
    audit = [line for line in await place.operator.audit(_AUDIT) if _is_about(line, migration.name)]
    # A share that began before the migration did is the baseline: only the old model was asked.
    running = [version for version in versions if version > 0] or versions
    last = last_measured(state, versions)
    found = await seen(place.pipe, migration.name, running)
    blocks: list[Block] = [
        *_head(migration, state),
        *_changed(place, migration, [row for row in rows if row.migration == migration.name]),
        *_compared(found),
        *_costs(found, await read_baseline(place.pipe, migration.name, last.share_version)),
        *_guards(await standing(place.pipe, migration, last, place.now)),
        *_transitions(audit),
        *_decision(state, audit),
    ]
    title = f"Migration {migration.name}"
    say(as_html(title, blocks) if given.html else as_markdown(blocks))


def _is_about(line: AuditLine, name: str) -> bool:
    return line.target == name and line.what.startswith("migrate ")


def _head(migration: Migration, state: State) -> Iterable[Block]:
    yield Heading(f"Migration {migration.name}", 1)
    since = f" since {when(state.since)}" if state.since else ""
    yield Words(
        f"From {migration.source} to {migration.target}: {state.status.value.replace('_', ' ')}, {percent(state)} % of "
        f"{_who(migration.sticky)} on the new model{since}. Stages: {', '.join(map(str, state.stages))} %."
    )


def _who(sticky: str) -> str:
    return {"user": "users", "conversation": "conversations", "key": "keys"}[sticky]


def _changed(place: Place, migration: Migration, rows: Sequence[LedgerRow]) -> Iterable[Block]:
    yield Heading("What changed")
    catalogue = place.configuration.catalogue
    source, target = catalogue.resolve(migration.source), catalogue.resolve(migration.target.model)
    made: Tally[str] = Tally(change for row in rows if row.arm == "new" for change in row.changes)
    if made:
        yield Words(
            f"Changes made to calls on the new model, among the latest {counted(len(rows), 'call')} of this migration:"
        )
        yield Grid(
            ("change", ">calls"), tuple([(change, f"{count:,}") for change, count in made.most_common()])
        )
    if source is not None and target is not None:
        found = list(probes(source, target, migration.target.effort or ""))
        yield Words("By what a call sends:")
        yield Grid(
            ("who sends", "sees"),
            tuple([(each.what, each.told) for each in found]),
        )
    yield Heading("For whom")
    keys: Tally[tuple[str, str, str]] = Tally((row.key_name or "(no key)", row.team, row.arm) for row in rows)
    named = list(dict.fromkeys([(key, team) for (key, team, _), _ in keys.most_common()]))[:_MOST_KEYS]
    if not named:
        yield Words("No call of this migration is among the latest rows of the ledger.")
        return
    yield Words(f"The latest {counted(len(rows), 'call')} of this migration:")
    yield Grid(
        ("key", "team", ">on the old model", ">on the new model"),
        tuple(
            [
                (key, team or "-", f"{keys[key, team, 'old']:,}", f"{keys[key, team, 'new']:,}")
                for key, team in named
            ]
        ),
    )
    if apart := [
        *[f"{key} (pinned to the {_pin(side)} model)" for key, side in migration.pins.items()],
        *migration.exclude,
    ]:
        yield Words(f"Not assigned by share: {', '.join(apart)}.")


def _pin(side: str) -> str:
    return "new" if side == "to" else "old"


def _compared(found: Seen) -> Iterable[Block]:
    yield Heading("Comparison")
    if not found:
        yield Words("Nothing was measured yet.")
        return
    for task in ("", *found.tasks):
        yield Heading(f"Task {task}" if task else "All tasks", 3)
        yield compared(columns(found, task))


def compared(sides: Sequence[Column]) -> Grid:
    """Both models side by side, a figure a line. One call of an application is several attempts where it was tried again."""
    lines: list[tuple[str, list[str]]] = [
        ("attempts", [f"{side.calls:,}" for side in sides]),
        ("failed, bad answers included", [_share(side.failed) for side in sides]),
        ("errors", [_kinds(side.errors) for side in sides]),
        ("answers looked at", [f"{side.judged:,}" for side in sides]),
        ("empty or invalid answers", [_kinds(side.invalid) for side in sides]),
        ("refusals", [_share(side.refused) for side in sides]),
        ("finish reasons", [_kinds(side.finishes) for side in sides]),
        ("first token of streams, p50 / p95", [_pair(side.first_p50_s, side.first_p95_s) for side in sides]),
        ("whole answers, p50 / p95", [_pair(side.whole_p50_s, side.whole_p95_s) for side in sides]),
        ("total time, p50 / p95", [_pair(side.total_p50_s, side.total_p95_s) for side in sides]),
        ("output tokens a call", [_number(side.output_tokens) for side in sides]),
        ("of them thoughts", [_number(side.reasoning_tokens) for side in sides]),
        ("cost of a call", [f"${side.usd:.6f}" if side.usd is not None else "-" for side in sides]),
        ("callers that left", [f"{side.left:,}" for side in sides]),
    ]
    heads = ("", *[f">{_SIDES[side.side]}" for side in sides])
    return Grid(heads, tuple([(name, *values) for name, values in lines]))


def _costs(found: Seen, baseline: Baseline | None) -> Iterable[Block]:
    yield Heading("Cost against plan")
    if baseline is None:
        yield Words("There is no plan yet: it is made when the old model has been seen often enough.")
        return
    measured = cost_against(found, baseline.ratio)
    words = f"Planned: a call on the new model costs {baseline.ratio:.2f} times one on the old, by the token mix at the start."
    if measured is not None:
        words += f" Measured: {measured * baseline.ratio:.2f} times, that is {measured:.2f} times the plan."
    yield Words(words)


def _guards(judgement: Judgement) -> Iterable[Block]:
    yield Heading("Guards")
    yield Words(f"Of the share measured last: {judgement.why}.")
    judged = [each for each in judgement.verdicts if each.calls[0] or each.calls[1]]
    if judged:
        yield Grid(
            (
                "guard",
                "task",
                ">old",
                ">new",
                ">past its bound",
                ">surely above",
                ">attempts",
                ">units",
                ">units it needs",
                "says",
            ),
            tuple([_guard(each) for each in judged]),
        )


def _guard(guard: GuardVerdict) -> tuple[str, ...]:
    cost = guard.measure is Measure.COST
    says = (
        "breached"
        if guard.breached
        else "near"
        if guard.near
        else "within"
        if guard.judged
        else "too few to tell"
    )
    return (
        _GUARDS[guard.measure],
        guard.task or "all",
        f"${guard.old / 1e9:.6f}" if cost else f"{guard.old:.2%}",
        f"${guard.new / 1e9:.6f}" if cost else f"{guard.new:.2%}",
        f"{guard.excess:+.2%}" if guard.judged else "-",
        f"{guard.low:+.2%}" if guard.judged else "-",
        f"{guard.calls[0]:,} / {guard.calls[1]:,}",
        f"{guard.units[0]:,} / {guard.units[1]:,}",
        f"{guard.needed_units:,}" if guard.needed_units else "-",
        says,
    )


def _transitions(audit: Sequence[AuditLine]) -> Iterable[Block]:
    yield Heading("Every change")
    if not audit:
        yield Words("Nothing happened yet.")
        return
    yield Grid(
        ("when", "who", "what", "detail"),
        tuple(
            [
                (when(line.at), line.who, line.what.removeprefix("migrate "), line.detail)
                for line in reversed(audit)
            ]
        ),
    )


def _decision(state: State, audit: Sequence[AuditLine]) -> Iterable[Block]:
    yield Heading("Decision")
    last = audit[0] if audit else None
    by = f", by {last.who} on {when(last.at)}" if last is not None else ""
    words = {
        Status.WAITING: "None yet: it has not been started.",
        Status.RUNNING: f"Still under way at {percent(state)} %.",
        Status.PAUSED: f"Held at {percent(state)} %{by}.",
        Status.ROLLED_BACK: f"Rolled back{by}: everybody is on {state.source}.",
        Status.FINISHED: f"Finished{by}: everybody is on {state.target}.",
    }
    yield Items((words[state.status], *([f"Why: {state.why}"] if state.why else [])))


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _pair(half: float | None, most: float | None) -> str:
    return "-" if half is None or most is None else f"{half:.2f} / {most:.2f} s"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


def _kinds(counts: Mapping[str, int]) -> str:
    return ", ".join([f"{name} {count:,}" for name, count in counts.items()]) or "-"
