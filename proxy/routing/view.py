"""What the classifier looks at: a few clipped strings and counts taken from a decoded chat or Responses body.

A prompt may be 240,000 characters, a conversation thousands of messages, and nothing has been validated yet. So every text
is clipped to its head and tail before anything scans it, only the first and last few messages and parts are visited,
and whatever has an unexpected type counts as absent. No request can make `read` raise or take long.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

HEAD_CHARS, TAIL_CHARS = 750, 350
SYSTEM_HEAD_CHARS, SYSTEM_TAIL_CHARS = 300, 100
EARLIER_CHARS = 400
WINDOW = 24
PARTS = 8
TOOLS_READ = 10
TOOL_CHARS = 80

_SAME_ROLE = {"developer": "system", "function": "tool"}
_IMAGE_TYPES = frozenset({"image_url", "input_image", "image"})
_TEXT_TYPES = frozenset({"text", "input_text", "output_text"})
_CALL_TYPES = frozenset({"function_call", "custom_tool_call", "computer_call"})
_RESULT_TYPES = frozenset({"function_call_output", "custom_tool_call_output", "computer_call_output"})


class TaskView(msgspec.Struct, frozen=True, gc=False):
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


class _Turn(msgspec.Struct, frozen=True, gc=False):
    role: str
    text: str = ""
    length: int = 0
    images: int = 0
    calls: int = 0


_NOTHING_ASKED = _Turn("user")


def clip(text: str, head: int, tail: int) -> str:
    """The first `head` and last `tail` characters, with a line break where the middle was."""
    if len(text) <= head + tail:
        return text
    return f"{text[:head]}\n{text[-tail:]}"


def read(request: Mapping[str, object]) -> TaskView:
    """The view of a decoded body: chat (`messages`) or Responses (`input`, `instructions`). Never raises."""
    turns, skipped_middle = _turns(request)
    asked = _last_asked(turns)
    turn = turns[asked] if asked < len(turns) else _NOTHING_ASKED
    earlier = answer = ""
    user_turns, earlier_images, calls, results, after_result = 1, 0, 0, 0, False
    for index, each in enumerate(turns):
        calls += each.calls
        if each.role == "tool":
            results += 1
            after_result = after_result or index > asked
        elif index >= asked:
            continue
        elif each.role == "user":
            user_turns += 1
            earlier_images += each.images
            earlier = each.text
        elif each.role == "assistant":
            answer = each.text or answer
    names, words, count = _tools(request)
    system = _system(request, turns)
    form, fields, enums = _answer_form(request)
    return TaskView(
        ask=turn.text,
        length=turn.length,
        system=clip(system, SYSTEM_HEAD_CHARS, SYSTEM_TAIL_CHARS),
        system_length=len(system),
        earlier=earlier[:EARLIER_CHARS],
        answer=answer[:EARLIER_CHARS],
        user_turns=user_turns + (WINDOW if skipped_middle else 0),
        images=turn.images,
        earlier_images=earlier_images,
        tools=names,
        tool_count=count,
        tool_words=words,
        calls=calls,
        results=results,
        after_result=after_result,
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
    if not isinstance(raw, list):
        return [], False
    if len(raw) <= 2 * WINDOW:
        return [_turn(m) for m in raw], False
    return [_turn(m) for m in (*raw[:4], *raw[-2 * WINDOW :])], True


def _turn(message: object) -> _Turn:
    if not isinstance(message, dict):
        return _Turn("")
    kind = message.get("type")
    if isinstance(kind, str):
        if kind in _CALL_TYPES:
            return _Turn("assistant", calls=1)
        if kind in _RESULT_TYPES:
            return _Turn("tool")
    role = message.get("role")
    if not isinstance(role, str):
        return _Turn("")
    calls = message.get("tool_calls") or message.get("function_call")
    called = len(calls) if isinstance(calls, (list, str)) else int(bool(calls))
    text, length, images = _content(message.get("content"))
    return _Turn(_SAME_ROLE.get(role, role), text, length, images, called)


def _content(content: object) -> tuple[str, int, int]:
    """(clipped text, characters, images) of a message's content, string or parts."""
    if isinstance(content, str):
        return clip(content, HEAD_CHARS, TAIL_CHARS), len(content), 0
    if not isinstance(content, list):
        return "", 0, 0
    parts = content if len(content) <= 2 * PARTS else (*content[:PARTS], *content[-PARTS:])
    texts: list[str] = []
    images = length = 0
    for part in parts:
        if isinstance(part, str):
            text: object = part
        elif isinstance(part, dict):
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
    """The index of the last user turn that says or shows something; the number of turns when there is none."""
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
    if not isinstance(raw, list) or request.get("tool_choice") == "none":
        return (), "", 0
    names: list[str] = []
    words: list[str] = []
    for tool in raw[:TOOLS_READ]:
        if not isinstance(tool, dict):
            continue
        inner = tool.get("function")
        spec = inner if isinstance(inner, dict) else tool
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
        form = text.get("format") if isinstance(text, dict) else None
    kind = form.get("type") if isinstance(form, dict) else None
    if not isinstance(form, dict) or kind not in ("json_object", "json_schema"):
        return "text", 0, 0
    if kind == "json_object":
        return "json", 0, 0
    wrapped = form.get("json_schema")
    holder = wrapped if isinstance(wrapped, dict) else form
    schema = holder.get("schema")
    fields = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(fields, dict):
        return "schema", 0, 0
    specs = [fields[name] for name in list(fields)[:32]]
    enums = sum(isinstance(s, dict) and ("enum" in s or s.get("type") == "boolean") for s in specs)
    return "schema", len(specs), enums
