"""What the messages contain that a target may not take: images, audio, files, cache breakpoints, names.

A move looks only when the target lacks something the source has. `kinds` says once for all targets what there is; where
`is_plain`, it need not be asked, and nothing is decoded.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from proxy.models.draft import Draft
from proxy.models.families import FAMILIES

_PART_NEEDS = {
    "image_url": "image",
    "input_image": "image",
    "input_audio": "audio",
    "file": "file",
    "input_file": "file",
}
_BREAKPOINT = "prompt_cache_breakpoint"
_REASONING = "reasoning"
_NAME = "name"
_ALL_INPUTS = frozenset(_PART_NEEDS.values())
# One pattern that begins with a quote: some literals, each searched by itself, cost four times as much.
_mark_in = re.compile(f'"(?:{"|".join((*_PART_NEEDS, _BREAKPOINT, _REASONING, _NAME))})"'.encode()).search


def is_plain(raw: bytes) -> bool:
    """Whether messages, as they were sent, hold nothing that `check` looks for, whatever the target. Errs on the side of no,
    if no letter is written as an escape."""
    return _mark_in(raw) is None


def kinds(fields: Mapping[str, Any]) -> tuple[str, ...] | None:
    """All that `check` goes by, whatever the target, in the order it is found; None where it may have to rewrite messages."""
    found: dict[str, None] = {}
    for part in _parts(fields):
        if part.get("type") == _REASONING or _BREAKPOINT in part:
            return None
        if (need := _need(part)) is not None:
            found[need] = None
    if any(_named(message) for message in _messages(fields, "messages")):
        found[_NAME] = None
    return tuple(found)


def check(draft: Draft) -> None:
    """Exclude the target when a message has content it cannot read; drop and list what it cannot take besides."""
    had = draft.source.modalities_in if draft.source else _ALL_INPUTS
    lacking = (had & _ALL_INPUTS) - draft.target.modalities_in
    source = FAMILIES[draft.source.family] if draft.source else None
    marked = not draft.family.cache_options and (source is None or source.cache_options)
    parts = _parts(draft.fields) if lacking or marked else ()
    if lacking:
        _check_modalities(draft, parts, lacking)
    if marked:
        _drop_breakpoints(draft, parts)
    if draft.wire == "responses" and not draft.family.reasons and (source is None or source.reasons):
        _drop_reasoning(draft)
    if draft.endpoint != draft.wire and any(
        _named(message) for message in _messages(draft.fields, "messages")
    ):
        draft.note("messages.name:dropped", loss=True)


def _check_modalities(draft: Draft, parts: Sequence[Mapping[str, Any]], lacking: frozenset[str]) -> None:
    for part in parts:
        need = _need(part)
        if need in lacking:
            draft.exclude(f"{need}s" if need != "audio" else need)
            return


def _need(part: Mapping[str, Any]) -> str | None:
    """What a model must be able to read for this part; None for text."""
    return _PART_NEEDS.get(str(part.get("type")))


def _drop_breakpoints(draft: Draft, parts: Sequence[Mapping[str, Any]]) -> None:
    if any(_BREAKPOINT in part for part in parts):
        name = "messages" if draft.wire == "chat" else "input"
        draft.set_quietly(name, [_without_breakpoints(message) for message in draft.fields[name]])
        draft.note(f"{name}.{_BREAKPOINT}:dropped")


def _drop_reasoning(draft: Draft) -> None:
    """Earlier reasoning is refused by models that do not reason; what it led to stays."""
    if any(item.get("type") == _REASONING for item in _messages(draft.fields, "input")):
        kept = [
            item
            for item in draft.fields["input"]
            if not (isinstance(item, dict) and item.get("type") == _REASONING)
        ]
        draft.set_quietly("input", [_without_breakpoints(item) for item in kept])
        draft.note("input.reasoning:dropped")


def _without_breakpoints(message: Any) -> Any:
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list):
        return message
    return {**message, "content": [_plain(part) if isinstance(part, dict) else part for part in content]}


def _plain(part: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key != _BREAKPOINT}


def _named(message: Mapping[str, Any]) -> bool:
    return message.get(_NAME) is not None and message.get("role") != "function"


def _messages(fields: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    messages = fields.get(name)
    yield from (
        (message for message in messages if isinstance(message, dict)) if isinstance(messages, list) else ()
    )


def _parts(fields: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Every message and every part of one. A list: it is asked of each model that a route considers."""
    found: list[Mapping[str, Any]] = []
    for name in ("messages", "input"):
        for message in _messages(fields, name):
            found.append(message)
            for inner in ("content", "output"):
                content = message.get(inner)
                if isinstance(content, list):
                    found += [part for part in content if isinstance(part, dict)]
    return found
