"""`switchyard models --learned` and `--forget`: what providers turned out to refuse, as all workers know it."""

import argparse
from typing import Any

from proxy.commands.amounts import when
from proxy.commands.joining import Place, joined
from proxy.commands.output import as_json, remark, say, table
from proxy.models.learned import Lesson, packed, unpacked
from proxy.store.lessons import drop_lessons, read_lessons


async def _learned(given: argparse.Namespace, place: Place) -> None:
    lessons = await _known(given, place)
    if given.json:
        say(as_json([_as_json(each) for each in lessons]))
    elif lessons:
        heads = ("provider", "model", "endpoint", "effort", "tools", "parameter", "mended by", "until")
        say(table(heads, [_row(each) for each in lessons]))
    else:
        say("Nothing has been learned.")


async def _forget(given: argparse.Namespace, place: Place) -> None:
    lessons = await _known(given, place)
    if lessons:
        await drop_lessons(place.pipe, [packed(each)[0] for each in lessons])
        for each in lessons:
            await place.operator.note(
                "models forget", f"{each.place.provider}/{each.place.model}", each.mend.parameter
            )
    remark(f"{len(lessons)} forgotten; every worker asks anew within two seconds")


learned, forget = joined(_learned), joined(_forget)


async def _known(given: argparse.Namespace, place: Place) -> list[Lesson]:
    """What is remembered and asked for, in an order that does not change."""
    rows = {place.configuration.catalogue.resolve(name) for name in given.names}
    wanted = {row.name for row in rows if row is not None}
    known = [
        lesson
        for lesson in unpacked((await read_lessons(place.pipe)).values())
        if lesson.expires > place.now
        and (not given.names or lesson.place.model in wanted)
        and given.parameter in ("", lesson.mend.parameter)
    ]
    return sorted(known, key=packed)


def _row(lesson: Lesson) -> tuple[str, ...]:
    at = lesson.place
    tools = "yes" if at.tools else "no"
    mended = lesson.mend.rename or "dropping it"
    return (
        at.provider,
        at.model,
        at.endpoint,
        at.effort,
        tools,
        lesson.mend.parameter,
        mended,
        when(lesson.expires),
    )


def _as_json(lesson: Lesson) -> dict[str, Any]:
    at = lesson.place
    return {
        "provider": at.provider,
        "model": at.model,
        "endpoint": at.endpoint,
        "effort": at.effort,
        "tools": at.tools,
        "parameter": lesson.mend.parameter,
        "renamed_to": lesson.mend.rename or None,
        "expires": when(lesson.expires),
    }
