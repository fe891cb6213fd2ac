"""What each family of models accepts, one row of data per family (facts: provider documentation and recorded refusals).

A parameter whose acceptance depends on reasoning is `always`, `when-none` (only while the effort in force is none: the
one sent, else the default) or `never`. So gpt-5.4 (default none) takes a temperature when no effort is sent, gpt-5.6
(default medium) only with an explicit none, and gpt-6-astra never.

Efforts are listed from least to most; an effort a family does not have becomes its nearest neighbour, but none and the
others never become each other: a reasoning request keeps reasoning, a request without stays without.
"""

from dataclasses import dataclass, replace
from typing import Literal

from proxy.models.rows import ChatTools

When = Literal["always", "when-none", "never"]

_O_EFFORTS = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Family:
    """`default_effort` "" means the family does not reason. `allowance_tokens` is what hidden reasoning may need on top
    of a small output cap, by effort. `chat` False: not a chat model at all, nothing is translated to or from it."""

    name: str
    chat: bool = True
    efforts: tuple[str, ...] = ()
    responses_efforts: tuple[str, ...] = ()
    default_effort: str = ""
    max_tokens: bool = False
    sampling: When = "never"
    penalties: bool = False
    logprobs: When = "never"
    max_top_logprobs: int = 0
    logit_bias: bool = False
    stop: bool = False
    prediction: bool = False
    parallel_tool_calls: bool = True
    custom_tools: bool = True
    verbosity: tuple[str, ...] = ("low", "medium", "high")
    chat_tools: ChatTools = "chat"
    json_schema: bool = True
    cache_options: bool = False

    @property
    def reasons(self) -> bool:
        return bool(self.default_effort)


ALLOWANCE_TOKENS = {
    "none": 0,
    "minimal": 512,
    "low": 1024,
    "medium": 2048,
    "high": 8192,
    "xhigh": 16384,
    "max": 16384,
}
"""Hidden reasoning a cap must leave room for, by effort. Ten times less would leave short answers empty; ten times more
would only raise what a request may cost. The cap limits the sum, so what is not needed is not spent."""

_FAST = Family(
    name="gpt-4.1",
    max_tokens=True,
    sampling="always",
    penalties=True,
    logprobs="always",
    max_top_logprobs=20,
    logit_bias=True,
    stop=True,
    prediction=True,
    verbosity=("medium",),
    custom_tools=False,
)
_O_SERIES = Family(
    name="o-series",
    efforts=_O_EFFORTS,
    responses_efforts=_O_EFFORTS,
    default_effort="medium",
    verbosity=("medium",),
    parallel_tool_calls=False,
    custom_tools=False,
)
_GPT_5 = Family(
    name="gpt-5",
    efforts=("minimal", *_O_EFFORTS),
    responses_efforts=("minimal", *_O_EFFORTS),
    default_effort="medium",
)
_GPT_5_1 = replace(
    _GPT_5,
    name="gpt-5.1",
    efforts=("none", *_O_EFFORTS),
    responses_efforts=("none", *_O_EFFORTS),
    default_effort="none",
    sampling="when-none",
    logprobs="when-none",
    max_top_logprobs=5,
)
_GPT_5_2 = replace(
    _GPT_5_1,
    name="gpt-5.2",
    efforts=("none", *_O_EFFORTS, "xhigh"),
    responses_efforts=("none", *_O_EFFORTS, "xhigh"),
)
_GPT_5_4 = replace(_GPT_5_2, name="gpt-5.4", chat_tools="only-none")
_GPT_5_5 = replace(_GPT_5_4, name="gpt-5.5", default_effort="medium")
_GPT_5_6 = replace(
    _GPT_5_5,
    name="gpt-5.6",
    responses_efforts=("none", *_O_EFFORTS, "xhigh", "max"),
    cache_options=True,
)
_GPT_6_ASTRA = replace(
    _GPT_5_6,
    name="gpt-6-astra",
    efforts=(*_O_EFFORTS, "xhigh"),
    responses_efforts=(*_O_EFFORTS, "xhigh", "max"),
    sampling="never",
    logprobs="never",
    max_top_logprobs=0,
    chat_tools="responses",
)
# Open weights behind vLLM and its like: the classic parameters plus an effort.
_OPEN = replace(
    _FAST,
    name="open",
    efforts=_O_EFFORTS,
    responses_efforts=_O_EFFORTS,
    default_effort="medium",
    prediction=False,
)

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        _FAST,
        _O_SERIES,
        _GPT_5,
        _GPT_5_1,
        _GPT_5_2,
        _GPT_5_4,
        _GPT_5_5,
        _GPT_5_6,
        _GPT_6_ASTRA,
        _OPEN,
        replace(_FAST, name="gpt-4", json_schema=False, prediction=False),
        replace(_FAST, name="gpt-audio", prediction=False),
        # Open weights that do not reason: an effort would be refused, and a cap needs no allowance.
        replace(_FAST, name="open-fast", prediction=False),
        # Other providers through litellm, which translates for them: everything OpenAI's classic API takes, and an
        # effort where the price map says the model reasons (none unless asked).
        replace(_FAST, name="foreign"),
        replace(_OPEN, name="foreign-reasoning", efforts=("none", *_O_EFFORTS), default_effort="none"),
        *(
            Family(name=name, chat=False)
            for name in ("embedding", "moderation", "audio", "image", "completion")
        ),
    )
}


def nearest_effort(effort: str, accepted: tuple[str, ...], order: tuple[str, ...]) -> str:
    """The accepted effort closest to `effort`, the higher one when two are as close. none stays none or becomes the
    least there is; any other effort never becomes none. "" when nothing is accepted."""
    if effort in accepted or not accepted:
        return effort if effort in accepted else ""
    if effort == "none":
        return accepted[0]
    living = [known for known in accepted if known != "none"]
    rank = order.index(effort)
    return min(living, key=lambda known: (abs(order.index(known) - rank), -order.index(known)), default="")
