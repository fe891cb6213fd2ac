"""Everything POST /v1/chat/completions refuses, from the family tables: one walker, no I/O, first fault wins.

Order, as the API checks: unknown arguments, model, types and ranges, coupled rules, what the family takes, tokens.
"""

from dataclasses import dataclass
from typing import Any

from proxy.sandbox import fields as f
from proxy.sandbox.catalogue import Model
from proxy.sandbox.chat_messages import message_names_tokens, read_messages
from proxy.sandbox.chat_tools import read_choice, read_format, read_tools
from proxy.sandbox.families import ALL_EFFORTS, VERBOSITIES
from proxy.sandbox.family_rules import TIERS, check_chat_tools, check_family, check_window, prompt_size
from proxy.sandbox.refusals import bad, invalid_value, unsupported_value
from proxy.sandbox.talk import Conversation, Tool

FIELDS: dict[str, f.Check] = {
    "messages": f.anything,
    "model": f.string,
    "audio": f.an_object,
    "frequency_penalty": f.decimal(-2, 2),
    "function_call": f.anything,
    "functions": f.anything,
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
    "tool_choice": f.anything,
    "tools": f.anything,
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
    f.check_arguments(body, FIELDS)
    f.check_fields(body, FIELDS)
    turns = read_messages(body.get("messages"), model, nested_unknown="nested_unknown" in doubts)
    tools = read_tools(body, model)
    choice = read_choice(body, tools)
    schema, json_object = read_format(body, model)
    _coupled(body, tools, doubts)
    effort = _effort(body, model)
    check_family(body, model, effort, doubts)
    check_chat_tools(body, model, tools, effort, doubts)
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
