"""`n` answers from a model or endpoint that gives one: the request is sent n times and the answers become one.

Each part keeps its text; `index` becomes its number. id, created and model are the first part's, as all choices of one
answer share them. Usage is the sum over the parts: the prompt was paid n times, and that is what the caller is told.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from proxy.models.sse import DONE, EventSplitter, data_of, event

_SHARED = ("id", "created", "model", "system_fingerprint", "service_tier")


def merge_whole(bodies: Sequence[bytes]) -> bytes:
    """One chat answer out of several, choices in the order given. Raises ValueError when a body is not an answer."""
    answers = [_answer(body) for body in bodies]
    choices = [choice for answer in answers for choice in answer["choices"] if isinstance(choice, dict)]
    merged = {**answers[0], "choices": [{**choice, "index": i} for i, choice in enumerate(choices)]}
    usages = [answer["usage"] for answer in answers if isinstance(answer.get("usage"), dict)]
    if usages:
        merged["usage"] = sum_usage(usages)
    return msgspec.json.encode(merged)


def _answer(body: bytes) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = None
    if isinstance(answer, dict) and isinstance(answer.get("choices"), list):
        return answer
    raise ValueError("not a chat answer")


def sum_usage(usages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Every number added up, details included; other values as in the first usage that has them."""
    out: dict[str, Any] = {}
    for usage in usages:
        for name, value in usage.items():
            known = out.get(name)
            if isinstance(value, dict):
                out[name] = sum_usage([known if isinstance(known, dict) else {}, value])
            elif isinstance(value, int | float) and not isinstance(value, bool):
                out[name] = value + (known if isinstance(known, int | float) else 0)
            elif known is None:
                out[name] = value
    return out


class StreamMerger:
    """Several chat streams as one. `feed(part, block)` gives what to send on; `done` once every part said [DONE]."""

    __slots__ = ("_ended", "_head", "_last", "_splitters", "_usages", "done")

    def __init__(self, parts: int) -> None:
        self.done = False
        self._splitters = [EventSplitter() for _ in range(parts)]
        self._usages: list[dict[str, Any]] = []
        self._ended: set[int] = set()
        self._head: dict[str, Any] = {}
        self._last: dict[str, Any] = {}

    def feed(self, part: int, block: bytes) -> bytes:
        """The events of `part` with its index and the shared head; its own usage and [DONE] are kept back."""
        out = b"".join(self._event(part, whole) for whole in self._splitters[part].feed(block))
        if len(self._ended) == len(self._splitters) and not self.done:
            self.done = True
            out += self._ending()
        return out

    def _event(self, part: int, whole: bytes) -> bytes:
        data = data_of(whole)
        if data == b"[DONE]":
            self._ended.add(part)
            return b""
        try:
            chunk = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return whole
        if not isinstance(chunk, dict) or not isinstance(chunk.get("choices"), list):
            return whole
        if not self._head:
            self._head = {name: chunk[name] for name in _SHARED if name in chunk}
        chunk |= {name: value for name, value in self._head.items() if name in chunk}
        if isinstance(chunk.get("usage"), dict):
            self._usages.append(chunk["usage"])
            self._last = chunk
            if not chunk["choices"]:
                return b""
        chunk["choices"] = [
            {**choice, "index": part} for choice in chunk["choices"] if isinstance(choice, dict)
        ]
        return event(msgspec.json.encode(chunk))

    def _ending(self) -> bytes:
        if not self._usages:
            return DONE
        total = {**self._last, "choices": [], "usage": sum_usage(self._usages)}
        return event(msgspec.json.encode(total)) + DONE
