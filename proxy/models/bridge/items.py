"""Chat messages as Responses input items, in their order.

An assistant turn becomes its text, then the sealed reasoning that led to its calls (when remembered), then one item per
call. `system` and `developer` stay messages of that role, so their rank and place are kept. The older `function_call`
messages carry no ids; they get one from their position.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Message = Mapping[str, Any]
Item = dict[str, Any]
Recall = Callable[[str], Sequence[Mapping[str, Any]]]
"""Tool-call id -> the sealed reasoning items that came before it."""


def items_of(messages: Any, recall: Recall) -> Any:
    """The whole conversation as input items. What has not the shape of chat goes up as it is, for the API to refuse."""
    if not isinstance(messages, list):
        return messages
    out: list[Any] = []
    custom: set[str] = set()
    for position, message in enumerate(messages):
        if not isinstance(message, Mapping):
            out.append(message)
            continue
        match message.get("role"):
            case "assistant":
                out += _assistant(message, position, recall, custom)
            case "tool":
                out.append(_result(message, custom))
            case "function":
                output = _text_or_parts(message.get("content"), "input_text")
                out.append(
                    {"type": "function_call_output", "call_id": _old_id(position - 1), "output": output}
                )
            case role:
                content = _text_or_parts(message.get("content"), "input_text")
                out.append({"type": "message", "role": role, "content": content})
    return out


def _assistant(message: Message, position: int, recall: Recall, custom: set[str]) -> Iterator[Item]:
    content = _text_or_parts(message.get("content"), "output_text")
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal:
        content = [{"type": "refusal", "refusal": refusal}]
    given = message.get("tool_calls")
    calls = [call for call in given if isinstance(call, Mapping)] if isinstance(given, list) else []
    old = message.get("function_call")
    if content or not (calls or old):
        yield {"type": "message", "role": "assistant", "content": content or ""}
    if calls:
        yield from (dict(item) for item in recall(str(calls[0].get("id"))))
    for call in calls:
        yield _call(call, custom)
    if isinstance(old, Mapping):
        yield {"type": "function_call", "call_id": _old_id(position), **_named(old, "arguments")}


def _call(call: Message, custom: set[str]) -> Item:
    call_id = str(call.get("id"))
    if call.get("type") == "custom":
        custom.add(call_id)
        return {"type": "custom_tool_call", "call_id": call_id, **_named(call.get("custom"), "input")}
    return {"type": "function_call", "call_id": call_id, **_named(call.get("function"), "arguments")}


def _named(inner: Any, argument: str) -> Item:
    named = inner if isinstance(inner, Mapping) else {}
    return {"name": named.get("name"), argument: named.get(argument)}


def _result(message: Message, custom: set[str]) -> Item:
    call_id = str(message.get("tool_call_id"))
    kind = "custom_tool_call_output" if call_id in custom else "function_call_output"
    return {"type": kind, "call_id": call_id, "output": _text_or_parts(message.get("content"), "input_text")}


def _old_id(position: int) -> str:
    return f"call_at_{position}"


def _text_or_parts(content: Any, text_type: str) -> Any:
    """A string stays one; parts get the names they have in Responses."""
    if isinstance(content, list):
        return [_part(part, text_type) if isinstance(part, Mapping) else part for part in content]
    return "" if content is None else content


def _part(part: Message, text_type: str) -> Item:
    extra = {key: part[key] for key in ("prompt_cache_breakpoint",) if key in part}
    match part.get("type"):
        case "text":
            return {"type": text_type, "text": part.get("text"), **extra}
        case "image_url":
            given = part.get("image_url")
            image = given if isinstance(given, Mapping) else {}
            detail = {"detail": image["detail"]} if "detail" in image else {}
            return {"type": "input_image", "image_url": image.get("url"), **detail, **extra}
        case "file":
            file = part.get("file")
            return {"type": "input_file", **(file if isinstance(file, Mapping) else {}), **extra}
    return dict(part)
