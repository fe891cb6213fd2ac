"""What of a caller's body may reach litellm: an allow-list, since many of its keyword arguments choose hosts and keys.

A field that is not listed is refused by name rather than dropped, except those that change nothing about the answer. So are
contents that litellm would fetch by itself (an image by URL) and tools that run at the provider. Pure.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

CHAT: Final = frozenset(
    (
        *("messages", "stream", "stream_options", "temperature", "top_p", "n", "stop", "seed", "user"),
        *("max_tokens", "max_completion_tokens", "presence_penalty", "frequency_penalty", "logit_bias"),
        *("logprobs", "top_logprobs", "tools", "tool_choice", "functions", "function_call"),
        *("parallel_tool_calls", "response_format", "reasoning_effort"),
    )
)
EMBEDDINGS: Final = frozenset({"input", "dimensions", "encoding_format", "user"})
WITHOUT_EFFECT: Final = frozenset(
    (
        *("store", "metadata", "safety_identifier", "service_tier"),
        *("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options"),
    )
)
"""Fields about bookkeeping at OpenAI: leaving them out changes no answer."""

_TOOLS: Final = frozenset({"function", "custom"})
_PARTS: Final = frozenset({"text", "refusal", "image_url", "input_audio", "file"})


class Refused(Exception):
    """The body has something that must not or cannot be passed on: `code` and `param` are OpenAI's."""

    def __init__(self, message: str, param: str, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.param, self.code = message, param, code


def arguments(body: bytes, allowed: frozenset[str]) -> tuple[str, dict[str, Any]]:
    """(model, keyword arguments) of a JSON body. Raises Refused."""
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or not isinstance(fields.get("model"), str):
        raise Refused("The request body is not an object with a model.", "model")
    model = fields.pop("model")
    given = {name: value for name, value in fields.items() if value is not None}
    for name in given.keys() - allowed - WITHOUT_EFFECT:
        raise Refused(
            f"Unsupported parameter: '{name}' is not supported with this provider.",
            name,
            "unsupported_parameter",
        )
    for tool in _each(given.get("tools")):
        if tool.get("type") not in _TOOLS:
            raise Refused("Only function tools are supported with this provider.", "tools")
    for part in _parts(given.get("messages")):
        _check_part(part)
    return model, {name: value for name, value in given.items() if name in allowed}


def _each(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def _parts(messages: Any) -> Iterator[Mapping[str, Any]]:
    for message in _each(messages):
        yield from _each(message.get("content"))


def _check_part(part: Mapping[str, Any]) -> None:
    """Content must come inline: the body never chooses where we connect to."""
    kind = part.get("type")
    if kind not in _PARTS:
        raise Refused(f"Content of type {kind!r} is not supported with this provider.", "messages")
    if kind == "image_url":
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, dict) else image
        if not isinstance(url, str) or not url.startswith("data:"):
            raise Refused("Images must be data URLs with this provider.", "messages")
    if kind == "file":
        file = part.get("file")
        data = file.get("file_data") if isinstance(file, dict) else None
        if not isinstance(data, str) or not data.startswith("data:") or "file_id" in (file or {}):
            raise Refused("Files must be inline data URLs with this provider.", "messages")
