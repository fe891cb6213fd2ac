"""What the classifier looks at: a few clipped strings and counts taken from a decoded chat or Responses body.

A prompt may be 240,000 characters, a conversation thousands of messages, and nothing has been validated yet. So every text
is clipped to its head and tail before anything scans it, only the first and last few messages and parts are visited,
and whatever has an unexpected type counts as absent. No request can make `read` raise or take long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HEAD_CHARS, TAIL_CHARS = 750, 350
SYSTEM_HEAD_CHARS, SYSTEM_TAIL_CHARS = 300, 100
EARLIER_CHARS = 400
WINDOW = 24
PARTS = 8
TOOLS_READ = 10
TOOL_CHARS = 80

_IMAGE_TYPES = frozenset({"image_url", "input_image", "image"})
_TEXT_TYPES = frozenset({"text", "input_text", "output_text"})
_CALL_TYPES = frozenset({"function_call", "custom_tool_call", "computer_call"})
_RESULT_TYPES = frozenset({"function_call_output", "custom_tool_call_output", "computer_call_output"})


@dataclass(frozen=True, slots=True)
class TaskView:
    """One request as the classifier sees it. `length` counts characters before clipping; texts are clipped."""

    ask: str
    length: int = 0
    system: str = ""
    system_length: int = 0
    earlier: str = ""
    answer: str = ""
    user_turns: int = 1
    images: int = 0
    earlier_images: int = 0
    tools: tuple[str, ...] = ()
    tool_count: int = 0
    tool_words: str = ""
    calls: int = 0
    results: int = 0
    after_result: bool = False
    answer_form: str = "text"
    schema_fields: int = 0
    schema_enums: int = 0


@dataclass(frozen=True, slots=True)
class _Turn:
    role: str
    text: str = ""
    length: int = 0
    images: int = 0
    calls: int = 0


def clip(text: str, head: int, tail: int) -> str:
    """The first `head` and last `tail` characters, with a line break where the middle was."""
    if len(text) <= head + tail:
        return text
    return f"{text[:head]}\n{text[-tail:]}"


def read(request: Mapping[str, object]) -> TaskView:
    """The view of a decoded body: chat (`messages`) or Responses (`input`, `instructions`). Never raises."""
    turns, skipped_middle = _turns(request)
    asked = _last_asked(turns)
    before = turns[:asked]
    since = turns[asked + 1 :]
    turn = turns[asked] if 0 <= asked < len(turns) else _Turn("user")
    users = [t for t in before if t.role == "user"]
    answers = [t for t in before if t.role == "assistant" and t.text]
    names, words, count = _tools(request)
    system = _system(request, turns)
    form, fields, enums = _answer_form(request)
    return TaskView(
        ask=turn.text,
        length=turn.length,
        system=clip(system, SYSTEM_HEAD_CHARS, SYSTEM_TAIL_CHARS),
        system_length=len(system),
        earlier=users[-1].text[:EARLIER_CHARS] if users else "",
        answer=answers[-1].text[:EARLIER_CHARS] if answers else "",
        user_turns=len(users) + 1 + (WINDOW if skipped_middle else 0),
        images=turn.images,
        earlier_images=sum(t.images for t in users),
        tools=names,
        tool_count=count,
        tool_words=words,
        calls=sum(t.calls for t in turns),
        results=sum(t.role == "tool" for t in turns),
        after_result=any(t.role == "tool" for t in since),
        answer_form=form,
        schema_fields=fields,
        schema_enums=enums,
    )


def _turns(request: Mapping[str, object]) -> tuple[list[_Turn], bool]:
    raw = request.get("messages")
    if raw is None:
        raw = request.get("input")
    if raw is None:
        raw = request.get("prompt")
    if isinstance(raw, str):
        return [_Turn("user", clip(raw, HEAD_CHARS, TAIL_CHARS), len(raw))], False
    if not isinstance(raw, Sequence) or isinstance(raw, (bytes, bytearray)):
        return [], False
    if len(raw) <= 2 * WINDOW:
        return [_turn(m) for m in raw], False
    return [_turn(m) for m in (*raw[:4], *raw[-2 * WINDOW :])], True


def _turn(message: object) -> _Turn:
    if not isinstance(message, Mapping):
        return _Turn("")
    kind = message.get("type")
    if isinstance(kind, str) and kind in _CALL_TYPES:
        return _Turn("assistant", calls=1)
    if isinstance(kind, str) and kind in _RESULT_TYPES:
        return _Turn("tool")
    role = message.get("role")
    if not isinstance(role, str):
        return _Turn("")
    role = {"developer": "system", "function": "tool"}.get(role, role)
    calls = message.get("tool_calls") or message.get("function_call")
    called = len(calls) if isinstance(calls, Sequence) else int(bool(calls))
    text, length, images = _content(message.get("content"))
    return _Turn(role, text, length, images, called)


def _content(content: object) -> tuple[str, int, int]:
    """(clipped text, characters, images) of a message's content, string or parts."""
    if isinstance(content, str):
        return clip(content, HEAD_CHARS, TAIL_CHARS), len(content), 0
    if not isinstance(content, Sequence) or isinstance(content, (bytes, bytearray)):
        return "", 0, 0
    parts = content if len(content) <= 2 * PARTS else (*content[:PARTS], *content[-PARTS:])
    texts: list[str] = []
    images = length = 0
    for part in parts:
        if isinstance(part, str):
            text: object = part
        elif isinstance(part, Mapping):
            kind = part.get("type")
            images += isinstance(kind, str) and kind in _IMAGE_TYPES
            text = (
                part.get("text") if kind is None or (isinstance(kind, str) and kind in _TEXT_TYPES) else None
            )
        else:
            continue
        if isinstance(text, str):
            length += len(text)
            texts.append(clip(text, HEAD_CHARS, TAIL_CHARS))
    return clip("\n".join(texts), HEAD_CHARS, TAIL_CHARS), length, images


def _last_asked(turns: list[_Turn]) -> int:
    """The index of the last user turn that says or shows something; -1 (the last turn at all) when there is none."""
    for index in range(len(turns) - 1, -1, -1):
        turn = turns[index]
        if turn.role == "user" and (turn.text or turn.images):
            return index
    return len(turns)


def _system(request: Mapping[str, object], turns: list[_Turn]) -> str:
    said = request.get("instructions")
    texts = [clip(said, HEAD_CHARS, TAIL_CHARS)] if isinstance(said, str) else []
    texts += [t.text for t in turns[:4] if t.role == "system"]
    return "\n".join(texts)


def _tools(request: Mapping[str, object]) -> tuple[tuple[str, ...], str, int]:
    """(names, words of names and descriptions, how many) of the tools that may be called."""
    raw = request.get("tools") or request.get("functions")
    if not isinstance(raw, Sequence) or isinstance(raw, (str, bytes)) or request.get("tool_choice") == "none":
        return (), "", 0
    names: list[str] = []
    words: list[str] = []
    for tool in raw[:TOOLS_READ]:
        if not isinstance(tool, Mapping):
            continue
        inner = tool.get("function")
        spec = inner if isinstance(inner, Mapping) else tool
        name, about = spec.get("name") or spec.get("type"), spec.get("description")
        if isinstance(name, str):
            names.append(name[:64])
            words.append(name[:64])
        if isinstance(about, str):
            words.append(about[:TOOL_CHARS])
    return tuple(names), " ".join(words), len(raw)


def _answer_form(request: Mapping[str, object]) -> tuple[str, int, int]:
    """(text | json | schema, properties, properties that are enums or booleans) asked of the answer."""
    form = request.get("response_format")
    if form is None:
        text = request.get("text")
        form = text.get("format") if isinstance(text, Mapping) else None
    kind = form.get("type") if isinstance(form, Mapping) else None
    if not isinstance(form, Mapping) or kind not in ("json_object", "json_schema"):
        return "text", 0, 0
    if kind == "json_object":
        return "json", 0, 0
    wrapped = form.get("json_schema")
    holder = wrapped if isinstance(wrapped, Mapping) else form
    schema = holder.get("schema")
    fields = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(fields, Mapping):
        return "schema", 0, 0
    specs = [fields[name] for name in list(fields)[:32]]
    enums = sum(isinstance(s, Mapping) and ("enum" in s or s.get("type") == "boolean") for s in specs)
    return "schema", len(specs), enums
