"""What the simulated model says: a pure function of the conversation.

Theory of operation. The last user text may carry directives (`[[sandbox:say=...]]`, `words=N`, `refuse`, `filter`),
else the answer is a sentence drawn from the seed. Tools are called when the choice forces it or the last user text
mentions them: by name ("call a then b then c" in three steps, "call a and b" at once) or by a telling part of the
name ("the weather" for get_weather). After the results the answer is text that quotes them.
"""

import re
from dataclasses import dataclass

import msgspec

from proxy.sandbox.directives import Directive, directives, without
from proxy.sandbox.schema import Writer
from proxy.sandbox.talk import Conversation, Tool, ToolCall
from proxy.sandbox.tokens import digest

_STORY = (
    "the signal turns green and every wagon rolls toward its own track while café lights glow → naïve questions "
    "find plain answers; a small model may answer first, a larger one checks the sum, 日本 and Ελλάδα share one "
    "timetable 🚂 and nobody waits long because the points were set before the train arrived"
)
_WORDS = _STORY.split()
_DULL_WORDS = "call tool function fetch find look make send this that with from"
_DULL = frozenset(_DULL_WORDS.split())
REFUSAL = "I'm sorry, but I can't assist with that request."
_EFFORT_TOKENS = {"none": 0, "minimal": 0, "low": 64, "medium": 192, "high": 512, "xhigh": 1024, "max": 2048}


@dataclass(frozen=True, slots=True)
class Reply:
    """What comes back: text, or a refusal, or tool calls; `forced` when the caller named the tool."""

    text: str = ""
    refusal: str = ""
    calls: tuple[ToolCall, ...] = ()
    forced: bool = False
    filtered: bool = False


def reasoning_tokens(seed: int, effort: str) -> int:
    """Hidden tokens spent before the first visible one, in the API's steps of 64."""
    base = _EFFORT_TOKENS[effort]
    return base + 64 * (seed % 3) if base else 0


def reply(talk: Conversation, variant: int = 0) -> Reply:
    """The answer to a conversation; `variant` is the choice index when several are asked for."""
    seed = digest(str(talk.digest()), str(variant))
    given = directives(talk.last_user())
    calls = _calls(talk, seed)
    if calls:
        return Reply(calls=calls, forced=talk.choice.mode == "named")
    if "refuse" in given:
        return Reply(refusal=REFUSAL)
    text = _text(talk, given, seed)
    return Reply(text=text, filtered="filter" in given)


def _text(talk: Conversation, given: dict[str, Directive], seed: int) -> str:
    if "say" in given:
        return given["say"].value
    if talk.schema is not None:
        value = _writer(talk.schema, talk, seed).value(talk.schema)
        return msgspec.json.encode(value).decode()
    if talk.json_object:
        return msgspec.json.encode({"answer": " ".join(_sentence(seed, 6)), "number": seed % 100}).decode()
    results = [turn.text for turn in talk.since_last_user() if turn.rank == "tool"]
    if results:
        return "The tools say: " + "; ".join(result[:200] for result in results) + "."
    wanted = int(given["words"].value) if "words" in given else 12 + seed % 24
    words = _sentence(seed, wanted)
    text = " ".join(words)
    return text[:1].upper() + text[1:] + "."


def _sentence(seed: int, wanted: int) -> list[str]:
    start = seed % len(_WORDS)
    return [_WORDS[(start + index * 7) % len(_WORDS)] for index in range(wanted)]


def _calls(talk: Conversation, seed: int) -> tuple[ToolCall, ...]:
    tools = [tool for tool in talk.tools if not talk.choice.names or tool.name in talk.choice.names]
    if not tools or talk.choice.mode == "none":
        return ()
    said = without(talk.last_user())
    mentioned = _mentioned(tools, said)
    done = sum(len(turn.calls) for turn in talk.since_last_user())
    left = mentioned[done:]
    if not left and talk.choice.mode in ("required", "named") and not (done and mentioned):
        left = tools[:1]
    if re.search(r"\bthen\b", said) or not talk.parallel:
        left = left[:1]
    hints = _hints(said)
    return tuple(_call(tool, seed, done + index, hints) for index, tool in enumerate(left))


def _mentioned(tools: list[Tool], said: str) -> list[Tool]:
    """Tools the text names, in the order of their first mention, else those it hints at."""
    found = [
        (match.start(), tool) for tool in tools if (match := re.search(rf"\b{re.escape(tool.name)}\b", said))
    ]
    if found:
        return [tool for _, tool in sorted(found, key=lambda pair: pair[0])]
    lowered = said.lower()
    return [tool for tool in tools if any(re.search(rf"\b{word}", lowered) for word in _telling(tool.name))]


def _telling(name: str) -> list[str]:
    words = re.findall(r"[A-Za-z][a-z]+|[A-Z]+", name)
    return [word.lower() for word in words if len(word) > 3 and word.lower() not in _DULL]


def _hints(said: str) -> tuple[list[str], list[int]]:
    words = re.findall(r"(?<=[a-z,:] )[A-Z][a-zé]+", said)
    return words, [int(found) for found in re.findall(r"(?<![\w.])\d{1,6}(?![\w.])", said)]


def _call(tool: Tool, seed: int, ordinal: int, hints: tuple[list[str], list[int]]) -> ToolCall:
    call_seed = digest(str(seed), tool.name, str(ordinal))
    call_id = f"call_{call_seed:016x}{digest(str(call_seed)):016x}"[:29]
    if tool.custom:
        return ToolCall(call_id, tool.name, f"input for {tool.name}", custom=True)
    writer = Writer(tool.parameters, call_seed, *hints)
    value = writer.value(tool.parameters or {"type": "object", "properties": {}})
    return ToolCall(call_id, tool.name, msgspec.json.encode(value).decode())


def _writer(schema: object, talk: Conversation, seed: int) -> Writer:
    return Writer(schema, seed, *_hints(without(talk.last_user())))
