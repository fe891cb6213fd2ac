"""The body one candidate is sent: the caller's, with every edit it needs; or the Responses body of a bridged call. Pure."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from proxy.models.bridge.answer import Asked
from proxy.models.bridge.request import to_responses
from proxy.nouns import Candidate
from proxy.parse import Request, ask_usage, splice
from proxy.reshape import Shape
from proxy.trace import Trace
from proxy.upstreams.attempt import Question

_RESPONSES: Final = b"/responses"
_NO_EDIT: Final[Mapping[str, bytes]] = {}
KeyRecall = Callable[[str, str, str], Sequence[Mapping[str, Any]]]
"""The sealed reasoning of a key's call to a model, by the call's id."""


def question_for(
    trace: Trace, candidate: Candidate, edits: Mapping[str, bytes], *, ask_for_usage: bool, recall: KeyRecall
) -> Question:
    """What to send to `candidate`. `edits` are money's, on top of the candidate's own; `recall` gives back reasoning that
    was sealed before a tool call."""
    request = trace.request
    assert request is not None
    choices = _choices(request) if candidate.stop else 1
    if candidate.bridged:
        shape = Shape(
            request.endpoint,
            strip_usage=not request.asks_usage,
            stop=candidate.stop,
            choices=choices,
            bridged=Asked.of(request.fields),
        )
        edits = {**candidate.edits, **edits}
        own = partial(recall, trace.caller.key_id, candidate.model)
        body = to_responses(request.fields, edits, reasons=candidate.reasons, recall=own)
        _, mark, query = trace.call.target.partition(b"?")
        return Question(trace.call, _RESPONSES + mark + query, body, shape)
    usage_edit = ask_usage(request) if ask_for_usage and request.stream else _NO_EDIT
    call, body = trace.call, splice(request.fields, candidate.edits, edits, usage_edit)
    shape = Shape(request.endpoint, bool(usage_edit), candidate.stop, choices)
    return Question(call, call.target, body, shape)


def _choices(request: Request) -> int:
    n = request.fields.get("n")
    return n if isinstance(n, int) and n > 0 else 1
