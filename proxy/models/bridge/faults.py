"""What is wrong with a chat request that goes over the bridge, in the chat API's own words.

/v1/responses takes some of what chat refuses: a string for the conversation, no tools at all, a choice among none. And what
has no place there is left out, so that nobody upstream would see that it was wrong. An app must not get another answer
because its request took another way.
"""

from collections.abc import Mapping
from typing import Any

from proxy.errors import BadRequest
from proxy.models.validity import empty_array, one_of, wrong_type

_ROLES = one_of("system", "assistant", "user", "function", "tool", "developer")
_SPOKEN = ("tool_calls", "function_call", "refusal", "audio")
"""Any of these lets an assistant's message be without content."""


def refuse_chat_faults(fields: Mapping[str, Any]) -> None:
    """Raises BadRequest for the first thing in the fields, as the app sent them, that chat would refuse and the other side
    of the bridge would not. Everything else is refused over there."""
    _messages(fields.get("messages"))
    for name in ("tools", "functions"):
        if fields.get(name) is not None:
            _filled_array(fields[name], name)
    for name in ("response_format", "stream_options"):
        _object_or_nothing(fields.get(name), name)
    _coupled(fields)


def _messages(messages: Any) -> None:
    if messages is None:
        raise _missing("messages")
    for index, message in enumerate(_filled_array(messages, "messages")):
        where = f"messages[{index}]"
        if not isinstance(message, Mapping):
            raise _wrong_type(where, "an object", message)
        role = message.get("role")
        if role is None:
            raise _missing(f"{where}.role")
        fault = _ROLES(f"{where}.role", role)
        if fault is not None:
            raise fault.refusal(f"{where}.role")
        if role == "tool" and not isinstance(message.get("tool_call_id"), str):
            raise _missing(f"{where}.tool_call_id")
        if message.get("content") is None and not (role == "assistant" and any(map(message.get, _SPOKEN))):
            raise BadRequest(
                "Invalid value for 'content': expected a string, got null.",
                param=f"messages.[{index}].content",
            )
        if role == "assistant":
            _calls(message, f"{where}.tool_calls")


def _calls(message: Mapping[str, Any], where: str) -> None:
    calls = message.get("tool_calls")
    if calls is None or isinstance(message.get("function_call"), Mapping):
        return
    for number, call in enumerate(_filled_array(calls, where)):
        if not isinstance(call, Mapping):
            raise _wrong_type(f"{where}[{number}]", "an object", call)
        if not isinstance(call.get("id"), str):
            raise _missing(f"{where}[{number}].id")


def _coupled(fields: Mapping[str, Any]) -> None:
    """Fields that mean nothing without another."""
    if fields.get("stream_options") is not None and not fields.get("stream"):
        raise BadRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    if fields.get("tools") is not None:
        return
    for name in ("tool_choice", "parallel_tool_calls"):
        _refuse_without(fields, name, "tools")
    if fields.get("functions") is None:
        _refuse_without(fields, "function_call", "functions")


def _refuse_without(fields: Mapping[str, Any], name: str, other: str) -> None:
    if fields.get(name) is not None:
        raise BadRequest(
            f"Invalid value for '{name}': '{name}' is only allowed when '{other}' are specified.", param=name
        )


def _filled_array(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong_type(name, "an array of objects", value)
    if not value:
        raise empty_array(name).refusal(name)
    return value


def _object_or_nothing(value: Any, name: str) -> None:
    if value is not None and not isinstance(value, Mapping):
        raise _wrong_type(name, "an object", value)


def _wrong_type(name: str, wanted: str, value: Any) -> BadRequest:
    return wrong_type(name, wanted, value).refusal(name)


def _missing(name: str) -> BadRequest:
    return BadRequest(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
