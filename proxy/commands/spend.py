"""`switchyard spend`: what was used, from the hourly rollups and the rows that are not in them yet."""

import argparse
from collections.abc import Sequence
from typing import Any, Final

from proxy.budgets.windows import window
from proxy.commands.amounts import dollars, exact, moment, when
from proxy.commands.joining import Place, Refused, joined
from proxy.commands.output import as_csv, as_json, remark, say, table
from proxy.store.rollups import SpendLine, spend

DIMENSIONS: Final = ("key", "team", "user", "model", "task", "route")
_WINDOWS: Final = ("hour", "day", "week", "month")
_COUNTS: Final = ("requests", "input", "output", "cached", "reasoning", "estimated", "errors")
_USER_COUNTS: Final = ("requests",)


def add_parser(commands: Any, configured: argparse.ArgumentParser) -> None:
    """`spend`."""
    spent = commands.add_parser(
        "spend",
        parents=[configured],
        help="what was used, by key, team, user, model, task or route",
        description="Whole hours (by user: whole days), UTC, at most 400 days back. The present month unless told otherwise. Cost is "
        "what the ledger was billed; estimated counts requests whose provider never said what they used.",
    )
    spent.add_argument(
        "--by",
        type=_dimensions,
        default=("key",),
        metavar="A,B",
        help=f"some of {', '.join(DIMENSIONS)} (default key)",
    )
    spent.add_argument("--window", choices=_WINDOWS, help="the present hour, day, week or month")
    spent.add_argument(
        "--since", type=moment, metavar="WHEN", help="a day, a time with its zone, or how long ago (6h, 30d)"
    )
    spent.add_argument("--until", type=moment, metavar="WHEN", help="the same; default now")
    shape = spent.add_mutually_exclusive_group()
    shape.add_argument("--csv", action="store_true", help="the same as comma-separated lines")
    shape.add_argument("--json", action="store_true", help="the same as JSON, for programs")
    spent.set_defaults(run=joined(_spend))


async def _spend(given: argparse.Namespace, place: Place) -> None:
    if given.window and (given.since or given.until):
        raise Refused("give either --window or --since and --until")
    present = window(given.window or "month", "UTC", place.now)
    since, until = given.since if given.since is not None else present.start, given.until or place.now
    if until <= since:
        raise Refused(
            f"{when(until)} is not after {when(since)}: there is nothing between --since and --until"
        )
    by: tuple[str, ...] = ("key", "user") if "user" in given.by else given.by
    if "user" in given.by and set(given.by) - {"key", "user"}:
        raise Refused("users are counted by key only: --by user or --by key,user")
    lines = await spend(place.pipe, since, until, given.by)
    counts = _USER_COUNTS if "user" in by else _COUNTS
    if given.json:
        found = [_as_json(line, by, counts) for line in lines]
        say(as_json({"since": when(since), "until": when(until), "total_usd": _total(lines), "lines": found}))
    elif given.csv:
        heads = (*by, *counts, "cost_usd")
        say(as_csv(heads, [list(_as_json(line, by, counts).values()) for line in lines]))
    else:
        _show(lines, by, counts)
        remark(f"from {when(since)} to {when(until)}")


def _show(lines: Sequence[SpendLine], by: tuple[str, ...], counts: tuple[str, ...]) -> None:
    heads = (*by, *[f">{name}" for name in counts], ">cost")
    rows = [
        (
            *[getattr(line, name) or "-" for name in by],
            *[f"{line.counts.get(name, 0):,}" for name in counts],
            dollars(line.cost_nano),
        )
        for line in lines
    ]
    sums = [f"{sum(line.counts.get(name, 0) for line in lines):,}" for name in counts]
    total = ("total", *[""] * (len(by) - 1), *sums, dollars(sum(line.cost_nano for line in lines)))
    say(table(heads, [*rows, total]) if lines else "Nothing was used.")


def _as_json(line: SpendLine, by: tuple[str, ...], counts: tuple[str, ...]) -> dict[str, Any]:
    names = {name: getattr(line, name) for name in by}
    return {**names, **{name: line.counts.get(name, 0) for name in counts}, "cost_usd": exact(line.cost_nano)}


def _total(lines: Sequence[SpendLine]) -> str:
    return exact(sum(line.cost_nano for line in lines))


def _dimensions(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in DIMENSIONS:
            raise argparse.ArgumentTypeError(f"{name!r}: expected some of {', '.join(DIMENSIONS)}")
    return tuple(dict.fromkeys(names))
