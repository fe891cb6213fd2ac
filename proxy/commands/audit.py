"""`switchyard audit`: which keys call what stops on a day, and what its successor would have cost for the same work."""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from proxy.budgets.bill import bill
from proxy.commands.amounts import counted, day, dollars, exact, moment, when
from proxy.commands.joining import Place, joined
from proxy.commands.models import Outlook, outlook, successor
from proxy.commands.output import as_json, remark, say, table
from proxy.models.lifecycle import DAY_S
from proxy.nouns import Usage
from proxy.settings import Settings
from proxy.store.rollups import SpendLine, spend

_DAYS: Final = 30


def add_parser(commands: Any, configured: argparse.ArgumentParser) -> None:
    """`audit`."""
    audit = commands.add_parser(
        "audit",
        parents=[configured],
        help="who calls what ends, and what its successor costs",
        description=f"Who called which model in the last {_DAYS} days, what of it no longer answers on a day, and what the same "
        "tokens would have cost at its successor (token for token; models write answers of different length).",
    )
    audit.add_argument("--on", type=moment, metavar="DATE", help="the day to judge by (default: today)")
    audit.add_argument(
        "--since", type=moment, metavar="WHEN", help=f"look at calls from here on (default {_DAYS}d)"
    )
    audit.add_argument("--json", action="store_true", help="the same as JSON, for programs")
    audit.set_defaults(run=joined(_audit))


async def _audit(given: argparse.Namespace, place: Place) -> None:
    on = place.now if given.on is None else given.on
    since = place.now - _DAYS * DAY_S if given.since is None else given.since
    lines = await spend(place.pipe, since, place.now, ("key", "team", "model"))
    judged = [(line, _outlook(place, line.model, on)) for line in lines]
    written = [
        (where, each)
        for where, name in _mentions(place.settings)
        if (each := _outlook(place, name, on)) is not None and _stopped(each, on)
    ]
    if given.json:
        calls = [_as_json(line, each, on) for line, each in judged]
        config = [
            {"where": where, "model": e.row.name, "stops": day(e.row.shutdown), "successor": successor(e)}
            for where, e in written
        ]
        say(as_json({"on": day(on), "since": when(since), "calls": calls, "configuration": config}))
        return
    heads = (
        "key",
        "team",
        "model",
        ">requests",
        ">cost",
        f"on {day(on)}",
        "stops",
        "successor",
        ">its cost",
        ">change",
    )
    say(
        table(heads, [_row(line, each, on) for line, each in judged])
        if judged
        else "Nobody has called anything."
    )
    if written:
        say("")
        say(
            table(
                ("configuration", "model", "stops", "successor"),
                [(where, e.row.name, day(e.row.shutdown), successor(e)) for where, e in written],
            )
        )
    stopped = [line for line, each in judged if each is not None and _stopped(each, on)]
    keys = len({line.key for line in stopped})
    who = f"{counted(keys, 'key')} {'calls' if keys == 1 else 'call'}"
    remark(
        f"since {when(since)}: {who} what has ended by {day(on)}, for {dollars(sum(line.cost_nano for line in stopped))}"
    )


def _outlook(place: Place, name: str, on: float) -> Outlook | None:
    return outlook(place.configuration, name, on)


def _stopped(each: Outlook, on: float) -> bool:
    return each.row.shutdown is not None and each.row.shutdown <= on


def _row(line: SpendLine, each: Outlook | None, on: float) -> tuple[str, ...]:
    cost = _elsewhere(line, each)
    return (
        line.key or "-",
        line.team or "-",
        line.model or "(none)",
        f"{line.counts.get('requests', 0):,}",
        dollars(line.cost_nano),
        "unknown" if each is None else "ended" if _stopped(each, on) else "answers",
        (day(each.row.shutdown) if each is not None else "") or "-",
        successor(each) if each is not None and each.row.shutdown is not None else "-",
        "-" if cost is None else dollars(cost),
        "-"
        if cost is None or not line.cost_nano
        else f"{100 * (cost - line.cost_nano) / line.cost_nano:+.0f}%",
    )


def _as_json(line: SpendLine, each: Outlook | None, on: float) -> dict[str, Any]:
    cost = _elsewhere(line, each)
    return {
        "key": line.key,
        "team": line.team or None,
        "model": line.model,
        "requests": line.counts.get("requests", 0),
        "cost_usd": exact(line.cost_nano),
        "ended": each is not None and _stopped(each, on),
        "shutdown": (day(each.row.shutdown) or None) if each is not None else None,
        "successor": successor(each) if each is not None and each.chain.first is not None else None,
        "successor_cost_usd": None if cost is None else exact(cost),
    }


def _elsewhere(line: SpendLine, each: Outlook | None) -> int | None:
    """What these tokens would have cost at the successor of a model with a known end; None where that is not known."""
    price = each.heir_price if each is not None and each.row.shutdown is not None else None
    if price is None:
        return None
    usage = Usage(
        input_tokens=line.counts.get("input", 0),
        output_tokens=line.counts.get("output", 0),
        cached_tokens=line.counts.get("cached", 0),
        cache_write_tokens=line.counts.get("cache_write", 0),
    )
    # These are the tokens of many requests: no single one of them was that long.
    return bill(usage, replace(price, long=None, long_threshold_tokens=0), "")


def _mentions(settings: Settings) -> Iterator[tuple[str, str]]:
    """(where, model) of every model that the configuration sends requests to."""
    for name, route in settings.routes.items():
        yield from ((f"routes.{name}.default", target.model) for target in route.default)
        for task, lists in route.tasks.items():
            for part in (lists.default, lists.easy, lists.medium, lists.hard):
                yield from ((f"routes.{name}.tasks.{task}", target.model) for target in part)
    for alias, target_name in settings.aliases.items():
        if target_name not in settings.routes:
            yield f"aliases.{alias}", target_name
