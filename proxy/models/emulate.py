"""Stop sequences for models that take none: the answer is cut where the provider would have stopped.

As at OpenAI the match itself is not shown and `finish_reason` is `stop`. Only the text of a choice is searched: tool-call
arguments are never cut, but tool calls *after* a match would not have been written, so they go too.

In a stream, events pass byte for byte. One is held back only while the text so far could be the beginning of a stop
sequence, and released unchanged when it was not. At a match the event is shortened, a `finish_reason: stop` event
follows, and later events of that choice are dropped. When every choice is cut, `done` is set: the caller sends `ending()`
and bills what was seen, or reads on for the usage; nothing that is fed after that comes out. `feed` never raises on what an
upstream sends; what it cannot read passes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from proxy.models.sse import DONE, EventSplitter, data_of, event

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    tool_calls: msgspec.Raw | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] = []


_chunk = msgspec.json.Decoder(_Chunk)


def find_stop(text: str, stops: Sequence[str], start: int = 0) -> int:
    """Where the earliest stop sequence begins at or after `start`, -1 when there is none."""
    found = [at for at in (text.find(stop, start) for stop in stops) if at >= 0]
    return min(found, default=-1)


def held_back(text: str, stops: Sequence[str]) -> int:
    """How many characters at the end of `text` could be the beginning of a stop sequence."""
    longest = min(len(text), max((len(stop) for stop in stops), default=1) - 1)
    for size in range(longest, 0, -1):
        tail = text[-size:]
        if any(stop.startswith(tail) for stop in stops):
            return size
    return 0


def cut_whole(body: bytes, stops: Sequence[str]) -> bytes:
    """A whole chat answer with every choice cut at its first stop sequence. Without a match the same bytes."""
    try:
        answer = msgspec.json.decode(body)
    except _UNREADABLE:
        return body
    choices = answer.get("choices") if isinstance(answer, dict) else None
    cut = [_cut_choice(choice, stops) for choice in choices] if isinstance(choices, list) else []
    return msgspec.json.encode(answer) if any(cut) else body


def _cut_choice(choice: Any, stops: Sequence[str]) -> bool:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict) or not isinstance(message.get("content"), str):
        return False
    at = find_stop(message["content"], stops)
    if at < 0:
        return False
    message["content"] = message["content"][:at]
    message.pop("tool_calls", None)
    choice["finish_reason"] = "stop"
    _trim_logprobs(choice, at)
    return True


@dataclass(slots=True)
class _Held:
    """One choice of the stream: events that may yet be cut, the text they carry, whether it is over."""

    events: list[tuple[bytes, str]] = field(default_factory=list)
    text: str = ""
    over: bool = False


class StopCutter:
    """The machine for one chat stream. `choices` is the request's `n`."""

    __slots__ = ("_choices", "_expected", "_last", "_splitter", "_stops", "done")

    def __init__(self, stops: Sequence[str], choices: int = 1) -> None:
        self.done = False
        self._stops = tuple(stops)
        self._expected = choices
        self._choices: dict[int, _Held] = {}
        self._splitter = EventSplitter()
        self._last = b""

    def feed(self, block: bytes) -> bytes:
        """What of this block may be sent on."""
        out: list[bytes] = []
        for whole in self._splitter.feed(block):
            if self.done:
                break
            try:
                self._event(whole, out)
            except _UNREADABLE:
                out.append(whole)
        return b"".join(out)

    def finish(self) -> bytes:
        """What was held when the stream ended without saying so; nothing after a cut."""
        if self.done:
            return b""
        out: list[bytes] = []
        self._release_all(out)
        return b"".join(out) + self._splitter.rest

    def ending(self, usage: Mapping[str, Any] | msgspec.Raw | None = None) -> bytes:
        """What closes a stream that was cut: the usage chunk when the client asked for one, then [DONE]."""
        tail = b""
        if usage is not None and self._last:
            chunk = msgspec.json.decode(self._last)
            tail = event(msgspec.json.encode({**chunk, "choices": [], "usage": usage}))
        return tail + DONE

    def _event(self, whole: bytes, out: list[bytes]) -> None:
        data = data_of(whole)
        try:
            choices = _chunk.decode(data).choices if data.startswith(b"{") else []
        except _UNREADABLE:
            choices = []
        if not choices:
            if data:
                self._release_all(out)
            out.append(whole)
        elif len(choices) == 1:
            self._choice(choices[0], whole, data, out)
        else:
            for choice, part in zip(choices, _split(data), strict=True):
                self._choice(choice, event(part), part, out)

    def _choice(self, choice: _Choice, whole: bytes, data: bytes, out: list[bytes]) -> None:
        held = self._choices.setdefault(choice.index, _Held())
        if held.over:
            return
        content = (choice.delta.content or "") if choice.delta else ""
        if not content:
            self._plain(choice, held, whole, out)
            return
        held.events.append((whole, content))
        held.text += content
        at = find_stop(held.text, self._stops)
        if at >= 0:
            self._cut(held, at, data, out)
        elif choice.finish_reason:
            held.over = True
            self._release(held, 0, out)
        else:
            self._release(held, held_back(held.text, self._stops), out)

    def _plain(self, choice: _Choice, held: _Held, whole: bytes, out: list[bytes]) -> None:
        """An event without text: the role, a tool call, a finish. Text held before it can no longer become a match."""
        calls = choice.delta is not None and choice.delta.tool_calls is not None
        if choice.finish_reason or calls:
            self._release(held, 0, out)
            held.over = bool(choice.finish_reason)
        if held.events:
            held.events.append((whole, ""))
        else:
            out.append(whole)

    def _release(self, held: _Held, keep: int, out: list[bytes]) -> None:
        """Send the events whose text lies wholly before the last `keep` characters."""
        free = len(held.text) - keep
        while held.events and len(held.events[0][1]) <= free:
            whole, content = held.events.pop(0)
            out.append(whole)
            held.text = held.text[len(content) :]
            free -= len(content)

    def _release_all(self, out: list[bytes]) -> None:
        for held in self._choices.values():
            if not held.over:
                self._release(held, 0, out)

    def _cut(self, held: _Held, at: int, data: bytes, out: list[bytes]) -> None:
        """The text before `at` goes out, the rest is dropped, and the choice is over."""
        for whole, content in held.events:
            if len(content) <= at:
                out.append(whole)
                at -= len(content)
                continue
            shortened = _shortened(data_of(whole), content, at)
            if shortened:
                out.append(event(shortened))
            break
        out.append(event(_stopped(data)))
        held.over, held.events, held.text = True, [], ""
        over = [choice.over for choice in self._choices.values()]
        self._last = data
        self.done = all(over) and len(over) >= self._expected


def _split(data: bytes) -> list[bytes]:
    chunk = msgspec.json.decode(data)
    return [msgspec.json.encode({**chunk, "choices": [choice]}) for choice in chunk["choices"]]


def _shortened(data: bytes, content: str, at: int) -> bytes:
    """The chunk with its text cut to `at` characters; b"" when nothing worth sending is left."""
    chunk = msgspec.json.decode(data)
    choice = chunk["choices"][0]
    if at == 0 and "role" not in choice["delta"]:
        return b""
    choice["delta"]["content"] = content[:at]
    choice["finish_reason"] = None
    choice["delta"].pop("tool_calls", None)
    _trim_logprobs(choice, at)
    return msgspec.json.encode(chunk)


def _stopped(data: bytes) -> bytes:
    chunk = msgspec.json.decode(data)
    choice = chunk["choices"][0]
    ended = {**choice, "delta": {}, "finish_reason": "stop"}
    if "logprobs" in choice:
        ended["logprobs"] = None
    return msgspec.json.encode({**chunk, "choices": [ended]})


def _trim_logprobs(choice: dict[str, Any], at: int) -> None:
    """Keep the log probabilities of tokens that lie before the cut."""
    logprobs = choice.get("logprobs")
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(logprobs, dict) or not isinstance(tokens, list):
        return
    kept, seen = [], 0
    for token in tokens:
        seen += len(str(token.get("token", ""))) if isinstance(token, dict) else 0
        if seen > at:
            break
        kept.append(token)
    choice["logprobs"] = {**logprobs, "content": kept}
