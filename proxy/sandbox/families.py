"""What each model family takes and refuses on chat/completions and /v1/responses. Data only; `chat_rules` walks it.

A `When` says under which *effective* effort (the one sent, else the family's default) a parameter is taken:
`always`, `effort_none`, `never`. So for gpt-5.4 (default none) leaving the effort out is as good as `none`, and for
gpt-5.6 (default medium) only the explicit `none` opens temperature, logprobs and chat tools.
"""

from dataclasses import dataclass, replace
from typing import Literal

When = Literal["always", "effort_none", "never"]

O_EFFORTS = ("low", "medium", "high")
ALL_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
VERBOSITIES = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class ImageCost:
    """Tokens of an image: `base + tile x tiles` (512 px tiles), or 32 px patches x `patch` (when > 0)."""

    base: int = 85
    tile: int = 170
    patch: float = 0.0


@dataclass(frozen=True, slots=True)
class Family:
    name: str
    chat: bool = True
    reasoning: bool = True
    efforts: tuple[str, ...] = ()
    responses_efforts: tuple[str, ...] = ()
    default_effort: str = "none"
    max_tokens: bool = False
    sampling: When = "never"
    sampling_code: Literal["unsupported_value", "unsupported_parameter"] = "unsupported_value"
    penalties: When = "never"
    logprobs: When = "never"
    logprobs_status: Literal[400, 403] = 400
    top_logprobs: int = 20
    logit_bias: bool = False
    stop: bool = False
    chat_tools: When = "always"
    parallel_tool_calls: bool = True
    prediction: bool = False
    verbosity: tuple[str, ...] = VERBOSITIES
    flex: bool = True
    cache_options: bool = False
    shared_window: bool = False
    audio: bool = False
    custom_tools: bool = True
    json_schema: bool = True
    tunable: bool = False
    image_cost: ImageCost = ImageCost(70, 140)


_CLASSIC = Family(
    name="gpt-4.1",
    reasoning=False,
    max_tokens=True,
    sampling="always",
    penalties="always",
    logprobs="always",
    logit_bias=True,
    stop=True,
    prediction=True,
    verbosity=("medium",),
    flex=False,
    shared_window=True,
    custom_tools=False,
    tunable=True,
    image_cost=ImageCost(85, 170),
)
_O = Family(
    name="o",
    efforts=O_EFFORTS,
    responses_efforts=O_EFFORTS,
    default_effort="medium",
    logprobs_status=403,
    parallel_tool_calls=False,
    verbosity=("medium",),
    shared_window=True,
    custom_tools=False,
    tunable=True,
    image_cost=ImageCost(75, 150),
)
_GPT5 = Family(
    name="gpt-5",
    efforts=("minimal", *O_EFFORTS),
    responses_efforts=("minimal", *O_EFFORTS),
    default_effort="medium",
    logprobs_status=403,
)
_GPT51 = replace(
    _GPT5,
    name="gpt-5.1",
    efforts=("none", *O_EFFORTS),
    responses_efforts=("none", *O_EFFORTS),
    default_effort="none",
    sampling="effort_none",
    logprobs="effort_none",
    logprobs_status=400,
    top_logprobs=5,
)
_GPT52 = replace(
    _GPT51,
    name="gpt-5.2",
    efforts=("none", *O_EFFORTS, "xhigh"),
    responses_efforts=("none", *O_EFFORTS, "xhigh"),
)
_GPT54 = replace(_GPT52, name="gpt-5.4", chat_tools="effort_none")
_GPT56 = replace(
    _GPT54,
    name="gpt-5.6",
    default_effort="medium",
    responses_efforts=("none", *O_EFFORTS, "xhigh", "max"),
    cache_options=True,
)
_ASTRA = replace(
    _GPT56,
    name="astra",
    efforts=(*O_EFFORTS, "xhigh"),
    responses_efforts=(*O_EFFORTS, "xhigh", "max"),
    sampling="never",
    logprobs="never",
    chat_tools="never",
)
_OPEN = replace(
    _CLASSIC,
    name="open",
    reasoning=True,
    efforts=O_EFFORTS,
    responses_efforts=O_EFFORTS,
    default_effort="medium",
    prediction=False,
    verbosity=VERBOSITIES,
    tunable=False,
)


def _other(name: str) -> Family:
    return replace(_CLASSIC, name=name, chat=False, tunable=False)


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        _CLASSIC,
        replace(_CLASSIC, name="gpt-4", json_schema=False),
        replace(_CLASSIC, name="audio", audio=True, prediction=False),
        _O,
        # Flex was sold for o3 and o4-mini only; o3-mini names the parameter instead of the value.
        replace(_O, name="o1", flex=False),
        replace(_O, name="o3-mini", sampling_code="unsupported_parameter", flex=False),
        _GPT5,
        _GPT51,
        _GPT52,
        _GPT54,
        _GPT56,
        _ASTRA,
        replace(_ASTRA, name="gpt-6.2"),
        _OPEN,
        *map(_other, ("embedding", "moderation", "speech", "transcription", "image", "instruct")),
    )
}
