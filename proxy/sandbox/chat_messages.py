"""Chat messages: what each role may carry, the pairing of tool calls with their results, and the shared shape they become."""

from collections.abc import Sequence
from typing import Any

from proxy.sandbox.catalogue import Model
from proxy.sandbox.family_rules import check_breakpoint
from proxy.sandbox.refusals import bad, empty_array, invalid_value, missing, wrong_type
from proxy.sandbox.talk import Rank, ToolCall, Turn
from proxy.sandbox.tokens import count

ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_PARTS: dict[str, tuple[str, ...]] = {
    "system": ("text",),
    "developer": ("text",),
    "tool": ("text",),
    "function": ("text",),
    "user": ("text", "image_url", "input_audio", "file"),
    "assistant": ("text", "refusal"),
}
_KNOWN = "role content name refusal audio function_call tool_calls tool_call_id annotations reasoning_content"
_KEYS = frozenset(_KNOWN.split())
_RANKS: dict[str, Rank] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
AUDIO_TOKENS_PER_BYTE = 1 / 400


def read_messages(messages: Any, model: Model, *, nested_unknown: bool) -> tuple[Turn, ...]:
    """The conversation, or the refusal the real API would give."""
    if messages is None:
        raise missing("messages")
    if not isinstance(messages, list):
        raise wrong_type("messages", "an array of objects", messages)
    if not messages:
        raise empty_array("messages")
    turns = tuple(_read(item, index, model, nested_unknown) for index, item in enumerate(messages))
    _check_pairing(messages)
    return turns


def _read(message: Any, index: int, model: Model, nested_unknown: bool) -> Turn:
    where = f"messages[{index}]"
    if not isinstance(message, dict):
        raise wrong_type(where, "an object", message)
    role = message.get("role")
    if role is None:
        raise missing(f"{where}.role")
    if role not in ROLES:
        raise invalid_value(f"{where}.role", role, ROLES)
    if nested_unknown:
        for key in message:
            if key not in _KEYS:
                raise bad(f"Unknown parameter: '{where}.{key}'.", f"{where}.{key}", "unknown_parameter")
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        raise missing(f"{where}.tool_call_id")
    text, images, audio = _content(message, role, index, model)
    calls = _tool_calls(message, index) if role == "assistant" else ()
    call_id = message.get("tool_call_id") or message.get("name") or ""
    return Turn(_RANKS[role], text, calls, call_id, images, audio)


def _content(
    message: dict[str, Any], role: str, index: int, model: Model
) -> tuple[str, tuple[tuple[str, str], ...], int]:
    content = message.get("content")
    if isinstance(content, str):
        return content, (), 0
    if content is None:
        spoken = any(message.get(key) for key in ("tool_calls", "function_call", "refusal", "audio"))
        if role == "assistant" and spoken:
            return "", (), 0
        raise bad("Invalid value for 'content': expected a string, got null.", f"messages.[{index}].content")
    if not isinstance(content, list):
        raise wrong_type(f"messages[{index}].content", "one of a string or array of objects", content)
    if not content:
        raise empty_array(f"messages[{index}].content")
    return _parts(content, role, index, model)


def _parts(
    parts: Sequence[Any], role: str, index: int, model: Model
) -> tuple[str, tuple[tuple[str, str], ...], int]:
    texts: list[str] = []
    images: list[tuple[str, str]] = []
    audio = 0
    for number, part in enumerate(parts):
        where = f"messages[{index}].content[{number}]"
        if not isinstance(part, dict):
            raise wrong_type(where, "an object", part)
        check_breakpoint(part, where, model)
        kind = part.get("type")
        if kind not in _PARTS[role]:
            if kind is None:
                raise missing(f"{where}.type")
            raise invalid_value(f"{where}.type", kind, _PARTS[role])
        if kind in ("text", "refusal"):
            if not isinstance(part.get(kind), str):
                raise missing(f"{where}.{kind}")
            texts.append(part[kind])
        elif kind == "image_url":
            images.append(_image(part, where, index, number, model))
        elif kind == "input_audio":
            audio += _audio(part, where, index, number, model)
        else:
            texts.append(_file(part, where))
    return "\n".join(texts), tuple(images), audio


def _image(part: dict[str, Any], where: str, index: int, number: int, model: Model) -> tuple[str, str]:
    if not model.images:
        raise bad(
            "Invalid content type. image_url is only supported by certain models.",
            f"messages.[{index}].content.[{number}].type",
        )
    image = part.get("image_url")
    if not isinstance(image, dict):
        raise wrong_type(f"{where}.image_url", "an object", image)
    url = image.get("url")
    if not isinstance(url, str):
        raise missing(f"{where}.image_url.url")
    if not url.startswith(("http://", "https://", "data:image/")):
        raise bad("Invalid image URL.", f"{where}.image_url.url", "invalid_image_url")
    detail = image.get("detail", "auto")
    if detail not in ("auto", "low", "high", "original"):
        raise invalid_value(f"{where}.image_url.detail", detail, ("auto", "low", "high"))
    return url, detail


def _audio(part: dict[str, Any], where: str, index: int, number: int, model: Model) -> int:
    if not model.family.audio:
        raise bad(
            "Invalid content type. input_audio is only supported by certain models.",
            f"messages.[{index}].content.[{number}].type",
        )
    audio = part.get("input_audio")
    if not isinstance(audio, dict) or not isinstance(audio.get("data"), str):
        raise missing(f"{where}.input_audio.data")
    if audio.get("format") not in ("wav", "mp3"):
        raise invalid_value(f"{where}.input_audio.format", audio.get("format"), ("wav", "mp3"))
    return 1 + int(len(audio["data"]) * AUDIO_TOKENS_PER_BYTE)


def _file(part: dict[str, Any], where: str) -> str:
    held = part.get("file")
    if not isinstance(held, dict):
        raise wrong_type(f"{where}.file", "an object", held)
    return str(held.get("filename") or held.get("file_id") or "") + str(held.get("file_data") or "")


def _tool_calls(message: dict[str, Any], index: int) -> tuple[ToolCall, ...]:
    old = message.get("function_call")
    if isinstance(old, dict):
        return (ToolCall("", str(old.get("name")), str(old.get("arguments"))),)
    given = message.get("tool_calls")
    if given is None:
        return ()
    where = f"messages[{index}].tool_calls"
    if not isinstance(given, list):
        raise wrong_type(where, "an array of objects", given)
    if not given:
        raise empty_array(where)
    return tuple(_tool_call(call, f"{where}[{number}]") for number, call in enumerate(given))


def _tool_call(call: Any, where: str) -> ToolCall:
    if not isinstance(call, dict):
        raise wrong_type(where, "an object", call)
    if not isinstance(call.get("id"), str):
        raise missing(f"{where}.id")
    kind = call.get("type")
    if kind not in ("function", "custom"):
        raise (
            missing(f"{where}.type")
            if kind is None
            else invalid_value(f"{where}.type", kind, ("function", "custom"))
        )
    inner, field = call.get(kind), "arguments" if kind == "function" else "input"
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
        raise missing(f"{where}.{kind}.name")
    if not isinstance(inner.get(field), str):
        raise wrong_type(f"{where}.{kind}.{field}", "a string", inner.get(field))
    return ToolCall(call["id"], inner["name"], inner[field], custom=kind == "custom")


def _check_pairing(messages: list[dict[str, Any]]) -> None:
    """Each tool call answered right after it, each answer to a call just made."""
    open_ids: list[str] = []
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_ids:
                _stray(index, messages)
            open_ids.remove(message["tool_call_id"])
            continue
        if open_ids:
            raise _unanswered(open_ids, index)
        open_ids = (
            [call["id"] for call in message.get("tool_calls") or ()] if message["role"] == "assistant" else []
        )
    if open_ids:
        raise _unanswered(open_ids, len(messages))


def _stray(index: int, messages: list[dict[str, Any]]) -> None:
    if any(message.get("tool_calls") for message in messages[:index]):
        raise bad(
            "Invalid parameter: 'tool_call_id' of "
            f"'{messages[index]['tool_call_id']}' not found in 'tool_calls' of previous message.",
            f"messages.[{index}].tool_call_id",
        )
    raise bad(
        "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
        f"messages.[{index}].role",
    )


def _unanswered(ids: list[str], index: int) -> Exception:
    return bad(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
        f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(ids)}",
        f"messages.[{index}].role",
    )


def message_names_tokens(messages: list[dict[str, Any]]) -> int:
    """Tokens of the optional `name` fields."""
    return sum(1 + count(message["name"]) for message in messages if isinstance(message.get("name"), str))
