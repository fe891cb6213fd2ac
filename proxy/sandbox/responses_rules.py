"""Everything POST /v1/responses refuses: same families, other names and words. One walker, no I/O, first fault wins."""

from dataclasses import dataclass
from typing import Any

from proxy.sandbox import fields as f
from proxy.sandbox.catalogue import Model
from proxy.sandbox.chat_tools import check_name, check_parameters, check_schema
from proxy.sandbox.families import ALL_EFFORTS, VERBOSITIES
from proxy.sandbox.family_rules import TIERS, check_tier, prompt_size, takes
from proxy.sandbox.refusals import (
    array_too_long,
    bad,
    beyond,
    invalid_value,
    missing,
    spelled,
    unsupported_parameter,
    unsupported_value,
    wrong_type,
)
from proxy.sandbox.responses_items import Item, turns_of
from proxy.sandbox.talk import Choice, Conversation, Tool, Turn

FIELDS: dict[str, f.Check] = {
    "background": f.boolean,
    "context_management": f.array(),
    "conversation": f.anything,
    "include": f.array(of=f.string),
    "input": f.anything,
    "instructions": f.string,
    "max_output_tokens": f.integer(16),
    "max_tool_calls": f.integer(1),
    "metadata": f.metadata,
    "model": f.string,
    "moderation": f.an_object,
    "parallel_tool_calls": f.boolean,
    "previous_response_id": f.string,
    "prompt": f.an_object,
    "prompt_cache_key": f.string,
    "prompt_cache_options": f.an_object,
    "prompt_cache_retention": f.string,
    "reasoning": f.an_object,
    "safety_identifier": f.string,
    "service_tier": f.one_of(*TIERS),
    "store": f.boolean,
    "stream": f.boolean,
    "stream_options": f.an_object,
    "temperature": f.decimal(0, 2),
    "text": f.an_object,
    "tool_choice": f.anything,
    "tools": f.array(),
    "top_logprobs": f.integer(0, 20),
    "top_p": f.decimal(0, 1),
    "truncation": f.one_of("auto", "disabled"),
    "user": f.string,
}
_REASONING = ("effort", "summary", "generate_summary", "context", "mode")
_TEXT = ("format", "verbosity")
HOSTED = (
    "web_search",
    "web_search_preview",
    "file_search",
    "code_interpreter",
    "image_generation",
    "mcp",
    "computer",
    "computer_use_preview",
    "local_shell",
    "shell",
    "apply_patch",
    "tool_search",
    "namespace",
)
ENCRYPTED, LOGPROBS = "reasoning.encrypted_content", "message.output_text.logprobs"
INCLUDES = (
    ENCRYPTED,
    LOGPROBS,
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
)


@dataclass(frozen=True, slots=True)
class ResponsesAsk:
    """An accepted request. `items` is the whole context, stored turns included."""

    talk: Conversation
    items: tuple[Item, ...]
    effort: str
    prompt_tokens: int
    body: dict[str, Any]

    def includes(self, what: str) -> bool:
        return what in (self.body.get("include") or ())


def check_shape(body: dict[str, Any]) -> None:
    """Names, types and ranges, before the model is looked up. Raises `Refusal`."""
    for name in body:
        if name not in FIELDS:
            raise bad(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    f.check_fields(body, FIELDS)
    _nested_keys(body, "reasoning", _REASONING)
    _nested_keys(body, "text", _TEXT)
    _nested_keys(body, "stream_options", ("include_obfuscation",))
    if body.get("stream_options") is not None and not body.get("stream"):
        raise bad(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options"
        )
    for index, wanted in enumerate(body.get("include") or ()):
        if wanted not in INCLUDES:
            raise invalid_value(f"include[{index}]", wanted, INCLUDES)
    if body.get("previous_response_id") is not None and body.get("conversation") is not None:
        raise bad(
            "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. Ensure you are only providing "
            "one of: 'previous_response_id' or 'conversation'.",
            "previous_response_id",
            "mutually_exclusive_parameters",
        )


def read_responses(body: dict[str, Any], items: tuple[Item, ...], model: Model) -> ResponsesAsk:
    """Judge a well-shaped request with its whole context. Raises `Refusal`."""
    effort = _effort(body, model)
    _family(body, model, effort)
    tools = _tools(body.get("tools") or (), model)
    choice = _choice(body.get("tool_choice"), tools, bool(body.get("tools")))
    schema, json_object = _format(body, model)
    turns = turns_of(items, model)
    if body.get("instructions"):
        turns = (Turn("system", body["instructions"]), *turns)
    if not turns and body.get("prompt") is None:
        raise missing("input")
    if json_object and not any("json" in turn.text.lower() for turn in turns):
        raise bad(
            "Response input messages must contain the word 'json' in some form to use 'text.format' of type "
            "'json_object'.",
            "input",
        )
    talk = Conversation(
        turns=turns,
        tools=tools,
        choice=choice,
        parallel=body.get("parallel_tool_calls") is not False,
        schema=schema,
        json_object=json_object,
    )
    prompt = prompt_size(talk, model)
    if prompt > model.window:
        if body.get("truncation") != "auto":
            raise bad(
                "Your input exceeds the context window of this model. Please adjust your input and try again.",
                "input",
                "context_length_exceeded",
            )
        prompt = model.window
    return ResponsesAsk(talk, items, effort, prompt, body)


def _nested_keys(body: dict[str, Any], name: str, known: tuple[str, ...]) -> None:
    for key in body.get(name) or ():
        if key not in known:
            raise bad(f"Unknown parameter: '{name}.{key}'.", f"{name}.{key}", "unknown_parameter")


def _effort(body: dict[str, Any], model: Model) -> str:
    family, reasoning = model.family, body.get("reasoning") or {}
    for name in ("effort", "summary"):
        if reasoning.get(name) is not None and not family.reasoning:
            raise unsupported_parameter(f"reasoning.{name}")
    if reasoning.get("summary") is not None:
        f.one_of("concise", "detailed", "auto")(reasoning["summary"], "reasoning.summary")
    sent = reasoning.get("effort")
    if sent is None:
        return family.default_effort
    if sent not in ALL_EFFORTS:
        raise invalid_value("reasoning.effort", sent, ALL_EFFORTS)
    if sent not in family.responses_efforts:
        message = (
            f"Unsupported value: '{sent}' is not supported with the '{model.name}' model. "
            f"Supported values are: {spelled(family.responses_efforts)}."
        )
        raise bad(message, "reasoning.effort", "unsupported_value")
    return str(sent)


def _family(body: dict[str, Any], model: Model, effort: str) -> None:
    family = model.family
    for name in ("temperature", "top_p"):
        if body.get(name) not in (None, 1) and not takes(family.sampling, effort):
            raise unsupported_parameter(name)
    top, asked = body.get("top_logprobs") or 0, LOGPROBS in (body.get("include") or ())
    if (top or asked) and not takes(family.logprobs, effort):
        raise bad("logprobs are not supported with reasoning models.", "top_logprobs" if top else "include")
    if top > family.top_logprobs:
        raise beyond("top_logprobs", "integer", "above", family.top_logprobs, top)
    if ENCRYPTED in (body.get("include") or ()) and not family.reasoning:
        raise bad("Encrypted content is not supported with this model.", "include")
    verbosity = (body.get("text") or {}).get("verbosity")
    if verbosity is not None:
        f.one_of(*VERBOSITIES)(verbosity, "text.verbosity")
        if verbosity not in family.verbosity:
            raise unsupported_value("text.verbosity", verbosity, family.verbosity)
    check_tier(body, model)
    if body.get("prompt_cache_options") is not None and not family.cache_options:
        raise unsupported_parameter("prompt_cache_options")
    cap = body.get("max_output_tokens")
    if cap is not None and cap > model.max_output:
        raise beyond("max_output_tokens", "integer", "above", model.max_output, cap)


def _tools(given: Any, model: Model) -> tuple[Tool, ...]:
    if len(given) > 128:
        raise array_too_long("tools", 128, len(given))
    tools = [_tool(tool, f"tools[{index}]", model) for index, tool in enumerate(given)]
    return tuple(tool for tool in tools if tool is not None)


def _tool(tool: Any, where: str, model: Model) -> Tool | None:
    if not isinstance(tool, dict):
        raise wrong_type(where, "an object", tool)
    kind = tool.get("type")
    if kind is None:
        raise missing(f"{where}.type")
    if kind in HOSTED or str(kind).startswith("web_search"):
        return None
    if kind not in ("function", "custom"):
        raise invalid_value(f"{where}.type", kind, ("function", "custom", *HOSTED))
    if "function" in tool and "name" not in tool:
        raise missing(f"{where}.name")
    name = check_name(tool.get("name"), f"{where}.name", most=128)
    if kind == "custom":
        if not model.family.custom_tools:
            raise invalid_value(f"{where}.type", kind, ("function", *HOSTED))
        return Tool(name, custom=True)
    check_parameters(tool.get("parameters"), name, tool.get("strict"), f"{where}.parameters")
    return Tool(name, tool.get("parameters"), str(tool.get("description") or ""))


def _choice(given: Any, tools: tuple[Tool, ...], any_tools: bool) -> Choice:
    if given is None:
        return Choice()
    if isinstance(given, str):
        match given:
            case "auto" | "none" | "required":
                if given == "required" and not any_tools:
                    raise bad(
                        "Tool choice 'required' must be specified with 'tools' parameter.", "tool_choice"
                    )
                return Choice(given)
        raise invalid_value("tool_choice", given, ("none", "auto", "required"))
    if not isinstance(given, dict):
        raise wrong_type("tool_choice", "one of a string or object", given)
    kind = given.get("type")
    if kind == "allowed_tools":
        names = tuple(str(tool.get("name")) for tool in given.get("tools") or ())
        return Choice("required" if given.get("mode") == "required" else "auto", names)
    if kind in HOSTED:
        return Choice()
    if kind not in ("function", "custom"):
        raise invalid_value("tool_choice.type", kind, ("function", "custom", "allowed_tools", *HOSTED))
    name = given.get("name")
    if not isinstance(name, str):
        raise missing("tool_choice.name")
    if name not in {tool.name for tool in tools}:
        raise bad(f"Tool choice '{kind}' not found in 'tools' parameter.", "tool_choice")
    return Choice("named", (name,))


def _format(body: dict[str, Any], model: Model) -> tuple[Any, bool]:
    given = (body.get("text") or {}).get("format")
    if given is None:
        return None, False
    if not isinstance(given, dict):
        raise wrong_type("text.format", "an object", given)
    kind = given.get("type")
    if kind not in ("text", "json_object", "json_schema"):
        raise invalid_value("text.format.type", kind, ("json_object", "json_schema", "text"))
    if kind != "json_schema":
        return None, kind == "json_object"
    if "json_schema" in given:
        raise bad(
            "Unknown parameter: 'text.format.json_schema'.", "text.format.json_schema", "unknown_parameter"
        )
    if not model.family.json_schema:
        raise unsupported_parameter("text.format.type")
    return check_schema(given, "text.format.schema", "text.format"), False
