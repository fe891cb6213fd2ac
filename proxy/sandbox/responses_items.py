"""Input items of /v1/responses: what each type must carry, how they pair, and the shared conversation they become."""

from collections.abc import Callable
from typing import Any

from proxy.sandbox.catalogue import Model
from proxy.sandbox.family_rules import check_breakpoint
from proxy.sandbox.refusals import Refusal, bad, invalid_value, missing, wrong_type
from proxy.sandbox.talk import Rank, ToolCall, Turn

Item = dict[str, Any]
SEAL = "gAAAA-sandbox-"
"""How our encrypted reasoning begins; anything else was not sealed here."""

_RANKS: dict[str, Rank] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_KEYS: dict[str, frozenset[str]] = {
    "message": frozenset({"type", "role", "content", "id", "status", "phase"}),
    "function_call": frozenset(
        {"type", "id", "call_id", "name", "arguments", "status", "namespace", "caller"}
    ),
    "function_call_output": frozenset({"type", "id", "call_id", "output", "status"}),
    "custom_tool_call": frozenset({"type", "id", "call_id", "name", "input", "status", "namespace"}),
    "custom_tool_call_output": frozenset({"type", "id", "call_id", "output"}),
    "reasoning": frozenset({"type", "id", "summary", "content", "encrypted_content", "status"}),
    "item_reference": frozenset({"type", "id"}),
}
_PREFIX = {"message": "msg", "function_call": "fc", "reasoning": "rs", "custom_tool_call": "ctc"}
_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
_OUTPUTS = ("function_call_output", "custom_tool_call_output")
_USER_PARTS = ("input_text", "input_image", "input_file", "input_audio")
_ASSISTANT_PARTS = ("output_text", "refusal")


def read_input(value: Any) -> tuple[Item, ...]:
    """`input` as items. Raises `Refusal` for what has not the shape of one."""
    if value is None:
        return ()
    if isinstance(value, str):
        return ({"type": "message", "role": "user", "content": value},)
    if not isinstance(value, list):
        raise wrong_type("input", "one of a string or array of input items", value)
    return tuple(_shaped(item, f"input[{index}]") for index, item in enumerate(value))


def _shaped(item: Any, where: str) -> Item:
    if not isinstance(item, dict):
        raise wrong_type(where, "an object", item)
    kind = item.get("type") or ("message" if "role" in item else None)
    if kind is None:
        raise missing(f"{where}.type")
    if not isinstance(kind, str):
        raise wrong_type(f"{where}.type", "a string", kind)
    known = _KEYS.get(kind)
    if known is None:
        if kind.endswith(("_call", "_output", "_tools", "_response", "compaction", "request")):
            return item
        raise invalid_value(f"{where}.type", kind, tuple(_KEYS))
    for key in item:
        if key not in known:
            raise bad(f"Unknown parameter: '{where}.{key}'.", f"{where}.{key}", "unknown_parameter")
    _check_id(item, kind, where)
    _check_needed(item, kind, where)
    return {"type": kind, **item}


def _check_id(item: Item, kind: str, where: str) -> None:
    prefix, given = _PREFIX.get(kind), item.get("id")
    if prefix is not None and given is not None and not str(given).startswith(prefix):
        message = f"Invalid '{where}.id': '{given}'. Expected an ID that begins with '{prefix}'."
        raise bad(message, f"{where}.id", "invalid_value")


def _check_needed(item: Item, kind: str, where: str) -> None:
    needed: tuple[str, ...] = ()
    if kind in _CALLS:
        needed = ("call_id", "name", _CALLS[kind])
    elif kind in _OUTPUTS:
        needed = ("call_id", "output")
    elif kind == "reasoning":
        needed = ("id", "summary")
    for name in needed:
        if item.get(name) is None:
            raise missing(f"{where}.{name}")
    for name in ("id", "call_id", "name", "arguments", "encrypted_content"):
        if item.get(name) is not None and not isinstance(item[name], str):
            raise wrong_type(f"{where}.{name}", "a string", item[name])


def turns_of(items: tuple[Item, ...], model: Model) -> tuple[Turn, ...]:
    """The conversation: one assistant turn takes in the calls that follow its text, reasoning is not said aloud."""
    _check_pairing(items)
    turns: list[Turn] = []
    for index, item in enumerate(items):
        where, kind = f"input[{index}]", item["type"]
        if kind == "message":
            turns.append(_message(item, where, model))
        elif kind in _CALLS:
            call = ToolCall(item["call_id"], item["name"], item[_CALLS[kind]], custom=kind != "function_call")
            if turns and turns[-1].rank == "assistant":
                last = turns.pop()
                turns.append(Turn("assistant", last.text, (*last.calls, call)))
            else:
                turns.append(Turn("assistant", calls=(call,)))
        elif kind in _OUTPUTS:
            turns.append(_result(item, where, model))
    return tuple(turns)


def _message(item: Item, where: str, model: Model) -> Turn:
    role = item.get("role")
    if not isinstance(role, str) or role not in _RANKS:
        raise invalid_value(f"{where}.role", role, ("assistant", "system", "developer", "user"))
    content = item.get("content")
    if isinstance(content, str):
        return Turn(_RANKS[role], content)
    if not isinstance(content, list):
        raise wrong_type(f"{where}.content", "one of a string or array of objects", content)
    allowed = _ASSISTANT_PARTS if role == "assistant" else _USER_PARTS
    text, images = _parts(content, f"{where}.content", allowed, model)
    return Turn(_RANKS[role], text, images=images)


def _result(item: Item, where: str, model: Model) -> Turn:
    output = item["output"]
    if isinstance(output, str):
        return Turn("tool", output, call_id=item["call_id"])
    if not isinstance(output, list):
        raise wrong_type(f"{where}.output", "one of a string or array of objects", output)
    text, images = _parts(output, f"{where}.output", _USER_PARTS, model)
    return Turn("tool", text, call_id=item["call_id"], images=images)


def _parts(
    parts: list[Any], where: str, allowed: tuple[str, ...], model: Model
) -> tuple[str, tuple[tuple[str, str], ...]]:
    texts: list[str] = []
    images: list[tuple[str, str]] = []
    for number, part in enumerate(parts):
        here = f"{where}[{number}]"
        if not isinstance(part, dict):
            raise wrong_type(here, "an object", part)
        check_breakpoint(part, here, model)
        kind = part.get("type")
        if kind not in allowed:
            raise missing(f"{here}.type") if kind is None else invalid_value(here, kind, allowed)
        if kind in ("input_text", "output_text", "refusal"):
            texts.append(_text(part, "refusal" if kind == "refusal" else "text", here))
        elif kind == "input_image":
            images.append(_image(part, here, model))
        elif kind == "input_file":
            texts.append(
                str(part.get("filename") or part.get("file_id") or "") + str(part.get("file_data") or "")
            )
        else:
            raise bad("Invalid content type. input_audio is only supported by certain models.", here)
    return "\n".join(texts), tuple(images)


def _text(part: Item, name: str, where: str) -> str:
    if part.get(name) is None:
        raise missing(f"{where}.{name}")
    if not isinstance(part[name], str):
        raise wrong_type(f"{where}.{name}", "a string", part[name])
    return str(part[name])


def _image(part: Item, where: str, model: Model) -> tuple[str, str]:
    if not model.images:
        raise bad("Invalid content type. image_url is only supported by certain models.", f"{where}.type")
    url, held = part.get("image_url"), part.get("file_id")
    if url is None and held is None:
        raise missing(f"{where}.image_url")
    if url is not None and not isinstance(url, str):
        raise wrong_type(f"{where}.image_url", "a string", url)
    if url is not None and not url.startswith(("http://", "https://", "data:image/")):
        raise bad("Invalid image URL.", f"{where}.image_url", "invalid_image_url")
    detail = part.get("detail") or "auto"
    if detail not in ("auto", "low", "high", "original"):
        raise invalid_value(f"{where}.detail", detail, ("auto", "low", "high"))
    return str(url or held), detail


def _check_pairing(items: tuple[Item, ...]) -> None:
    """Calls and outputs in pairs; reasoning followed by what it led to."""
    calls = [item["call_id"] for item in items if item["type"] in _CALLS]
    outputs = [item["call_id"] for item in items if item["type"] in _OUTPUTS]
    for call_id in outputs:
        if call_id not in calls:
            raise bad(f"No tool call found for function call output with call_id {call_id}.", "input")
    for call_id in calls:
        if call_id not in outputs:
            raise bad(f"No tool output found for function call {call_id}.", "input")
    for index, item in enumerate(items):
        if item["type"] != "reasoning":
            continue
        following = items[index + 1] if index + 1 < len(items) else {}
        speaks = following.get("role") == "assistant" or following.get("type") in (*_CALLS, "reasoning")
        if not speaks and not str(following.get("type", "")).endswith("_call"):
            raise bad(
                f"Item '{item['id']}' of type 'reasoning' was provided without its required following item.",
                "input",
            )


def check_reasoning(items: tuple[Item, ...], known: Callable[[str], Item | None]) -> None:
    """Reasoning is taken back sealed (`encrypted_content`) or by the id of a stored item, never as loose text."""
    for item in items:
        if item["type"] != "reasoning":
            continue
        sealed = item.get("encrypted_content")
        if sealed is not None:
            if not str(sealed).startswith(SEAL):
                message = f"The encrypted content for item {item['id']} could not be verified."
                raise bad(message, "input", "invalid_encrypted_content")
        elif known(item["id"]) is None:
            raise Refusal(
                404,
                f"Item with id '{item['id']}' not found. Items are not persisted when `store` is set to false. "
                "Try again with `store` set to true, or remove this item from your input.",
                param="input",
            )
