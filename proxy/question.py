"""The body one candidate is sent: the caller's, with every edit it needs; or the Responses body of a bridged call. Pure."""

from collections.abc import Mapping
from typing import Final

from proxy.models.bridge.answer import Asked
from proxy.models.bridge.items import Recall
from proxy.models.bridge.request import to_responses
from proxy.nouns import Candidate
from proxy.parse import ask_usage, splice
from proxy.reshape import Shape
from proxy.trace import Trace
from proxy.upstreams.attempt import Question

_RESPONSES: Final = b"/responses"


def question_for(
    trace: Trace, candidate: Candidate, edits: Mapping[str, bytes], *, ask_for_usage: bool, recall: Recall
) -> Question:
    """What to send to `candidate`. `edits` are money's, on top of the candidate's own; `recall` gives back reasoning that
    was sealed before a tool call."""
    request = trace.request
    assert request is not None
    n = request.fields.get("n") if candidate.stop else 1
    choices = n if isinstance(n, int) and n > 0 else 1
    if candidate.bridged:
        shape = Shape(
            request.endpoint,
            strip_usage=not request.asks_usage,
            stop=candidate.stop,
            choices=choices,
            bridged=Asked.of(request.fields),
        )
        edits = {**candidate.edits, **edits}
        body = to_responses(request.fields, edits, reasons=candidate.reasons, recall=recall)
        return Question(trace.call, _RESPONSES, body, shape)
    usage_edit = ask_usage(request) if ask_for_usage else {}
    body = splice(request.fields, {**candidate.edits, **edits, **usage_edit})
    shape = Shape(request.endpoint, strip_usage=bool(usage_edit), stop=candidate.stop, choices=choices)
    return Question(trace.call, trace.call.target, body, shape)
