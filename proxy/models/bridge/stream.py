"""Responses events as chat chunks: one machine per stream, fed blocks, giving chat bytes.

    event                                   chunk
    response.created                        none (id, created and model are taken from it)
    response.output_item.added (message)    the role, content ""
    response.output_item.added (call)       the call's id, type and name, once; the role with the first
    response.output_text.delta              content
    response.refusal.delta                  refusal
    response.function_call_arguments.delta  arguments of that call's index
    response.output_item.done               whatever of its text or arguments no delta brought
    response.completed | incomplete         the same for each item of its output; finish_reason, the usage chunk, [DONE]
    response.failed | error                 data: {"error": ...} and nothing after it
    anything else                           none

Every chunk carries `"usage": null` and the last one the usage, as if the client had asked: the meter behind takes both
out for a client that did not. A stream that stops without its last event ends without [DONE], so a cut stays a cut.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from proxy.models.bridge.answer import (
    Asked,
    annotation_of,
    call_of,
    error_of,
    finish_of,
    head_of,
    parts_of,
    usage_of,
)
from proxy.models.bridge.memory import Sealed
from proxy.models.sse import DONE, EventSplitter, data_of, event


@dataclass(slots=True)
class _Item:
    """An output item while it is written: its kind, its call's name, the index of its call, how much of its text went out."""

    kind: str
    name: str = ""
    call: int = -1
    sent: int = 0


class ChatStream:
    """`feed` takes upstream's bytes and returns chat bytes; it never raises on what an upstream sends.

    After the end `sealed` is what to remember for the next step of a tool loop.
    """

    __slots__ = ("_asked", "_calls", "_head", "_items", "_over", "_role_sent", "_splitter", "sealed")

    def __init__(self, asked: Asked) -> None:
        self.sealed: Sealed | None = None
        self._asked = asked
        self._splitter = EventSplitter()
        self._head: dict[str, Any] = head_of({}, "chat.completion.chunk")
        self._items: dict[int, _Item] = {}
        self._calls = 0
        self._role_sent = False
        self._over = False

    def feed(self, block: bytes) -> bytes:
        """The chat chunks of the events this block completes."""
        out: list[bytes] = []
        for whole in self._splitter.feed(block):
            if self._over:
                break
            self._event(whole, out)
        return b"".join(out)

    def _event(self, whole: bytes, out: list[bytes]) -> None:
        data = data_of(whole)
        if not data:
            out.append(whole)
            return
        try:
            happened = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if not isinstance(happened, dict):
            return
        if happened.get("type") == "error" or ("error" in happened and "type" not in happened):
            self._fail(happened.get("error") or happened, out)
            return
        handle = _HANDLERS.get(str(happened.get("type")))
        if handle is not None:
            handle(self, happened, out)

    def _created(self, happened: Mapping[str, Any], out: list[bytes]) -> None:
        del out
        response = happened.get("response")
        if isinstance(response, dict):
            self._head = head_of(response, "chat.completion.chunk")

    def _added(self, happened: Mapping[str, Any], out: list[bytes]) -> None:
        item = happened.get("item")
        if not isinstance(item, dict):
            return
        kind = str(item.get("type"))
        state = _Item(kind, _name(item))
        self._items[_number(happened)] = state
        if kind == "message":
            self._role(out)
        elif kind in _ARGUMENTS:
            state.call = self._calls
            self._calls += 1
            self._open_call(item, state, out)

    def _open_call(self, item: Mapping[str, Any], state: _Item, out: list[bytes]) -> None:
        opening = call_of({**item, "arguments": "", "input": ""})
        delta: dict[str, Any] = {}
        if not self._role_sent:
            delta = {"role": "assistant", "content": None}
            self._role_sent = True
        if self._asked.old:
            delta["function_call"] = opening["function"]
        else:
            delta["tool_calls"] = [{"index": state.call, **opening}]
        self._chunk(delta, out)

    def _text(self, happened: Mapping[str, Any], out: list[bytes]) -> None:
        state = self._items.setdefault(_number(happened), _Item("message"))
        self._role(out)
        self._say(state, "content", happened, out)

    def _refusal(self, happened: Mapping[str, Any], out: list[bytes]) -> None:
        state = self._items.setdefault(_number(happened), _Item("message"))
        self._role(out)
        self._say(state, "refusal", happened, out)

    def _say(self, state: _Item, name: str, happened: Mapping[str, Any], out: list[bytes]) -> None:
        delta = happened.get("delta")
        if isinstance(delta, str) and delta:
            state.sent += len(delta)
            self._chunk({name: delta}, out, happened.get("obfuscation"))

    def _annotation(self, happened: Mapping[str, Any], out: list[bytes]) -> None:
        given = happened.get("annotation")
        if isinstance(given, dict):
            self._chunk({"annotations": [annotation_of(given)]}, out)

    def _arguments(self, happened: Mapping[str, Any], out: list[bytes]) -> None:
        state = self._items.get(_number(happened))
        delta = happened.get("delta")
        if state is not None and state.call >= 0 and isinstance(delta, str) and delta:
            self._write_arguments(state, delta, out, happened.get("obfuscation"))

    def _write_arguments(self, state: _Item, text: str, out: list[bytes], padding: Any = None) -> None:
        state.sent += len(text)
        if self._asked.old:
            delta: dict[str, Any] = {"function_call": {"arguments": text}}
        else:
            outer, inner = _ARGUMENTS[state.kind]
            delta = {"tool_calls": [{"index": state.call, outer: {inner: text}}]}
        self._chunk(delta, out, padding)

    def _item_done(self, happened: Mapping[str, Any], out: list[bytes]) -> None:
        """Text or arguments that came only here, from servers that send no deltas."""
        item, number = happened.get("item"), _number(happened)
        if not isinstance(item, dict):
            return
        if number not in self._items:
            self._added(happened, out)
        state = self._items.get(number)
        if state is None:
            return
        if state.call >= 0:
            rest = str(item.get(_ARGUMENTS[state.kind][1]) or "")[state.sent :]
            if rest:
                self._write_arguments(state, rest, out)
        elif state.kind == "message" and state.sent == 0:
            for part in parts_of(item):
                name, key = ("refusal", "refusal") if part.get("type") == "refusal" else ("content", "text")
                self._say(state, name, {"delta": part.get(key)}, out)

    def _finished(self, happened: Mapping[str, Any], out: list[bytes]) -> None:
        response = happened.get("response")
        response = response if isinstance(response, dict) else {}
        output = response.get("output")
        output = output if isinstance(output, list) else None
        if self._head["model"] is None:  # no event before this one said whose answer it is
            self._head = head_of(response, "chat.completion.chunk")
        self._head["service_tier"] = response.get("service_tier")
        self._remaining(output or (), out)
        self._role(out)
        self._chunk({}, out, finish=finish_of(response, self._asked, called=self._calls > 0))
        usage = response.get("usage")
        if isinstance(usage, dict):
            out.append(event(msgspec.json.encode({**self._head, "choices": [], "usage": usage_of(usage)})))
        out.append(DONE)
        if output is not None:
            self.sealed = Sealed.of([item for item in output if isinstance(item, dict)])
        self._over = True

    def _remaining(self, output: Sequence[Any], out: list[bytes]) -> None:
        """What no event before the last one brought. Not every server numbers its events, or numbers them as its output:
        nothing is said where it may be the same thing under another number."""
        known = {state.kind for state in self._items.values()}
        for index, item in enumerate(output):
            if not isinstance(item, dict):
                continue
            state = self._items.get(index)
            same = state is not None and (state.kind, state.name) == (str(item.get("type")), _name(item))
            if same or str(item.get("type")) not in known:
                self._item_done(
                    {"output_index": index if same or state is None else -2 - index, "item": item}, out
                )

    def _failed(self, happened: Mapping[str, Any], out: list[bytes]) -> None:
        response = happened.get("response")
        self._fail(response.get("error") if isinstance(response, dict) else None, out)

    def _fail(self, error: Any, out: list[bytes]) -> None:
        out.append(event(msgspec.json.encode({"error": error_of({"error": error})})))
        self._over = True

    def _role(self, out: list[bytes]) -> None:
        if not self._role_sent:
            self._role_sent = True
            self._chunk({"role": "assistant", "content": "", "refusal": None}, out)

    def _chunk(
        self, delta: Mapping[str, Any], out: list[bytes], padding: Any = None, *, finish: str | None = None
    ) -> None:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        chunk = {**self._head, "choices": [choice], "usage": None}
        if isinstance(padding, str):
            chunk["obfuscation"] = padding
        out.append(event(msgspec.json.encode(chunk)))


def _name(item: Mapping[str, Any]) -> str:
    """What the provider calls a call, `""` for other items."""
    return str(item.get("call_id") or "")


def _number(happened: Mapping[str, Any]) -> int:
    index = happened.get("output_index")
    return index if isinstance(index, int) else -1


_ARGUMENTS = {"function_call": ("function", "arguments"), "custom_tool_call": ("custom", "input")}
_Handler = Callable[[ChatStream, Mapping[str, Any], list[bytes]], None]
_HANDLERS: dict[str, _Handler] = {
    "response.created": ChatStream._created,  # noqa: SLF001 (the machine's own table)
    "response.output_item.added": ChatStream._added,  # noqa: SLF001
    "response.output_text.delta": ChatStream._text,  # noqa: SLF001
    "response.refusal.delta": ChatStream._refusal,  # noqa: SLF001
    "response.output_text.annotation.added": ChatStream._annotation,  # noqa: SLF001
    "response.function_call_arguments.delta": ChatStream._arguments,  # noqa: SLF001
    "response.custom_tool_call_input.delta": ChatStream._arguments,  # noqa: SLF001
    "response.output_item.done": ChatStream._item_done,  # noqa: SLF001
    "response.completed": ChatStream._finished,  # noqa: SLF001
    "response.incomplete": ChatStream._finished,  # noqa: SLF001
    "response.failed": ChatStream._failed,  # noqa: SLF001
}
