"""Why a verdict came out as it did, in short phrases a person can check against the request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from proxy.routing.view import TaskView

STRONGEST = 4
_WHERE = {
    "1": "first word",
    "H": "first line",
    "G": "second line",
    "L": "last line",
    "A": "instruction",
    "B": "body",
    "S": "system prompt",
}
_SHAPES = {
    "code-shapes": "looks like code",
    "math-shapes": "looks like a formula",
    "x.option": "lettered options",
    "x.labels": "a list of labels",
    "x.passage": "a marked passage",
    "x.trace": "an error or stack trace",
    "x.sql": "SQL",
    "x.fence": "a code block",
    "passage-then-question": "a passage, then a question",
    "instruction-then-passage": "an instruction, then a passage",
    "overlap:none": "no tool matches the words of the request",
    "schema:enums": "a schema of choices only",
}


def phrases(
    view: TaskView, seen: Iterable[str], pulls: Sequence[tuple[float, str]], *, unsure: bool
) -> tuple[str, ...]:
    """What was seen of the request's structure, then the facts (`pulls`, strongest first) that spoke for the task."""
    out = ["below the confidence floor: unsure"] if unsure else []
    out += _structure(view)
    known = set(seen)
    out += [said for fact, said in _SHAPES.items() if fact in known or f"{fact}>=1" in known]
    out += [_word(fact, pull) for pull, fact in pulls[:STRONGEST] if pull > 0]
    return tuple(dict.fromkeys(out))


def _structure(view: TaskView) -> list[str]:
    out = []
    if view.images:
        out.append(f"{view.images} image{'s' * (view.images > 1)} in the request")
    if view.tool_count:
        loop = " with tool results in messages" if view.results else ""
        out.append(f"{view.tool_count} tool{'s' * (view.tool_count > 1)}{loop}")
    if view.answer_form != "text":
        out.append(f"answer wanted as {view.answer_form}")
    out.append(f"{view.length} characters, {view.user_turns} user turn{'s' * (view.user_turns > 1)}")
    return out


def _word(fact: str, pull: float) -> str:
    bare = fact.removeprefix("I.").removeprefix("T.")
    zone, dot, name = bare.partition(".")
    where = _WHERE.get(zone)
    said = f"{where}: {name} words" if dot and where else bare
    return f"{said} (+{pull:.1f})"
