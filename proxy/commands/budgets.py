"""`switchyard budgets`: how they stand, and the verbs that change them. Each change leaves an audit line."""

import argparse
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from proxy.commands.amounts import counted, dollars, exact, usd, when
from proxy.commands.joining import Place, Refused, joined
from proxy.commands.output import as_json, remark, say, table
from proxy.store.embedded import DIRECTORY
from proxy.store.label import read_label
from proxy.store.operator import Unknown
from proxy.store.snapshot import read_snapshot
from proxy.store.states import BudgetState, budget_states


def add_parser(commands: Any, configured: argparse.ArgumentParser) -> None:
    """`budgets` and its verbs."""
    budgets = commands.add_parser(
        "budgets",
        parents=[configured],
        help="what is spent, held and left; change a budget while the proxy runs",
        description="Without a verb: every budget in its present window. Held is set aside for requests under way; unsettled "
        "is the part of spent that was charged in full because nobody reported back (`budgets settle` trues it up).",
    )
    budgets.add_argument("--json", action="store_true", help="the same as JSON, for programs")
    budgets.set_defaults(run=joined(_show))
    verbs = budgets.add_subparsers(dest="verb", metavar="VERB")
    # Before or behind the verb: a verb's own default must not undo what was said before it.
    configured = argparse.ArgumentParser(add_help=False)
    configured.add_argument(
        "--config", type=Path, metavar="FILE", default=argparse.SUPPRESS, help="configuration file"
    )
    new = verbs.add_parser("set", parents=[configured], help="replace a budget's limit for good")
    _named(new)
    new.add_argument("usd", type=usd, nargs="?", metavar="USD", help="the new limit in US dollars per window")
    new.add_argument("--configured", action="store_true", help="go back to the limit of the configuration")
    new.set_defaults(run=joined(_set))
    more = verbs.add_parser("raise", parents=[configured], help="add to a limit for the present window only")
    _named(more, of=True)
    more.add_argument("usd", type=usd, metavar="USD", help="US dollars to add")
    more.set_defaults(run=joined(_raise))
    reset = verbs.add_parser(
        "reset",
        parents=[configured],
        help="forgive what was spent in the present window",
        description="The ledger, `spend` and the metrics keep what was spent; only the budget forgets it.",
    )
    _named(reset, of=True)
    reset.set_defaults(run=joined(_reset))
    settle = verbs.add_parser(
        "settle",
        parents=[configured],
        help="list holds charged without a bill, or true one up",
        description="A process that was killed leaves holds behind. They are charged in full, so that no budget is overspent. "
        "With the provider's own figure (`budgets settle ID USD`) the difference is given back.",
    )
    settle.add_argument("hold", nargs="?", metavar="ID")
    settle.add_argument("usd", nargs="?", type=usd, metavar="USD", help="what it really cost")
    settle.add_argument("--json", action="store_true", help="the same as JSON, for programs")
    settle.set_defaults(run=joined(_settle))
    rebuild = verbs.add_parser(
        "rebuild",
        parents=[configured],
        help="count again after Redis lost its data",
        description="Raises the counters to the last snapshot of this working directory. Where a proxy runs with its snapshot, "
        "this happens by itself.",
    )
    rebuild.add_argument(
        "--without-snapshot",
        action="store_true",
        help="take the counters as they are: what was spent before is forgotten",
    )
    rebuild.set_defaults(run=joined(_rebuild))
    audit = verbs.add_parser(
        "audit", parents=[configured], help="who changed which key or budget, newest first"
    )
    audit.add_argument("--count", type=int, default=50, metavar="N", help="lines to show (default 50)")
    audit.add_argument("--json", action="store_true", help="the same as JSON, for programs")
    audit.set_defaults(run=joined(_audit))


def _named(verb: argparse.ArgumentParser, *, of: bool = False) -> None:
    verb.add_argument("name", metavar="NAME", help="a budget as `switchyard budgets` names it")
    if of:
        verb.add_argument(
            "--of", default="", metavar="OBJECT", help="whose, where the table shows several (KEY:USER)"
        )


async def _show(given: argparse.Namespace, place: Place) -> None:
    states = await budget_states(place.pipe, place.book)
    if given.json:
        say(as_json([_as_json(state) for state in states]))
        return
    if not states:
        say(
            "There are no budgets."
            if not place.book.budgets
            else "Nothing has been spent from any budget yet."
        )
        return
    heads = (
        "budget",
        "scope",
        "of",
        "per",
        ">limit",
        ">spent",
        ">held",
        ">unsettled",
        ">left",
        ">used",
        "resets",
    )
    say(table(heads, [_row(state) for state in states]))


def _row(state: BudgetState) -> tuple[str, ...]:
    used = f"{100 * max(0, state.spent_nano) // state.limit_nano}%" if state.limit_nano else "-"
    return (
        state.budget.name,
        state.budget.scope,
        _object(state) or "-",
        state.budget.per,
        dollars(state.limit_nano),
        dollars(state.spent_nano),
        dollars(state.held_nano),
        dollars(state.unsettled_nano),
        dollars(state.left_nano),
        used,
        when(state.window.end),
    )


def _as_json(state: BudgetState) -> dict[str, Any]:
    return {
        "budget": state.budget.name,
        "scope": state.budget.scope,
        "of": _object(state) or None,
        "per": state.budget.per,
        "limit_usd": exact(state.limit_nano),
        "spent_usd": exact(state.spent_nano),
        "held_usd": exact(state.held_nano),
        "unsettled_usd": exact(state.unsettled_nano),
        "left_usd": exact(state.left_nano),
        "resets_at": when(state.window.end),
    }


def _object(state: BudgetState) -> str:
    """Whose counter it is: the team, key or model, or KEY:USER."""
    return state.counter_id.removeprefix(f"b:{state.budget.name}").removeprefix(":")


async def _set(given: argparse.Namespace, place: Place) -> None:
    _known(given.name, place)
    if given.configured == (given.usd is not None):
        raise Refused("give either a limit in US dollars or --configured")
    await place.operator.set_limit(given.name, given.usd)
    limit = "the configured one" if given.usd is None else dollars(given.usd)
    say(f'The limit of budget "{given.name}" is {limit}; every worker follows within two seconds.')


async def _raise(given: argparse.Namespace, place: Place) -> None:
    state = await _one(given, place)
    await place.operator.raise_limit(state, given.usd)
    say(
        f'Budget "{state.budget.name}" has {dollars(given.usd)} more until {when(state.window.end)}: '
        f"{dollars(state.left_nano + given.usd)} left of {dollars(state.limit_nano + given.usd)}."
    )


async def _reset(given: argparse.Namespace, place: Place) -> None:
    state = await _one(given, place)
    await place.operator.reset(state)
    say(
        f'Budget "{state.budget.name}" starts anew: {dollars(state.spent_nano)} forgiven, {dollars(state.limit_nano)} to spend '
        f"until {when(state.window.end)}."
    )


async def _one(given: argparse.Namespace, place: Place) -> BudgetState:
    _known(given.name, place)
    states = [s for s in await budget_states(place.pipe, place.book) if s.budget.name == given.name]
    found = [state for state in states if not given.of or _object(state) == given.of]
    if len(found) == 1:
        return found[0]
    if not found:
        raise Unknown(
            f'budget "{given.name}" counts nothing for "{given.of}" in its present window'
            if given.of
            else f'nobody has spent from budget "{given.name}" in its present window'
        )
    raise Refused(
        f'budget "{given.name}" has {len(found)} counters; name one with --of: {", ".join(map(_object, found[:5]))}'
    )


def _known(name: str, place: Place) -> None:
    names = [each.name for each in place.book.budgets]
    if name not in names:
        raise Unknown(f'no budget is called "{name}"; there are: {", ".join(names) or "none"}')


async def _settle(given: argparse.Namespace, place: Place) -> None:
    if given.hold is not None:
        if given.usd is None:
            raise Refused("say what it really cost: budgets settle ID USD")
        await place.operator.settle(given.hold, given.usd)
        say(f"Hold {given.hold} is settled at {dollars(given.usd)}.")
        return
    holds = await place.operator.unsettled()
    shown = [(hold, read_label(hold.label)) for hold in holds]
    if given.json:
        say(
            as_json(
                [
                    {"id": hold.id, "charged_usd": exact(hold.amount_nano), "at": when(hold.at), **label}
                    for hold, label in shown
                ]
            )
        )
        return
    if not holds:
        say("Everything is settled.")
        return
    heads = ("id", ">charged", "at", "key", "model", "provider", "request")
    say(
        table(
            heads,
            [
                (
                    hold.id,
                    dollars(hold.amount_nano),
                    when(hold.at),
                    *_columns(label, "key_name", "served", "provider", "request_id"),
                )
                for hold, label in shown
            ],
        )
    )
    remark(f"{counted(len(holds), 'hold')}, {dollars(sum(hold.amount_nano for hold in holds))} in all.")


def _columns(label: dict[str, str], *names: str) -> Sequence[str]:
    return [label.get(name, "") or "-" for name in names]


async def _rebuild(given: argparse.Namespace, place: Place) -> None:
    snapshot = None if given.without_snapshot else read_snapshot(DIRECTORY)
    if snapshot is None and not given.without_snapshot:
        raise Refused(
            f"there is no snapshot in {DIRECTORY.absolute()}; run this where a proxy ran, or with --without-snapshot"
        )
    if not await place.operator.rebuild(snapshot, secrets.token_hex(8)):
        raise Refused("somebody else has rebuilt the counters meanwhile")
    what = (
        "as they are"
        if snapshot is None
        else f"from the snapshot of {when(snapshot.at)} ({counted(len(snapshot.counters), 'counter')})"
    )
    say(f"Budgets count again, {what}.")


async def _audit(given: argparse.Namespace, place: Place) -> None:
    lines = await place.operator.audit(given.count)
    if given.json:
        say(
            as_json(
                [
                    {
                        "at": when(each.at),
                        "who": each.who,
                        "what": each.what,
                        "target": _target(each.target)[0],
                        "of": _target(each.target)[1] or None,
                        "detail": each.detail,
                    }
                    for each in lines
                ]
            )
        )
        return
    if not lines:
        say("Nobody has changed anything yet.")
        return
    say(
        table(
            ("at", "who", "what", "target", "detail"),
            [
                (
                    when(e.at),
                    e.who,
                    e.what,
                    " --of ".join(filter(None, _target(e.target))),
                    _detail(e.what, e.detail),
                )
                for e in lines
            ],
        )
    )


def _target(written: str) -> tuple[str, str]:
    """A counter (`b:NAME:OBJECT`) as its budget is named on the command line, and whose it is; anything else as it is."""
    if not written.startswith("b:"):
        return written, ""
    name, _, of = written.removeprefix("b:").partition(":")
    return name, of


def _detail(what: str, detail: str) -> str:
    """Amounts are kept as nano-dollars."""
    return dollars(int(detail)) if what.startswith("budgets") and detail.isdecimal() else detail or "-"
