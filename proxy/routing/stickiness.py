"""Whether a conversation stays on the model it began with. Pure, and recomputed with every turn: nothing is stored.

Theory of operation. The request of a later turn contains the first: cut off behind the first question it is the *opening*,
and its verdict names the model that turn was served by. Cut off behind the last question it is the *asking*: the same for
every step of the tool loop which that question set off. So

    staying   is the opening's model
    moving    is the asking's own, decided anew with each question but never inside a tool loop: there the asking, and so
              the decision, stays what it was

A provider keeps a long prompt's prefix for a fraction of its price; another model has to read it anew. Moving must save
more than that, except where the question needs reasoning and the staying model does none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from proxy.routing.policy import usd

CACHED_FROM_TOKENS: Final = 1024
"""Shorter prefixes are not cached by providers."""

_CHARS_PER_TOKEN: Final = 4
_SHAPE: Final = ("instructions", "tools", "functions", "tool_choice", "response_format", "text")
_CALLS: Final = frozenset({"function_call", "custom_tool_call", "computer_call"})
_RESULTS: Final = frozenset({"function_call_output", "custom_tool_call_output", "computer_call_output"})


@dataclass(frozen=True, slots=True)
class Talk:
    """A request that continues a conversation. `prefix_tokens` (estimated) were sent before its last question."""

    opening: Mapping[str, Any]
    asking: Mapping[str, Any]
    prefix_tokens: int
    question_tokens: int
    in_tool_loop: bool


@dataclass(frozen=True, slots=True)
class Costs:
    """Expected cost of the turn in nano-dollars: with the model it stays on (prefix cached), and with the one it might
    move to, reading the prefix anew and if it had it cached too."""

    staying: int
    moving: int
    moving_cached: int


@dataclass(frozen=True, slots=True)
class Stance:
    """Who of the two serves, and why in words."""

    moves: bool
    why: str


def talk_of(fields: Mapping[str, Any]) -> Talk | None:
    """The conversation a decoded body continues; None for a first question that no tool has answered yet."""
    name, said = _said(fields)
    # Between two questions stands an answer: without a tool's result there are three messages at least.
    if len(said) < 2 or (len(said) == 2 and _role(said[1]) != "tool"):
        return None
    asked = [index for index, each in enumerate(said) if _role(each) == "user"]
    if not asked:
        return None
    first, last = asked[0], asked[-1]
    in_tool_loop = _role(said[-1]) == "tool"
    answered = any(_role(each) == "assistant" for each in said[first:last])
    if not answered and not in_tool_loop:
        return None
    shape = {key: fields.get(key) for key in _SHAPE}
    return Talk(
        opening={**shape, name: said[: first + 1]},
        asking={**shape, name: said[: last + 1]},
        prefix_tokens=_tokens(said[:last]) if answered else 0,
        question_tokens=_tokens(said[last : last + 1]),
        in_tool_loop=in_tool_loop,
    )


def opening_of(fields: Mapping[str, Any]) -> list[Any]:
    """What does not change as a conversation grows: everything up to its first question; all of what is no conversation."""
    said = _said(fields)[1]
    first = next((index for index, each in enumerate(said) if _role(each) == "user"), len(said))
    return said[: first + 1]


def asking_of(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The request cut off behind its last question: the same for every step of the tool loop which that sets off, and for
    the request that began it."""
    name, said = _said(fields)
    last = next((index for index in reversed(range(len(said))) if _role(said[index]) == "user"), len(said))
    return {**{key: fields.get(key) for key in _SHAPE}, name: said[: last + 1]}


def decide(talk: Talk, staying_reasons: bool, moving_reasons: bool, costs: Costs | None) -> Stance:
    """Whether the conversation moves to the asking's own model. `costs` None: one of them has no price."""
    if moving_reasons and not staying_reasons:
        return Stance(True, "this question needs reasoning, which the conversation's model does not do")
    if costs is None:
        return Stance(False, "without prices for both models nothing says that moving would save money")
    saving, lost = costs.staying - costs.moving_cached, costs.moving - costs.moving_cached
    figures = f"{usd(max(0, saving))} USD, and the cached prefix of about {talk.prefix_tokens} tokens is worth {usd(lost)}"
    return Stance(
        saving > lost, f"moving saves {figures}" if saving > 0 else f"moving saves nothing ({figures})"
    )


def _said(fields: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The field that holds the conversation, and what is in it; a bare text is a user's first message."""
    name = "messages" if fields.get("messages") is not None else "input"
    said = fields.get(name)
    if isinstance(said, str):
        return name, [{"role": "user", "content": said}]
    return name, said if isinstance(said, list) else []


def _role(message: Any) -> str:
    if not isinstance(message, dict):
        return ""
    kind = message.get("type")
    if isinstance(kind, str) and kind in _RESULTS:
        return "tool"
    if isinstance(kind, str) and kind in _CALLS:
        return "assistant"
    role = message.get("role")
    if not isinstance(role, str):
        return ""
    return "tool" if role == "function" else role


def _tokens(messages: Sequence[Any]) -> int:
    return sum([_chars(message) for message in messages]) // _CHARS_PER_TOKEN


def _chars(message: Any) -> int:
    """Characters of a message's text; what has no text counts nothing."""
    if not isinstance(message, dict):
        return 0
    content = message.get("content", message.get("output"))
    if isinstance(content, str):
        return len(content)
    if not isinstance(content, list):
        return 0
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    return sum([len(text) for text in texts if isinstance(text, str)])
