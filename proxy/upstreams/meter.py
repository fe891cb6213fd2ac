"""What an answer says about itself while it passes: usage, finish reason, errors, how much was seen.

The relay hands every block of bytes to a meter and sends on what the meter returns. Two flavours of one stream:

* the client asked for usage: events go through as they came, the meter only reads along;
* it did not: upstream was asked all the same, so the usage chunk and every `"usage":null` are taken out again, and
  nothing else (facts §1.4: apps that index `chunk.choices[0]` break on the extra chunk).

A meter never raises on what an upstream sends. JSON it does not know it relays and counts in `malformed`; what is not JSON
at all sets `unreadable` and is not sent on: SDKs would fail on it with an error of their parser instead of the API's. Interpreting the
reported usage is a matter of money and belongs to `budgets/usage.py`; here it is kept as JSON bytes.
"""

import re
from dataclasses import dataclass, field
from typing import Final

import msgspec

from proxy.nouns import Endpoint

MAX_EVENT_BYTES: Final = 8 * 1024 * 1024
"""An event larger than this is relayed unread: no model writes one, and buffering it would be somebody's attack."""

_EMPTY: Final = msgspec.Raw(b"")
# Atomic groups: without them one CRLF would be read as two line ends.
_ANY_EVENT_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_NULL_USAGE: Final = b',"usage":null'


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: msgspec.Raw = _EMPTY
    function_call: msgspec.Raw = _EMPTY
    audio: msgspec.Raw = _EMPTY


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    message: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Named(msgspec.Struct, gc=False):
    id: msgspec.Raw = _EMPTY


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] = []
    usage: msgspec.Raw = _EMPTY
    error: msgspec.Raw = _EMPTY
    model: str | None = None
    service_tier: str | None = None


class _Answer(msgspec.Struct, gc=False):
    """A Responses object, or a whole answer of any endpoint: only what is common to all."""

    choices: list[_Choice] = []
    usage: msgspec.Raw = _EMPTY
    error: msgspec.Raw = _EMPTY
    model: str | None = None
    service_tier: str | None = None
    status: str | None = None
    id: msgspec.Raw = _EMPTY
    output: msgspec.Raw = _EMPTY


class _ResponseEvent(msgspec.Struct, gc=False):
    type: str = ""
    delta: msgspec.Raw = _EMPTY
    response: msgspec.Raw = _EMPTY
    error: msgspec.Raw = _EMPTY


_named = msgspec.json.Decoder(_Named)
_chunk = msgspec.json.Decoder(_Chunk)
_answer = msgspec.json.Decoder(_Answer)
_response_event = msgspec.json.Decoder(_ResponseEvent)
_raw_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(slots=True)
class Seen:
    """The tally of one answer. `usages` holds every usage object reported, as JSON bytes, in order; `text_bytes` is the
    UTF-8 length of all generated text seen (an upper bound on its tokens); `error` an in-stream error object; `open_parts`
    how many of several merged answers are still being written. `answer_id` is the answer's own id, `items`
    the output items of a finished Responses object, as JSON: who may refer to them later is a matter of tenants."""

    usages: list[bytes] = field(default_factory=list)
    events: int = 0
    text_bytes: int = 0
    finish: str = ""
    error: bytes = b""
    model: str = ""
    service_tier: str = ""
    done: bool = False
    malformed: int = 0
    unreadable: bool = False
    answer_id: str = ""
    items: bytes = b""
    open_parts: int = 0

    @property
    def started(self) -> bool:
        """Whether an event was read at all: from here on the answer is the client's, errors and all."""
        return self.events > 0

    @property
    def begun(self) -> bool:
        """Whether something came that a client can use, or that ends the answer; what goes before it is preamble."""
        return bool(
            self.text_bytes or self.finish or self.done or self.error or self.usages or self.unreadable
        )

    @property
    def complete(self) -> bool:
        """Whether the stream said that it was over; a stream that just stops is a broken one."""
        return not self.open_parts and (self.done or bool(self.finish))


def read_whole(body: bytes) -> Seen | None:
    """The tally of an answer that came in one piece; None when it is not a JSON object."""
    try:
        answer = _answer.decode(body)
    except msgspec.ValidationError:
        return _read_unusual(body)
    except _UNREADABLE:
        return None
    seen = Seen(events=1, done=True, model=answer.model or "", service_tier=answer.service_tier or "")
    seen.answer_id, seen.items = _text(answer.id), bytes(answer.output)
    if _present(answer.usage):
        seen.usages.append(bytes(answer.usage))
    if _present(answer.error):
        seen.error = bytes(answer.error)
    if answer.choices:
        seen.finish = answer.choices[0].finish_reason or ""
        seen.text_bytes = sum(map(_text_bytes, answer.choices))
    elif answer.status:
        seen.finish = _RESPONSE_FINISH.get(answer.status, "")
        seen.text_bytes = len(body)
    return seen


def _read_unusual(body: bytes) -> Seen | None:
    """A JSON answer whose fields have types of their own: only usage and error are looked for."""
    try:
        fields = _raw_object.decode(body)
    except _UNREADABLE:
        return None
    seen = Seen(events=1, done=True, text_bytes=len(body), malformed=1)
    _note_loose(seen, fields)
    return seen


class StreamMeter:
    """Reads one SSE stream. `feed` takes a block as it arrived and returns what to send on; `finish` returns the rest.

    `strip_usage` takes out what only we asked for; without it every event passes unchanged. Events are sent on when they are
    complete: half of one is of no use to a client, and could not be taken back when its other half is damaged.
    """

    __slots__ = ("_read", "_strip", "_tail", "seen")

    def __init__(self, endpoint: Endpoint, *, strip_usage: bool) -> None:
        self.seen = Seen()
        self._strip = strip_usage
        self._tail = b""
        self._read = self._read_response_event if endpoint is Endpoint.RESPONSES else self._read_chunk

    def feed(self, block: bytes) -> bytes:
        """The bytes to relay for `block`: the events it completes, up to one that cannot be read (`seen.unreadable`)."""
        buffered = self._tail + block if self._tail else block
        end = buffered.rfind(b"\n\n") + 2
        if b"\r" in buffered:
            end = _last_event_end(buffered)
        if end < 2:
            return self._keep_tail(buffered)
        complete, self._tail = buffered[:end], buffered[end:]
        return self._read_events(complete)

    def finish(self) -> bytes:
        """What is left when the stream ends: an event without its blank line is still an event to most clients; anything
        less is a piece of one that never came."""
        rest, self._tail = self._tail, b""
        if not _data_of(rest):  # whole lines may stand, half a line must not
            return rest[: max(rest.rfind(b"\n"), rest.rfind(b"\r")) + 1]
        return self._read_event(rest) or b""

    def _keep_tail(self, buffered: bytes) -> bytes:
        if len(buffered) <= MAX_EVENT_BYTES:
            self._tail = buffered
            return b""
        self._tail = b""
        self.seen.malformed += 1
        return buffered

    def _read_events(self, complete: bytes) -> bytes:
        if b"\r" in complete:
            events = _split_any(complete)
        else:
            events = [event + b"\n\n" for event in complete.split(b"\n\n")[:-1]]
        kept, changed = [], False
        for event in events:
            relayed = self._read_event(event)
            changed |= relayed is not event
            if relayed:
                kept.append(relayed)
            if self.seen.unreadable:
                self._tail = b""
                break
        return b"".join(kept) if changed else complete

    def _read_event(self, event: bytes) -> bytes | None:
        """The event as it may be relayed, None when it is only ours or cannot be read."""
        if not event.isascii() and not _is_utf8(
            event
        ):  # strings that are not decoded below are not checked there
            self.seen.unreadable = True
            return None
        data = _data_of(event)
        if not data:
            return event
        if data == b"[DONE]":
            self.seen.done = True
            return event
        self.seen.events += 1
        try:
            return self._read(event, data)
        except _UNREADABLE:
            return self._read_loose(event, data)

    def _read_chunk(self, event: bytes, data: bytes) -> bytes | None:
        chunk = _chunk.decode(data)
        seen = self.seen
        if seen.events == 1:
            seen.answer_id = _text(_named.decode(data).id)
        for choice in chunk.choices:
            if choice.finish_reason:
                seen.finish = choice.finish_reason
            seen.text_bytes += _text_bytes(choice)
        if chunk.model:
            seen.model = chunk.model
        if chunk.service_tier:
            seen.service_tier = chunk.service_tier
        if _present(chunk.error):
            seen.error = bytes(chunk.error)
        usage = bytes(chunk.usage)
        if not usage:
            return event
        reported = usage != b"null"
        if reported:
            seen.usages.append(usage)
        if not self._strip:
            return event
        return None if reported and not chunk.choices else _without_usage(event, data)

    def _read_response_event(self, event: bytes, data: bytes) -> bytes:
        parsed = _response_event.decode(data)
        seen = self.seen
        if parsed.type.endswith(".delta"):
            seen.text_bytes += len(bytes(parsed.delta))
        elif parsed.type == "error":
            seen.error = bytes(parsed.error) or data
        elif parsed.type == "response.created":
            seen.answer_id = _text(_named.decode(parsed.response).id)
        elif parsed.type in _RESPONSE_ENDS:
            answer = _answer.decode(parsed.response)
            seen.done = True
            seen.finish = _RESPONSE_FINISH.get(answer.status or "", "")
            seen.model, seen.service_tier = answer.model or "", answer.service_tier or ""
            seen.answer_id, seen.items = _text(answer.id) or seen.answer_id, bytes(answer.output)
            if _present(answer.usage):
                seen.usages.append(bytes(answer.usage))
            if _present(answer.error):
                seen.error = bytes(answer.error)
        return event

    def _read_loose(self, event: bytes, data: bytes) -> bytes | None:
        """An event with types we do not know: relay it, but still learn what it costs."""
        self.seen.malformed += 1
        self.seen.text_bytes += len(data)
        try:
            msgspec.json.decode(data)
        except _UNREADABLE:
            self.seen.unreadable = True
            return None
        try:
            fields = _raw_object.decode(data)
        except msgspec.ValidationError:  # JSON, but no object
            return event
        _note_loose(self.seen, fields)
        return _without_usage(event, data) if self._strip and "usage" in fields else event


_RESPONSE_ENDS: Final = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled"}
)
_RESPONSE_FINISH: Final = {
    "completed": "stop",
    "incomplete": "length",
    "failed": "error",
    "cancelled": "stop",
}


def _note_loose(seen: Seen, fields: dict[str, msgspec.Raw]) -> None:
    if _present(fields.get("usage", _EMPTY)):
        seen.usages.append(bytes(fields["usage"]))
    if _present(fields.get("error", _EMPTY)):
        seen.error = bytes(fields["error"])


def _is_utf8(event: bytes) -> bool:
    try:
        event.decode()
    except UnicodeDecodeError:
        return False
    return True


def _present(value: msgspec.Raw) -> bool:
    # Nearly always absent, and then the default itself: seen without looking inside.
    return value is not _EMPTY and bytes(value) not in (b"", b"null")


def _text(value: msgspec.Raw) -> str:
    """A JSON string as ids are: no escapes. `""` for anything else."""
    raw = bytes(value)
    return raw[1:-1].decode() if raw[:1] == b'"' and raw.find(b"\\") < 0 else ""


def _text_bytes(choice: _Choice) -> int:
    delta = choice.delta or choice.message
    if delta is None:
        return len(choice.text.encode()) if choice.text else 0
    total = 0
    for raw in (delta.tool_calls, delta.function_call, delta.audio):
        if raw is not _EMPTY:
            total += len(bytes(raw))
    for text in (delta.content, delta.refusal, delta.reasoning_content):
        if text:
            total += len(text) if text.isascii() else len(text.encode())
    return total


def _data_of(event: bytes) -> bytes:
    """The event's `data` as the SSE rules join it; `b""` for comments and bare fields."""
    if event.startswith(b"data: ") and event.find(b"\n", 0, -2) < 0 and b"\r" not in event:
        return event[6:].rstrip(b"\n")
    lines = [line[5:].removeprefix(b" ") for line in _LINE_END.split(event) if line.startswith(b"data:")]
    return b"\n".join(lines).strip()


def _without_usage(event: bytes, data: bytes) -> bytes:
    """The event without its top-level `usage`; every other byte stays where no ambiguity forces a rebuild.

    `,"usage":null` cannot occur inside a JSON string (its quotes would be escaped), so one occurrence is the key itself.
    """
    if event.count(b'"usage"') == 1 and _NULL_USAGE in event:
        return event.replace(_NULL_USAGE, b"")
    fields = _raw_object.decode(data)
    fields.pop("usage", None)
    rebuilt = b"{" + b",".join([msgspec.json.encode(k) + b":" + bytes(v) for k, v in fields.items()]) + b"}"
    others = [line for line in _LINE_END.split(event) if line and not line.startswith(b"data:")]
    return b"\n".join([*others, b"data: " + rebuilt]) + b"\n\n"


def _split_any(block: bytes) -> list[bytes]:
    events, start = [], 0
    for end in _ANY_EVENT_END.finditer(block):
        events.append(block[start : end.end()])
        start = end.end()
    return [*events, block[start:]] if start < len(block) else events


def _last_event_end(buffered: bytes) -> int:
    last = 0
    for end in _ANY_EVENT_END.finditer(buffered):
        last = end.end()
    return last
