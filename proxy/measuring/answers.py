"""What an answer shows of its model: of an arm and of a copy by the same rules, or they could not be compared."""

import asyncio
from typing import Final

from msgspec.structs import replace

from proxy.errors import ApiError
from proxy.migration.observation import Observation
from proxy.migration.said import Reader
from proxy.migration.validity import fault_of, wanted_by
from proxy.parse import Request
from proxy.trace import Trace

_EVENTS_AT_ONCE: Final = 200


def answered(found: Observation, trace: Trace) -> Observation:
    """The observation with what its answer shows without being looked at. One that ends in an error has failed."""
    finish = trace.seen.finish if trace.seen is not None else ""
    return replace(
        found,
        failure=trace.error or ("error_in_answer" if finish == "error" else ""),
        usage=trace.usage,
        cost_nano=trace.cost_nano if trace.usage.source != "none" else None,
        finish=finish,
    )


async def judged(found: Observation, request: Request, copy: bytes) -> Observation:
    """The observation with what its answer is worth; lets others have the loop in between."""
    reader = Reader()
    for number, _ in enumerate(reader.read(copy), 1):
        if number % _EVENTS_AT_ONCE == 0:
            await asyncio.sleep(0)
    try:
        wanted = wanted_by(request.fields)
    except ApiError:  # what nobody can read asks for nothing that could be missed
        return found
    if reader.unreadable:
        return found
    filtered = found.finish == "content_filter"
    refusal = filtered or any(said.refusal for said in reader.answers)
    invalid = "" if filtered else fault_of(wanted, reader.answers)
    return replace(found, judged=True, refusal=refusal, invalid=invalid)
