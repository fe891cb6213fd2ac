"""What happens to each parameter the target may not take: one short rule per field, looked up by name.

A rule sees a value that was sent (never null) and edits the draft or does nothing. What a rule drops it lists; what
can be had another way (stop, n) is emulated; what nobody can replace excludes the target. Caps are in caps.py, effort
and endpoint in reasoning.py. A value of the wrong type is left alone: the provider explains it better.
"""

from collections.abc import Callable, Mapping
from typing import Any

from proxy.models.bridge.request import CARRIED, SEALED
from proxy.models.draft import Draft

Rule = Callable[[Draft, str, Any], None]

_LOGPROBS = "message.output_text.logprobs"
_BILLED_TIERS = {"flex": "flex", "priority": "priority", "fast": "priority"}


def _sampling(draft: Draft, name: str, value: Any) -> None:
    if value != 1 and not draft.takes(draft.family.sampling):
        draft.drop(name)


def _penalty(draft: Draft, name: str, value: Any) -> None:
    if value != 0 and not draft.family.penalties:
        draft.drop(name)


def _logit_bias(draft: Draft, name: str, value: Any) -> None:
    if not draft.family.logit_bias:
        draft.drop(name, loss=bool(value))


def _prediction(draft: Draft, name: str, value: Any) -> None:
    """Only a speed-up: the answer means the same without it, but it is the caller's money that asked."""
    del value
    if not draft.family.prediction or draft.endpoint == "responses":
        draft.drop(name)


def _logprobs(draft: Draft, name: str, value: Any) -> None:
    if value is not True:
        return
    if draft.takes(draft.family.logprobs) and draft.endpoint == "chat":
        return
    if not draft.last_resort:
        draft.exclude("logprobs")
    draft.drop(name)
    if draft.fields.get("top_logprobs") is not None:
        draft.drop("top_logprobs")


def _top_logprobs(draft: Draft, name: str, value: Any) -> None:
    most = draft.family.max_top_logprobs
    if name in draft.edits or not isinstance(value, int) or not draft.takes(draft.family.logprobs):
        return
    if value > most:
        draft.put(name, most, f"{name}:{value}->{most}", loss=True)


def _stop(draft: Draft, name: str, value: Any) -> None:
    if draft.family.stop and draft.endpoint == "chat":
        return
    strings = [value] if isinstance(value, str) else value
    if not isinstance(strings, list) or not all(isinstance(item, str) for item in strings):
        return
    draft.stop = tuple(item for item in strings if item)
    draft.drop(name, "stop:emulated", loss=False)


def _n(draft: Draft, name: str, value: Any) -> None:
    if draft.endpoint != "responses" or not isinstance(value, int) or isinstance(value, bool):
        return
    draft.set_quietly(name, None)
    if value > 1:
        draft.fan_out = value
        draft.note("n:fanned_out")


def _parallel_tool_calls(draft: Draft, name: str, value: Any) -> None:
    """Models that refuse the field make one call at a time anyway, so `false` keeps its effect without it."""
    del value
    if not draft.family.parallel_tool_calls:
        draft.drop(name, loss=False)


def _verbosity(draft: Draft, name: str, value: Any) -> None:
    if isinstance(value, str) and value not in draft.family.verbosity:
        draft.drop(name)


def _service_tier(draft: Draft, name: str, value: Any) -> None:
    """A tier the target is not sold in has no price, and a cheaper tier changes when, not what, is answered."""
    tier = _BILLED_TIERS.get(value) if isinstance(value, str) else None
    if tier and not any(tier in price.tiers for _begins, price in draft.target.prices):
        draft.drop(name, f"service_tier:{value}->default", loss=False)


def _cache_options(draft: Draft, name: str, value: Any) -> None:
    del value
    if not draft.family.cache_options:
        draft.drop(name, loss=False)


def _modalities(draft: Draft, name: str, value: Any) -> None:
    del name
    if isinstance(value, list) and "audio" in value and "audio" not in draft.target.modalities_out:
        draft.exclude("audio")


def _audio(draft: Draft, name: str, value: Any) -> None:
    del name, value
    if "audio" not in draft.target.modalities_out:
        draft.exclude("audio")


def _response_format(draft: Draft, name: str, value: Any) -> None:
    del name
    if isinstance(value, dict) and value.get("type") == "json_schema" and not draft.family.json_schema:
        draft.exclude("json_schema")


def _tools(draft: Draft, name: str, value: Any) -> None:
    del name
    kinds = (
        {tool.get("type") for tool in value if isinstance(tool, dict)} if isinstance(value, list) else set()
    )
    if "custom" in kinds and not draft.family.custom_tools:
        draft.exclude("custom_tools")


def _store(draft: Draft, name: str, value: Any) -> None:
    """Through the bridge nothing is stored: a stored response is not the stored chat completion that was asked for."""
    if value is True and draft.endpoint != draft.wire:
        draft.drop(name)


def no_counterpart(draft: Draft, name: str, value: Any) -> None:
    """A chat field the bridge cannot carry."""
    del value
    if name not in CARRIED and draft.endpoint != draft.wire:
        draft.drop(name)


CHAT_RULES: Mapping[str, Rule] = {
    "temperature": _sampling,
    "top_p": _sampling,
    "presence_penalty": _penalty,
    "frequency_penalty": _penalty,
    "logit_bias": _logit_bias,
    "prediction": _prediction,
    "logprobs": _logprobs,
    "top_logprobs": _top_logprobs,
    "stop": _stop,
    "n": _n,
    "parallel_tool_calls": _parallel_tool_calls,
    "verbosity": _verbosity,
    "service_tier": _service_tier,
    "prompt_cache_options": _cache_options,
    "modalities": _modalities,
    "audio": _audio,
    "response_format": _response_format,
    "tools": _tools,
    "store": _store,
}


def _text(draft: Draft, name: str, value: Any) -> None:
    verbosity = value.get("verbosity") if isinstance(value, dict) else None
    if isinstance(verbosity, str) and verbosity not in draft.family.verbosity:
        kept = {key: item for key, item in value.items() if key != "verbosity"}
        draft.put(name, kept, "verbosity:dropped", loss=True)


def _include(draft: Draft, name: str, value: Any) -> None:
    if not isinstance(value, list):
        return
    kept = list(value)
    if _LOGPROBS in kept and not draft.takes(draft.family.logprobs):
        if not draft.last_resort:
            draft.exclude("logprobs")
        kept.remove(_LOGPROBS)
        draft.note("logprobs:dropped", loss=True)
    if SEALED in kept and not draft.family.reasons:
        kept.remove(SEALED)
        draft.note(f"include:{SEALED} dropped")
    if kept != value:
        draft.set_quietly(name, kept)


def _responses_top_logprobs(draft: Draft, name: str, value: Any) -> None:
    if not draft.takes(draft.family.logprobs):
        draft.drop(name)
    else:
        _top_logprobs(draft, name, value)


RESPONSES_RULES: Mapping[str, Rule] = {
    "temperature": _sampling,
    "top_p": _sampling,
    "include": _include,
    "top_logprobs": _responses_top_logprobs,
    "parallel_tool_calls": _parallel_tool_calls,
    "service_tier": _service_tier,
    "prompt_cache_options": _cache_options,
    "text": _text,
    "tools": _tools,
}
