"""From a reply to what fits: hidden reasoning first, then visible pieces until the cap, a stop sequence or the end."""

from dataclasses import dataclass

from proxy.sandbox.brain import Reply, reasoning_tokens, reply
from proxy.sandbox.talk import Conversation, ToolCall
from proxy.sandbox.tokens import pieces

FILLER = "wagon "


@dataclass(frozen=True, slots=True)
class Spoken:
    """One choice. `output` counts visible, hidden and rejected tokens; `finish` is the chat finish_reason."""

    text: tuple[str, ...]
    refusal: bool
    calls: tuple[tuple[ToolCall, tuple[str, ...]], ...]
    reasoning: int
    finish: str
    accepted: int = 0
    rejected: int = 0

    @property
    def output(self) -> int:
        visible = len(self.text) + sum(1 + len(args) for _, args in self.calls)
        return self.reasoning + visible + self.rejected


@dataclass(frozen=True, slots=True)
class Limits:
    """What ends an answer: `room` tokens in all, stop texts, or a forced size in tokens (`filler`). `broken`: the last token is lost, `wordy`:
    text is that much longer."""

    effort: str
    room: int
    stops: tuple[str, ...] = ()
    prediction: str = ""
    filler: int = 0
    broken: bool = False
    wordy: float = 1.0


def speak(talk: Conversation, limits: Limits, variant: int = 0) -> Spoken:
    said = reply(talk, variant)
    reasoning = reasoning_tokens(talk.digest(), limits.effort)
    if reasoning >= limits.room:
        return Spoken((), refusal=False, calls=(), reasoning=limits.room, finish="length")
    if limits.filler:
        return Spoken((FILLER,) * limits.filler, refusal=False, calls=(), reasoning=reasoning, finish="stop")
    room = limits.room - reasoning
    if said.calls:
        return _call(said, limits, reasoning, room)
    return _say(said, limits, reasoning, room)


def _say(said: Reply, limits: Limits, reasoning: int, room: int) -> Spoken:
    text, finish = said.refusal or said.text, "stop"
    cuts = [at for stop in limits.stops if stop and (at := text.find(stop)) >= 0]
    if cuts:
        text = text[: min(cuts)]
    parts = pieces(text)[: -1 if limits.broken else None]
    parts += [FILLER] * round(len(parts) * (limits.wordy - 1))
    if said.filtered:
        parts, finish = parts[: len(parts) // 2], "content_filter"
    if len(parts) > room:
        parts, finish = parts[:room], "length"
    accepted, rejected = _predicted(parts, limits.prediction)
    return Spoken(tuple(parts), bool(said.refusal), (), reasoning, finish, accepted, rejected)


def _call(said: Reply, limits: Limits, reasoning: int, room: int) -> Spoken:
    calls: list[tuple[ToolCall, tuple[str, ...]]] = []
    finish = "stop" if said.forced else "tool_calls"
    for call in said.calls:
        if room <= 0:
            finish = "length"
            break
        args = pieces(call.arguments)[: -1 if limits.broken else None]
        if len(args) > room - 1:
            args, finish = args[: room - 1], "length"
        calls.append((call, tuple(args)))
        room -= 1 + len(args)
    return Spoken((), refusal=False, calls=tuple(calls), reasoning=reasoning, finish=finish)


def _predicted(parts: list[str], prediction: str) -> tuple[int, int]:
    if not prediction:
        return 0, 0
    guessed = pieces(prediction)
    accepted = sum(1 for mine, theirs in zip(parts, guessed, strict=False) if mine == theirs)
    return accepted, min(64, len(guessed) - accepted)
