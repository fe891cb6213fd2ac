"""A chat request as a Responses request. The defaults that differ are written out: functions are strict there unless
told otherwise, and answers are stored; in chat neither is so."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from proxy.models.bridge.faults import refuse_chat_faults
from proxy.models.bridge.items import Recall, items_of

SAME = frozenset(
    (
        *("model", "stream", "temperature", "top_p", "metadata", "user", "safety_identifier", "service_tier"),
        *(
            "prompt_cache_key",
            "prompt_cache_retention",
            "prompt_cache_options",
            "parallel_tool_calls",
            "moderation",
        ),
    )
)
CARRIED = SAME | frozenset(
    (
        *(
            "messages",
            "tools",
            "tool_choice",
            "functions",
            "function_call",
            "response_format",
            "verbosity",
            "n",
            "stop",
        ),
        *("max_tokens", "max_completion_tokens", "reasoning_effort", "stream_options", "modalities", "store"),
    )
)
"""Chat fields with a counterpart (or an effect we give ourselves). Translation drops and lists every other one."""

SEALED = "reasoning.encrypted_content"


def _nothing(call_id: str) -> tuple[()]:
    del call_id
    return ()


def to_responses(
    fields: Mapping[str, Any],
    edits: Mapping[str, bytes] | None = None,
    *,
    reasons: bool,
    recall: Recall = _nothing,
) -> bytes:
    """The Responses body of a chat request with its translation's `edits` (JSON bytes by field, b"" takes one out).

    `reasons`: the target runs with an effort, so its reasoning is asked for in sealed form. `recall` gives back what was
    sealed before a tool call. Raises BadRequest for what chat would have refused.
    """
    refuse_chat_faults(fields)
    if edits:
        fields = _edited(fields, edits)
    body: dict[str, Any] = {name: fields[name] for name in SAME if fields.get(name) is not None}
    body["input"] = items_of(fields.get("messages"), recall)
    body["store"] = False
    if reasons:
        body["include"] = [SEALED]
    for name in ("max_tokens", "max_completion_tokens"):
        if fields.get(name) is not None:
            body["max_output_tokens"] = fields[name]
    if fields.get("reasoning_effort") is not None:
        body["reasoning"] = {"effort": fields["reasoning_effort"]}
    text = _text(fields)
    if text:
        body["text"] = text
    body |= _tools(fields)
    options = fields.get("stream_options")
    if isinstance(options, Mapping) and "include_obfuscation" in options:
        body["stream_options"] = {"include_obfuscation": options["include_obfuscation"]}
    return msgspec.json.encode(body)


def _edited(fields: Mapping[str, Any], edits: Mapping[str, bytes]) -> dict[str, Any]:
    out = {name: fields[name] for name in fields if name not in edits}
    return out | {name: msgspec.json.decode(value) for name, value in edits.items() if value}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(fields: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    wanted = fields.get("response_format")
    if isinstance(wanted, Mapping):
        schema = wanted.get("json_schema")
        flat = {"strict": False, **schema} if isinstance(schema, Mapping) else {}
        out["format"] = {"type": wanted.get("type"), **{k: v for k, v in flat.items() if v is not None}}
    if fields.get("verbosity") is not None:
        out["verbosity"] = fields["verbosity"]
    return out


def _tools(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`tools` and `tool_choice`; the older `functions` make one call at a time."""
    tools, old = fields.get("tools"), fields.get("functions")
    if tools:
        out: dict[str, Any] = {"tools": _each(_tool, tools)}
        choice = fields.get("tool_choice")
    elif old:
        out = {"tools": _each(_function, old), "parallel_tool_calls": False}
        choice = fields.get("function_call")
        choice = {"type": "function", "function": choice} if isinstance(choice, Mapping) else choice
    else:
        return {}
    if choice is not None:
        out["tool_choice"] = _choice(choice)
    return out


def _each(shape: Callable[[Mapping[str, Any]], dict[str, Any]], given: Any) -> Any:
    """What is no list of objects goes up as it is, for the API to refuse."""
    if not isinstance(given, list):
        return given
    return [shape(one) if isinstance(one, Mapping) else one for one in given]


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    if tool.get("type") == "custom":
        custom = dict(_mapping(tool.get("custom")))
        wanted = custom.get("format")
        if isinstance(wanted, Mapping) and isinstance(wanted.get("grammar"), Mapping):
            custom["format"] = {"type": wanted.get("type"), **wanted["grammar"]}
        return {"type": "custom", **custom}
    return _function(_mapping(tool.get("function")))


def _function(function: Mapping[str, Any]) -> dict[str, Any]:
    out = {"type": "function", **function, "strict": bool(function.get("strict"))}
    out.setdefault("parameters", {"type": "object", "properties": {}})
    return out


def _choice(choice: Any) -> Any:
    """Flattened: the name sits next to the type."""
    if not isinstance(choice, Mapping):
        return choice
    kind = str(choice.get("type"))
    inner = choice.get(kind)
    if not isinstance(inner, Mapping):
        return dict(choice)
    if kind == "allowed_tools":
        return {
            "type": kind,
            "mode": inner.get("mode"),
            "tools": [_choice(tool) for tool in inner.get("tools") or ()],
        }
    return {"type": kind, **inner}
