"""What one model's family refuses: sampling, logprobs, caps, tiers, tools and windows, from the tables of `families`."""

from typing import Any

from proxy.sandbox.catalogue import Model
from proxy.sandbox.families import When
from proxy.sandbox.refusals import (
    Refusal,
    bad,
    beyond,
    only_default,
    unsupported_parameter,
    unsupported_value,
)
from proxy.sandbox.talk import Conversation, Tool
from proxy.sandbox.tokens import image_tokens

TIERS = ("auto", "default", "flex", "scale", "priority", "fast")


def takes(when: When, effort: str) -> bool:
    return when == "always" or (when == "effort_none" and effort == "none")


def check_family(body: dict[str, Any], model: Model, effort: str, doubts: frozenset[str]) -> None:
    family = model.family
    open_question = effort == "none" and family.name.startswith(("gpt-5.", "gpt-6"))
    if body.get("max_tokens") is not None and not family.max_tokens:
        raise unsupported_parameter("max_tokens", "Use 'max_completion_tokens' instead.")
    check_sampling(body, model, effort)
    for name in ("presence_penalty", "frequency_penalty"):
        doubtful = open_question and "penalties_on_5x" not in doubts
        if body.get(name) and not takes(family.penalties, effort) and not doubtful:
            raise unsupported_parameter(name)
    _logprobs(body, model, effort)
    if body.get("logit_bias") and not family.logit_bias:
        raise unsupported_parameter("logit_bias")
    if (
        body.get("stop") is not None
        and not family.stop
        and not (open_question and "stop_on_5x" not in doubts)
    ):
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


def check_breakpoint(part: dict[str, Any], where: str, model: Model) -> None:
    """Cache breakpoints in content parts are known from gpt-5.6 on."""
    if part.get("prompt_cache_breakpoint") is not None and not model.family.cache_options:
        name = f"{where}.prompt_cache_breakpoint"
        raise bad(f"Unknown parameter: '{name}'.", name, "unknown_parameter")


def check_sampling(body: dict[str, Any], model: Model, effort: str) -> None:
    """Temperature and top_p other than 1."""
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
            raise beyond("top_logprobs", "integer", "above", family.top_logprobs, top)


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


def check_chat_tools(
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
