"""`switchyard migrate`: move callers from one model to the next, a stage at a time, and see where they stand."""

import argparse
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from proxy.commands import migrate_plan, migrate_report
from proxy.commands.amounts import when
from proxy.commands.joining import Place, Refused, joined, who_types
from proxy.commands.output import as_json, say, table
from proxy.migration import state
from proxy.migration.state import Event, State, Status, percent
from proxy.steering.helm import Helm

_HELP: Final[Mapping[Event, str]] = {
    Event.START: "enter the first stage at once",
    Event.PROMOTE: "enter the next stage; out of the last one it is finished",
    Event.PAUSE: "keep the share as it is; guards go on watching",
    Event.RESUME: "let time, samples and guards go on with it",
    Event.ROLLBACK: "take everybody back to the old model",
}


def add_parser(commands: Any, configured: argparse.ArgumentParser) -> None:
    """`migrate` and its verbs."""
    migrate = commands.add_parser(
        "migrate",
        help="move from one model to the next, a few percent at a time",
        description="Migrations are written in the configuration (`migrations:`) and steered here. Every change is in force "
        "on every worker within a second and leaves an audit line with who and why (`switchyard budgets audit`).",
    )
    verbs = migrate.add_subparsers(dest="verb", required=True, metavar="VERB")
    status = verbs.add_parser("status", parents=[configured], help="where every migration stands, or one")
    status.add_argument("name", metavar="NAME", nargs="?")
    status.add_argument("--json", action="store_true", help="the same as JSON, for programs")
    status.set_defaults(run=joined(_status))
    migrate_plan.add_parser(verbs, configured)
    migrate_report.add_parser(verbs, configured)
    for event, words in _HELP.items():
        verb = verbs.add_parser(event.value, parents=[configured], help=words)
        verb.add_argument("name", metavar="NAME", help="as in the configuration")
        verb.add_argument("--why", default="", metavar="TEXT", help="kept in the audit line")
        verb.set_defaults(run=joined(_steered(event)))


def _steered(event: Event) -> Callable[[argparse.Namespace, Place], Awaitable[None]]:
    async def work(given: argparse.Namespace, place: Place) -> None:
        helm = Helm(place.pipe, place.settings)
        try:
            after = await helm.steer(given.name, event, who=who_types(), why=given.why, now=place.now)
        except state.Refused as why:
            raise Refused(str(why)) from None
        say(f"{after.name} is {_words(after)}; every worker goes by it within a second.")

    return work


async def _status(given: argparse.Namespace, place: Place) -> None:
    helm = Helm(place.pipe, place.settings)
    if given.name is not None:
        await helm.state(given.name)  # says which there are when it is none of them
    found = [each for each in await helm.standing() if given.name in (None, each["name"])]
    if given.json:
        say(as_json(found))
        return
    if not found:
        say("There are no migrations; write one under `migrations:` in the configuration.")
        return
    heads = ("name", "from", "to", "status", ">share", "next", "since", "who", "why")
    say(table(heads, [_row(each) for each in found]))


def _row(each: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        each["name"],
        each["from"],
        each["to"],
        each["status"].replace("_", " "),
        f"{each['percent']} %",
        following(each),
        when(each["since"]) if each["since"] else "-",
        each["who"] or "-",
        each["why"] or "-",
    )


def following(each: Mapping[str, Any]) -> str:
    """What the next promotion does, and what it waits for."""
    if each["status"] not in (Status.RUNNING, Status.PAUSED):
        return "-"
    step = "finish" if each["next"] is None else f"{each['next']} %"
    if each["status"] == Status.PAUSED:
        return f"{step}, after resume"
    return f"{step}, {'not before ' + when(each['held_until']) if each['auto'] else 'by hand'}"


def _words(after: State) -> str:
    return f"{after.status.value.replace('_', ' ')}, {percent(after)} % on {after.target}"
