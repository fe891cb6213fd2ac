"""The output cap: both spellings accepted, room left for hidden reasoning, never above what the target may write.

On a reasoning model the cap pays for reasoning too: 50 tokens written for a model that does not reason would come back
empty. So a cap written without reasoning in mind is raised by the allowance of the effort in force.
"""

from typing import Any

from proxy.models.draft import Draft
from proxy.models.reasoning import allowance_tokens

RESPONSES_MINIMUM = 16
"""/v1/responses refuses a smaller `max_output_tokens`."""

_SPELLINGS = {"chat": ("max_completion_tokens", "max_tokens"), "responses": ("max_output_tokens",)}


def apply(draft: Draft) -> None:
    """Rename, raise or lower the cap the caller sent. Without one nothing is added here (budgets may add one)."""
    sent = [name for name in _SPELLINGS[draft.wire] if draft.fields.get(name) is not None]
    if not sent:
        return
    name, value = sent[0], draft.fields[sent[0]]
    for duplicate in sent[1:]:
        draft.drop(duplicate, loss=False)
    if name == "max_tokens" and not draft.family.max_tokens:
        draft.drop(name, "max_tokens->max_completion_tokens", loss=False)
        name = "max_completion_tokens"
        draft.set_quietly(name, value)
    if _is_count(value):
        _bound(draft, name, value)


def _bound(draft: Draft, name: str, value: int) -> None:
    allowance = allowance_tokens(draft)
    raised = min(value + allowance, draft.target.max_output or value + allowance)
    if draft.endpoint == "responses":
        raised = max(raised, RESPONSES_MINIMUM)
    if raised == value:
        return
    why = " (reasoning allowance)" if allowance and raised > value else ""
    draft.set_quietly(name, raised)
    draft.note(f"cap:{value}->{raised}{why}", loss=raised < value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
