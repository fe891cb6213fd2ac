"""Tools, tool choice and response format of chat/completions: shape checks and the shared form they become."""

import re
from typing import Any

from proxy.sandbox.catalogue import Model
from proxy.sandbox.refusals import (
    array_too_long,
    bad,
    empty_array,
    invalid_value,
    missing,
    unsupported_parameter,
    wrong_type,
)
from proxy.sandbox.schema import malformed, strict_faults
from proxy.sandbox.talk import Choice, Tool

_NAME = re.compile(r"^[a-zA-Z0-9_-]+$")
MAX_TOOLS = 128


def check_name(name: Any, where: str, most: int = 64) -> str:
    """A tool or schema name: letters, digits, underscores, dashes."""
    if name is None:
        raise missing(where)
    if not isinstance(name, str):
        raise wrong_type(where, "a string", name)
    if not name or len(name) > most or not _NAME.match(name):
        raise bad(
            f"Invalid '{where}': string does not match pattern. Expected a string that matches the pattern "
            "'^[a-zA-Z0-9_-]+$'.",
            where,
            "invalid_value",
        )
    return name


def check_parameters(parameters: Any, name: str, strict: Any, where: str) -> None:
    """A function's schema: an object, and strict when it says so."""
    if parameters is None:
        return
    if not isinstance(parameters, dict):
        raise wrong_type(where, "an object", parameters)
    if not parameters:
        return
    if parameters.get("type") != "object":
        kind = parameters.get("type")
        raise bad(
            f"Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"', "
            f"got 'type: \"{kind}\"'.",
            where,
            "invalid_function_parameters",
        )
    fault = malformed(parameters) or (next(strict_faults(parameters), None) if strict is True else None)
    if fault:
        raise bad(f"Invalid schema for function '{name}': {fault}", where, "invalid_function_parameters")


def read_tools(body: dict[str, Any], model: Model) -> tuple[Tool, ...]:
    """`tools`, or the older `functions`."""
    given = body.get("tools")
    if given is None:
        return _read_functions(body.get("functions"))
    if not isinstance(given, list):
        raise wrong_type("tools", "an array of objects", given)
    if not given:
        raise empty_array("tools")
    if len(given) > MAX_TOOLS:
        raise array_too_long("tools", MAX_TOOLS, len(given))
    return tuple(_read_tool(tool, f"tools[{index}]", model) for index, tool in enumerate(given))


def _read_functions(given: Any) -> tuple[Tool, ...]:
    if given is None:
        return ()
    if not isinstance(given, list):
        raise wrong_type("functions", "an array of objects", given)
    if not given:
        raise empty_array("functions")
    tools = []
    for index, function in enumerate(given):
        if not isinstance(function, dict):
            raise wrong_type(f"functions[{index}]", "an object", function)
        name = check_name(function.get("name"), f"functions[{index}].name")
        check_parameters(function.get("parameters"), name, False, f"functions[{index}].parameters")
        tools.append(Tool(name, function.get("parameters")))
    return tuple(tools)


def _read_tool(tool: Any, where: str, model: Model) -> Tool:
    if not isinstance(tool, dict):
        raise wrong_type(where, "an object", tool)
    kind = tool.get("type")
    allowed = ("function", "custom") if model.family.custom_tools else ("function",)
    if kind is None:
        raise missing(f"{where}.type")
    if kind not in allowed:
        raise invalid_value(f"{where}.type", kind, allowed)
    inner = tool.get(kind)
    if not isinstance(inner, dict):
        raise missing(f"{where}.{kind}")
    name = check_name(inner.get("name"), f"{where}.{kind}.name")
    if kind == "custom":
        return Tool(name, custom=True)
    check_parameters(inner.get("parameters"), name, inner.get("strict"), f"{where}.function.parameters")
    return Tool(name, inner.get("parameters"), str(inner.get("description") or ""))


def read_choice(body: dict[str, Any], tools: tuple[Tool, ...]) -> Choice:
    """`tool_choice`, or the older `function_call`."""
    given = body.get("tool_choice")
    if given is None and body.get("functions") is not None:
        old = body.get("function_call")
        given = {"type": "function", "function": old} if isinstance(old, dict) else old
    if given is None:
        return Choice()
    if isinstance(given, str):
        return _word(given)
    if not isinstance(given, dict):
        raise wrong_type("tool_choice", "one of a string or object", given)
    return _choice_object(given, {tool.name for tool in tools})


def _word(given: str) -> Choice:
    match given:
        case "auto" | "none" | "required":
            return Choice(given)
    raise invalid_value("tool_choice", given, ("none", "auto", "required"))


def _choice_object(given: dict[str, Any], known: set[str]) -> Choice:
    kind = given.get("type")
    if kind == "allowed_tools":
        allowed = given.get("allowed_tools")
        if not isinstance(allowed, dict) or allowed.get("mode") not in ("auto", "required"):
            raise missing("tool_choice.allowed_tools")
        names = tuple(str((tool.get("function") or tool).get("name")) for tool in allowed.get("tools") or ())
        return Choice("required" if allowed["mode"] == "required" else "auto", names)
    if kind not in ("function", "custom"):
        raise invalid_value("tool_choice.type", kind, ("function", "custom", "allowed_tools"))
    inner = given.get(kind)
    name = inner.get("name") if isinstance(inner, dict) else None
    if not isinstance(name, str):
        raise missing(f"tool_choice.{kind}.name")
    if name not in known:
        raise bad(
            f"Invalid value for 'tool_choice': 'tool_choice' specified function '{name}' but it was not found "
            "in the 'tools' parameter.",
            "tool_choice",
        )
    return Choice("named", (name,))


def read_format(body: dict[str, Any], model: Model) -> tuple[Any, bool]:
    """(`schema` or None, whether any JSON object is asked for)."""
    given = body.get("response_format")
    if given is None:
        return None, False
    if not isinstance(given, dict):
        raise wrong_type("response_format", "an object", given)
    kind = given.get("type")
    if kind is None:
        raise missing("response_format.type")
    if kind not in ("text", "json_object", "json_schema"):
        raise invalid_value("response_format.type", kind, ("json_object", "json_schema", "text"))
    if kind != "json_schema":
        return None, kind == "json_object"
    if not model.family.json_schema:
        raise unsupported_parameter("response_format.type")
    held = given.get("json_schema")
    if not isinstance(held, dict):
        raise missing("response_format.json_schema")
    return check_schema(held, "response_format", "response_format.json_schema"), False


def check_schema(held: dict[str, Any], what: str, where: str) -> Any:
    """A named output schema; `what` is how the API calls it in its message."""
    name = check_name(held.get("name"), f"{where}.name")
    schema = held.get("schema")
    if schema is None:
        if held.get("strict"):
            raise missing(f"{where}.schema")
        return {"type": "object", "properties": {}}
    if not isinstance(schema, dict):
        raise wrong_type(f"{where}.schema", "an object", schema)
    fault = malformed(schema) or (next(strict_faults(schema), None) if held.get("strict") is True else None)
    if fault:
        raise bad(f"Invalid schema for response_format '{name}': {fault}", what)
    return schema
