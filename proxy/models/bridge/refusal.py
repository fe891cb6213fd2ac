"""An error about Responses fields, told in the words of the chat request that caused it."""

import re
from typing import Any

import msgspec

_NAMES = {
    "max_output_tokens": "max_completion_tokens",
    "reasoning.effort": "reasoning_effort",
    "reasoning": "reasoning_effort",
    "text.format.schema": "response_format",
    "text.format": "response_format",
    "text.verbosity": "verbosity",
    "input": "messages",
}
_TOOL = re.compile(r"(tools\[\d+\])\.((?:name|description|parameters|strict)\b.*)")
"""A function's fields stand in the tool itself in Responses, one level deeper in chat."""
_FIELD = re.compile("|".join(rf"(?<=['`\"]){re.escape(name)}(?=['`\"\[.])" for name in _NAMES))


def to_chat_error(body: bytes) -> bytes:
    """The same error with `param` and quoted field names as in chat; anything else unchanged."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body
    error: Any = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return body
    changed = False
    if isinstance(error.get("message"), str):
        message = _FIELD.sub(lambda found: _NAMES[found[0]], error["message"])
        changed, error["message"] = message != error["message"], message
    if isinstance(error.get("param"), str):
        param = _param(error["param"])
        changed, error["param"] = changed or param != error["param"], param
    return msgspec.json.encode(answer) if changed else body


def _param(param: str) -> str:
    inside_tool = _TOOL.fullmatch(param)
    if inside_tool:
        return f"{inside_tool[1]}.function.{inside_tool[2]}"
    for name, chat in _NAMES.items():
        if param == name or param.startswith((f"{name}[", f"{name}.")):
            return chat + param[len(name) :]
    return param
