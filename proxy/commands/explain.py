"""`switchyard explain`: what the proxy would do with a request, and why. Calls nobody, needs no running proxy."""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from proxy.commands.joining import configured as read
from proxy.commands.output import as_json, remark, say
from proxy.errors import ApiError
from proxy.explain import Explainer, Question, question_of
from proxy.planning.explanation import Count, Explanation, Option
from proxy.settings import Settings
from proxy.store.ports import Standing

_WIDTH: Final = 11
_NANO: Final = 1_000_000_000


def add_parser(commands: Any, configured: argparse.ArgumentParser) -> None:
    """`explain`."""
    explain = commands.add_parser(
        "explain",
        parents=[configured],
        help="who would serve a request, and why",
        description="Task with evidence, every candidate with why, what would be changed, cost and budgets. Calls nobody.",
    )
    explain.add_argument(
        "request",
        metavar="PROMPT",
        help="a question for the first route; or - for a request as JSON on standard input, "
        'bare or as {"body": …, "headers": …, "endpoint": …, "key": …}',
    )
    explain.add_argument("--json", action="store_true", help="the same as JSON, for programs")
    explain.set_defaults(run=_explain)


def _explain(given: argparse.Namespace, _: Sequence[str]) -> int:
    configuration = read(given)
    try:
        question = (
            question_of(sys.stdin.buffer.read())
            if given.request == "-"
            else _asked(given.request, configuration.settings)
        )
        explainer = Explainer(lambda: configuration, _nobody)
        explanation = asyncio.run(explainer.explain(question, time.time()))
    except ApiError as refusal:
        remark(f"switchyard: {refusal.message}")
        return 1
    say(as_json(explanation.as_dict()) if given.json else "\n".join(_lines(explanation)))
    return 0


def _asked(prompt: str, settings: Settings) -> Question:
    route = next(iter(settings.routes), "auto")
    # A terminal may hand over bytes that are no text.
    text = prompt.encode("utf-8", "replace").decode()
    return Question(msgspec.json.encode({"model": route, "messages": [{"role": "user", "content": text}]}))


async def _nobody(_: Sequence[object]) -> list[Standing]:
    """Commands look into no store for this."""
    return []


def _lines(found: Explanation) -> Iterator[str]:
    yield _line("asked", found.asked + (f", which is the route {found.route}" if found.route else ""))
    if found.task is not None:
        task = found.task
        sure = ", unsure" if task.unsure else ""
        figures = (
            f"confidence {task.confidence:.2f}{sure}, P(reasoning) {task.p_reasoning:.2f}, {task.difficulty}"
        )
        yield _line("task", f"{task.name} ({figures})")
        yield from [_line("", text) for text in task.evidence]
    if found.decision:
        yield _line("decision", found.decision)
    if found.refusal is not None:
        yield _line("refused", f"{found.refusal.status} {found.refusal.code or ''} {found.refusal.message}")
    for option in found.candidates:
        yield from _option(option)
    for heir in found.successors:
        effort = f"@{heir.effort}" if heir.effort else ""
        ratio = f", {heir.price_ratio:.2f} times its price" if heir.price_ratio is not None else ""
        skipped = f", skipped: {heir.skipped}" if heir.skipped else ""
        yield _line("successor", f"{heir.ended} has ended -> {heir.model}{effort}{ratio}{skipped}")
    yield from [_line("counts in", _count(each)) for each in found.counts]
    yield from [_line("note", note) for note in found.notes]


def _option(option: Option) -> Iterator[str]:
    named = "" if option.target == option.model else f" (from {option.target})"
    if not option.place:
        yield _line("dropped", f"{option.target}: {option.why}")
        return
    how = [f"effort {option.effort}"] if option.effort not in {"", "none"} else []
    how += [f"about {option.expected_usd} USD"] if option.expected_usd is not None else ["no token price"]
    how += [f"would hold {option.hold_usd} USD"] if option.hold_usd is not None else []
    how += [f"first token in {option.first_token_s:g} s"] if option.first_token_s else []
    yield _line(
        f"{option.place}.", f"{option.model} at {option.provider}{named}, {option.reason}; {', '.join(how)}"
    )
    if option.why:
        yield _line("", option.why)
    if option.changes:
        yield _line("", f"changes: {', '.join(option.changes)}")


def _count(count: Count) -> str:
    money = count.kind in {"money", "user"}
    limit = f"{count.limit / _NANO:g} USD" if money else f"{count.limit} {count.kind}"
    if count.left is None:
        return f"{count.name}: {limit} per {count.per}"
    left = f"{count.left / _NANO:g} USD" if money else str(count.left)
    return f"{count.name}: {limit} per {count.per}, {left} left"


def _line(name: str, text: str) -> str:
    return f"{name:<{_WIDTH}}{text}"
