"""Everything POST /v1/chat/completions refuses, from the family tables: one walker, no I/O, first fault wins.

Order, as the API checks: unknown arguments, model, types and ranges, coupled rules, what the family takes, tokens.
"""

from dataclasses import dataclass
from typing import Any

from proxy.sandbox import fields as f
from proxy.sandbox.catalogue import Model
from proxy.sandbox.chat_messages import message_names_tokens, read_messages
from proxy.sandbox.chat_tools import read_choice, read_format, read_tools
from proxy.sandbox.families import ALL_EFFORTS, VERBOSITIES, When
from proxy.sandbox.refusals import (
    Refusal,
    bad,
    invalid_value,
    only_default,
    unsupported_parameter,
    unsupported_value,
)
from proxy.sandbox.talk import Conversation, Tool
from proxy.sandbox.tokens import image_tokens

TIERS = ("auto", "default", "flex", "scale", "priority", "fast")
FIELDS: dict[str, f.Check] = {
    "messages": lambda value, name: None,
    "model": f.string,
    "audio": f.an_object,
    "frequency_penalty": f.decimal(-2, 2),
    "function_call": lambda value, name: None,
    "functions": lambda value, name: None,
    "logit_bias": f.logit_bias,
    "logprobs": f.boolean,
    "max_completion_tokens": f.integer(1),
    "max_tokens": f.integer(1),
    "metadata": f.metadata,
    "modalities": f.array(least=1, of=f.one_of("text", "audio")),
    "moderation": f.an_object,
    "n": f.integer(1, 128),
    "parallel_tool_calls": f.boolean,
    "prediction": f.an_object,
    "presence_penalty": f.decimal(-2, 2),
    "prompt_cache_key": f.string,
    "prompt_cache_options": f.an_object,
    "prompt_cache_retention": f.string,
    "reasoning_effort": f.string,
    "response_format": f.an_object,
    "safety_identifier": f.string,
    "seed": f.integer(),
    "service_tier": f.one_of(*TIERS),
    "stop": f.stop,
    "store": f.boolean,
    "stream": f.boolean,
    "stream_options": f.an_object,
    "temperature": f.decimal(0, 2),
    "tool_choice": lambda value, name: None,
    "tools": lambda value, name: None,
    "top_logprobs": f.integer(0, 20),
    "top_p": f.decimal(0, 1),
    "user": f.string,
    "verbosity": f.one_of(*VERBOSITIES),
    "web_search_options": f.an_object,
}
_STREAM_OPTIONS: dict[str, f.Check] = {"include_usage": f.boolean, "include_obfuscation": f.boolean}


@dataclass(frozen=True, slots=True)
class ChatAsk:
    """An accepted request: the conversation and what shapes its answer. `cap` None means the model's own."""

    talk: Conversation
    effort: str
    cap: int | None
    prompt_tokens: int
    audio_tokens: int
    body: dict[str, Any]


def read_chat(body: dict[str, Any], model: Model, doubts: frozenset[str]) -> ChatAsk:
    """Judge a request for a model that exists and lives. Raises `Refusal`."""
    _unknown_arguments(body)
    f.check_fields(body, FIELDS)
    turns = read_messages(body.get("messages"), model, nested_unknown="nested_unknown" in doubts)
    tools = read_tools(body, model)
    choice = read_choice(body, tools)
    schema, json_object = read_format(body, model)
    _coupled(body, tools, doubts)
    effort = _effort(body, model)
    _family(body, model, effort, doubts)
    _tools_allowed(body, model, tools, effort, doubts)
    talk = Conversation(
        turns=turns,
        tools=tools,
        choice=choice,
        parallel=body.get("parallel_tool_calls") is not False and "functions" not in body,
        schema=schema,
        json_object=json_object,
        seed=str(body.get("seed") or ""),
    )
    if json_object and not any("json" in turn.text.lower() for turn in turns):
        raise bad(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
            "messages",
        )
    cap = body.get("max_completion_tokens") or body.get("max_tokens")
    audio = sum(turn.audio_tokens for turn in turns)
    prompt = prompt_size(talk, model) + audio + message_names_tokens(body["messages"])
    check_window(model, prompt, cap, "max_tokens" if body.get("max_tokens") else "max_completion_tokens")
    return ChatAsk(talk, effort, cap, prompt, audio, body)


def prompt_size(talk: Conversation, model: Model) -> int:
    cost = model.family.image_cost
    images = sum(image_tokens(url, detail, cost) for turn in talk.turns for url, detail in turn.images)
    return talk.text_tokens() + images


def check_window(model: Model, prompt: int, cap: int | None, cap_name: str) -> None:
    """Output cap and context window, with the texts frameworks search for."""
    if cap is not None and cap > model.max_output:
        message = (
            f"{cap_name} is too large: {cap}. This model supports at most {model.max_output} completion tokens, "
            f"whereas you provided {cap}."
        )
        raise bad(message, cap_name, "invalid_value")
    if model.family.shared_window:
        if prompt > model.window:
            message = (
                f"This model's maximum context length is {model.window} tokens. However, your messages resulted in "
                f"{prompt} tokens. Please reduce the length of the messages."
            )
            raise bad(message, "messages", "context_length_exceeded")
        if cap is not None and prompt + cap > model.window:
            message = (
                f"This model's maximum context length is {model.window} tokens. However, you requested "
                f"{prompt + cap} tokens ({prompt} in the messages, {cap} in the completion). Please reduce the "
                "length of the messages or completion."
            )
            raise bad(message, "messages", "context_length_exceeded")
    elif prompt > model.window:
        message = (
            f"Input tokens exceed the configured limit of {model.window} tokens. Your messages resulted in {prompt} "
            "tokens. Please reduce the length of the messages."
        )
        raise bad(message, "messages", "context_length_exceeded")


def _unknown_arguments(body: dict[str, Any]) -> None:
    unknown = [name for name in body if name not in FIELDS]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        raise bad(f"Unrecognized request argument{plural} supplied: {', '.join(unknown)}")


def _coupled(body: dict[str, Any], tools: tuple[Tool, ...], doubts: frozenset[str]) -> None:
    """Rules that tie one parameter to another, whatever the model."""
    if body.get("stream_options") is not None:
        if not body.get("stream"):
            raise bad(
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options"
            )
        f.check_fields(body["stream_options"], _STREAM_OPTIONS)
        unknown = next((key for key in body["stream_options"] if key not in _STREAM_OPTIONS), None)
        if unknown:
            raise bad(
                f"Unknown parameter: 'stream_options.{unknown}'.",
                f"stream_options.{unknown}",
                "unknown_parameter",
            )
    if body.get("tools") is None:
        for name in ("tool_choice", "parallel_tool_calls"):
            if body.get(name) is not None:
                raise bad(
                    f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified.", name
                )
    if body.get("function_call") is not None and not tools:
        raise bad(
            "Invalid value for 'function_call': 'function_call' is only allowed when 'functions' are specified.",
            "function_call",
        )
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        raise bad("'logprobs' must be set to true when 'top_logprobs' is used.", "top_logprobs")
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        raise bad(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            "max_tokens",
            "invalid_parameter_combination",
        )
    if "metadata_needs_store" in doubts and body.get("metadata") and not body.get("store"):
        raise bad("The 'metadata' parameter is only allowed when 'store' is enabled.", "metadata")


def _effort(body: dict[str, Any], model: Model) -> str:
    """The effective effort: as sent when the family knows it, else the family's default."""
    sent, family = body.get("reasoning_effort"), model.family
    if sent is None:
        return family.default_effort
    if not family.efforts:
        raise bad("Unrecognized request argument supplied: reasoning_effort")
    if sent not in ALL_EFFORTS:
        raise invalid_value("reasoning_effort", sent, ALL_EFFORTS)
    if sent not in family.efforts:
        raise unsupported_value("reasoning_effort", sent, family.efforts)
    return str(sent)


def takes(when: When, effort: str) -> bool:
    return when == "always" or (when == "effort_none" and effort == "none")


def _family(body: dict[str, Any], model: Model, effort: str, doubts: frozenset[str]) -> None:
    family = model.family
    dotted = family.name.startswith(("gpt-5.", "gpt-6", "astra"))
    if body.get("max_tokens") is not None and not family.max_tokens:
        raise unsupported_parameter("max_tokens", "Use 'max_completion_tokens' instead.")
    check_sampling(body, model, effort)
    for name in ("presence_penalty", "frequency_penalty"):
        if body.get(name) and not takes(family.penalties, effort):
            if not dotted or effort != "none" or "penalties_on_5x" in doubts:
                raise unsupported_parameter(name)
    _logprobs(body, model, effort)
    if body.get("logit_bias") and not family.logit_bias:
        raise unsupported_parameter("logit_bias")
    if body.get("stop") is not None and not family.stop:
        if not dotted or effort != "none" or "stop_on_5x" in doubts:
            raise unsupported_parameter("stop")
    if body.get("prediction") is not None and not family.prediction:
        raise unsupported_parameter("prediction")
    if (body.get("n") or 1) > 1 and family.name in ("astra", "gpt-6.2") and "n_on_6" in doubts:
        raise only_default("n", body["n"], 1)
    verbosity = body.get("verbosity")
    if verbosity is not None and verbosity not in family.verbosity:
        raise unsupported_value("verbosity", verbosity, family.verbosity)
    check_tier(body, model)
    for name in ("prompt_cache_options",):
        if body.get(name) is not None and not family.cache_options:
            raise unsupported_parameter(name)
    _audio(body, model)


def check_sampling(body: dict[str, Any], model: Model, effort: str) -> None:
    """temperature and top_p other than 1."""
    family = model.family
    for name in ("temperature", "top_p"):
        value = body.get(name)
        if value is not None and value != 1 and not takes(family.sampling, effort):
            if family.sampling_code == "unsupported_parameter":
                raise unsupported_parameter(name)
            raise only_default(name, value, 1)


def check_tier(body: dict[str, Any], model: Model) -> None:
    if body.get("service_tier") == "flex" and not model.family.flex:
        raise bad("Invalid service_tier argument", "service_tier")


def _logprobs(body: dict[str, Any], model: Model, effort: str) -> None:
    family = model.family
    if body.get("logprobs"):
        if not takes(family.logprobs, effort):
            if family.logprobs_status == 403:
                raise Refusal(403, "You are not allowed to request logprobs from this model")
            raise unsupported_parameter("logprobs")
        top = body.get("top_logprobs") or 0
        if top > family.top_logprobs:
            raise bad(
                f"Invalid 'top_logprobs': integer above maximum value. Expected a value <= {family.top_logprobs}, "
                f"but got {top} instead.",
                "top_logprobs",
                "integer_above_max_value",
            )


def _audio(body: dict[str, Any], model: Model) -> None:
    wants = "audio" in (body.get("modalities") or ())
    if wants and not model.family.audio:
        raise bad(
            "This model does not support audio output. Try one of the audio models.",
            "modalities",
            "invalid_value",
        )
    if wants and body.get("audio") is None:
        raise bad("Missing required parameter: 'audio'.", "audio", "missing_required_parameter")
    if body.get("audio") is not None and not wants:
        raise bad("'audio' is only allowed when 'modalities' includes \"audio\".", "audio")


def _tools_allowed(
    body: dict[str, Any], model: Model, tools: tuple[Tool, ...], effort: str, doubts: frozenset[str]
) -> None:
    family = model.family
    if body.get("parallel_tool_calls") is not None and not family.parallel_tool_calls:
        raise unsupported_parameter("parallel_tool_calls")
    rule: When = family.chat_tools
    if family.name == "gpt-6.2" and "chat_tools_on_6.2" not in doubts:
        rule = "always"
    if family.name in ("gpt-5.1", "gpt-5.2") and "tools_with_effort_on_5.2" in doubts:
        rule = "effort_none"
    if tools and not takes(rule, effort):
        raise bad(
            f"Function tools with reasoning_effort are not supported for {model.name} in /v1/chat/completions. "
            "To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
            "reasoning_effort",
        )
