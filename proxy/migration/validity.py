"""Whether an answer is what its request asked for: something at all, JSON, the schema, calls of the tools there are. Pure.

Judged from the decoded answer as the caller got it, however it was asked for (chat or Responses, streamed or whole: said.py).
A refusal is an answer. JSON that a cap cut off is no JSON: the caller cannot use it, whoever chose the cap.

    ""                all is well
    empty             no text, no refusal, no call, nothing to be done
    json, schema      `response_format` (`text.format`) asked for it and it is not
    tool_arguments    arguments that are no JSON object
    tool_name         a tool that was not offered
    tool_schema       arguments that break the schema of a strict tool
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from proxy.migration.fitting import fits

Format = Literal["text", "json", "schema"]
_NO_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call as the model wrote it; `free`: its input is text, not JSON."""

    name: str
    arguments: str
    free: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """One answer (of n). `acts`: it holds a picture, or a step for the caller to take that is no call of a function."""

    text: str = ""
    refusal: str = ""
    calls: tuple[ToolCall, ...] = ()
    acts: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks of the form of its answer. `tools` maps names to the schema of strict tools, None for others; `more`:
    there may be tools that the request does not list."""

    form: Format = "text"
    schema: Any = None
    tools: Mapping[str, Any] = field(default_factory=dict)
    more: bool = False


def wanted_by(fields: Mapping[str, Any]) -> Wanted:
    """Read from a chat or Responses body; what has an unexpected shape asks for nothing."""
    asked = _mapping(fields.get("response_format")) or _mapping(_mapping(fields.get("text")).get("format"))
    offered = [*_items(fields.get("tools")), *_items(fields.get("functions"))]
    tools = _tools(offered)
    # A stored prompt has tools of its own, and a search brings others with what it finds.
    more = bool(_mapping(fields.get("prompt"))) or any(each.get("type") == "tool_search" for each in offered)
    if asked.get("type") == "json_schema":
        held = _mapping(asked.get("json_schema")) or asked
        return Wanted("schema", held.get("schema"), tools, more)
    return Wanted("json" if asked.get("type") == "json_object" else "text", None, tools, more)


def _tools(offered: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Names and schemas, those within namespaces too; of two alike nobody says which is called, so neither is held to its schema."""
    tools: dict[str, Any] = {}
    grouped = [
        each for tool in offered if tool.get("type") == "namespace" for each in _items(tool.get("tools"))
    ]
    for tool in (*offered, *grouped):
        inner = _mapping(tool.get("function")) or _mapping(tool.get("custom")) or tool
        name = inner.get("name")
        if isinstance(name, str) and tool.get("type") != "namespace":
            strict = inner.get("strict") is True and name not in tools
            tools[name] = inner.get("parameters") if strict else None
    return tools


def fault_of(wanted: Wanted, answers: Sequence[Said]) -> str:
    """The first thing that is wrong with any of the answers; "" when nothing is."""
    if not answers:
        return "empty"
    return next((fault for said in answers if (fault := _fault(wanted, said))), "")


def _fault(wanted: Wanted, said: Said) -> str:
    if said.refusal:
        return ""
    if not said.calls and not said.text.strip():
        return "" if said.acts else "empty"
    if not said.calls:
        return _text_fault(wanted, said.text)
    return next((fault for call in said.calls if (fault := _call_fault(wanted, call))), "")


def _text_fault(wanted: Wanted, text: str) -> str:
    if wanted.form == "text":
        return ""
    try:
        value = msgspec.json.decode(text)
    except _NO_JSON:
        return "json"
    if wanted.form == "json":
        return "" if isinstance(value, dict) else "json"
    return "" if fits(value, wanted.schema) else "schema"


def _call_fault(wanted: Wanted, call: ToolCall) -> str:
    if call.name not in wanted.tools and not wanted.more:
        return "tool_name"
    if call.free:
        return ""
    try:
        value = msgspec.json.decode(call.arguments or "{}")
    except _NO_JSON:
        return "tool_arguments"
    if not isinstance(value, dict):
        return "tool_arguments"
    schema = wanted.tools.get(call.name)
    return "" if schema is None or fits(value, schema) else "tool_schema"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _items(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
