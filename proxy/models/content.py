"""What the messages contain that a model may not be able to read: images, audio, files.

Looked at only when the target lacks a modality, so that an ordinary move never decodes the conversation.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from proxy.models.draft import Draft

_PART_NEEDS = {
    "image_url": "image",
    "input_image": "image",
    "input_audio": "audio",
    "file": "file",
    "input_file": "file",
}
_ALL_INPUTS = frozenset(_PART_NEEDS.values())


def check(draft: Draft) -> None:
    """Exclude the target when a message has content it cannot read."""
    had = draft.source.modalities_in if draft.source else _ALL_INPUTS
    lacking = (had & _ALL_INPUTS) - draft.target.modalities_in
    if not lacking:
        return
    for part in _parts(draft.fields):
        need = _PART_NEEDS.get(part.get("type", ""))
        if need in lacking:
            draft.exclude(f"{need}s" if need != "audio" else need)
            return


def _parts(fields: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for name in ("messages", "input"):
        messages = fields.get(name)
        for message in messages if isinstance(messages, list) else ():
            if not isinstance(message, dict):
                continue
            yield message
            for inner in ("content", "output"):
                content = message.get(inner)
                yield from (
                    (part for part in content if isinstance(part, dict)) if isinstance(content, list) else ()
                )
