"""Which effort a moved request runs with, and over which endpoint. Decided before any other parameter, because
sampling, logprobs and tools depend on it.

Wanted: an effort that decides (a route's, `model@effort`), else the one the caller sent, else the successor's, else the
default of the model the request was written for. A request written for a model that does not reason wants none.
The nearest effort the target has is used; none never becomes reasoning unless the target always reasons, and the
reverse only on a target that cannot reason. Either is listed.
"""

from typing import Any

from proxy.models.draft import Draft, Wire
from proxy.models.families import ALLOWANCE_TOKENS, FAMILIES, nearest_effort
from proxy.models.rows import KNOWN_EFFORTS


def sent_effort(draft: Draft) -> str:
    """The caller's own effort, "" when none was sent (or nothing we know: upstream will say so)."""
    value: Any = draft.fields.get("reasoning_effort")
    if draft.wire == "responses":
        reasoning = draft.fields.get("reasoning")
        value = reasoning.get("effort") if isinstance(reasoning, dict) else None
    return value if isinstance(value, str) and value in KNOWN_EFFORTS else ""


def settle(draft: Draft, effort: str, *, decides: bool) -> None:
    """Decide `draft.wanted`, `draft.effort` and `draft.endpoint`, and edit the effort where it must be said."""
    family, sent = draft.family, sent_effort(draft)
    draft.wanted = _wanted(draft, effort, sent, decides)
    draft.endpoint = _endpoint(draft)
    efforts = family.efforts if draft.endpoint == "chat" else family.responses_efforts
    draft.effort = (
        (nearest_effort(draft.wanted, efforts, KNOWN_EFFORTS) or "none") if family.reasons else "none"
    )
    _say(draft, sent)
    if draft.endpoint != draft.wire:
        draft.note("endpoint:responses")
        if "responses" not in draft.target.endpoints:
            draft.exclude("tools with reasoning need /v1/responses")


def allowance_tokens(draft: Draft) -> int:
    """Tokens to add to a cap that was written without hidden reasoning in mind."""
    written_without = draft.source is None or not _reasoned_before(draft) or _says_max_tokens(draft)
    return ALLOWANCE_TOKENS[draft.effort] if written_without else 0


def _says_max_tokens(draft: Draft) -> bool:
    """Whether the cap has the spelling that reasoning models never took: who writes it counts what can be read."""
    source = draft.source
    visible = draft.fields.get("max_tokens") is not None and draft.fields.get("max_completion_tokens") is None
    return draft.wire == "chat" and visible and source is not None and not FAMILIES[source.family].max_tokens


def _reasoned_before(draft: Draft) -> bool:
    """Whether the cap already paid for reasoning on the model the caller named."""
    source = draft.source
    return source is not None and FAMILIES[source.family].reasons and _caller_effort(draft) != "none"


def _caller_effort(draft: Draft) -> str:
    default = FAMILIES[draft.source.family].default_effort if draft.source else ""
    return sent_effort(draft) or default or "none"


def _wanted(draft: Draft, effort: str, sent: str, decides: bool) -> str:
    if effort and (decides or not sent):
        return effort
    if sent:
        return sent
    if draft.source is None:
        return draft.family.default_effort or "none"
    return FAMILIES[draft.source.family].default_effort or "none"


def _endpoint(draft: Draft) -> Wire:
    """Chat where the target takes it, else /v1/responses."""
    if draft.wire == "responses" or "chat" not in draft.target.endpoints:
        return "responses"
    if not (draft.fields.get("tools") or draft.fields.get("functions")):
        return "chat"
    rule = draft.target.chat_tools
    stays = rule == "chat" or (rule == "only-none" and draft.wanted == "none")
    return "chat" if stays else "responses"


def _say(draft: Draft, sent: str) -> None:
    """Edit the effort where the target would not do it by itself, and list what differs from what the caller meant."""
    final = draft.effort
    before = sent or (_caller_effort(draft) if draft.source else "")
    if not draft.family.reasons:
        field = "reasoning_effort" if draft.wire == "chat" else "reasoning"
        given = draft.fields.get(field) is not None
        if given:
            draft.set_quietly(field, None)
        if before not in ("", "none"):
            draft.note(f"reasoning:{before}->none", loss=True)
        elif given:
            draft.note(f"{field}:dropped")
        return
    edited = sent != final and (bool(sent) or final != draft.family.default_effort)
    if edited:
        _write(draft, final)
    if before and before != final:
        draft.note(f"reasoning_effort:{before}->{final}", loss="none" in (before, final))
    elif edited:
        draft.note(f"reasoning_effort:{final}")


def _write(draft: Draft, effort: str) -> None:
    """Put the effort where the caller's endpoint has it."""
    if draft.wire == "chat":
        draft.set_quietly("reasoning_effort", effort)
        return
    reasoning = draft.fields.get("reasoning")
    draft.set_quietly("reasoning", {**(reasoning if isinstance(reasoning, dict) else {}), "effort": effort})
