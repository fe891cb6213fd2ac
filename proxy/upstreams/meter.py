"""Reads an answer's stream while it passes: tallies what it says (`seen.py`) and takes out what only we asked for.

The relay hands every block of bytes to a meter and sends on what the meter returns. Two flavours of one stream:

* the client asked for usage: events go through as they came, the meter only reads along;
* it did not: upstream was asked all the same, so the usage chunk and every `"usage":null` are taken out again, and
  nothing else (facts §1.4: apps that index `chunk.choices[0]` break on the extra chunk).

A meter never raises on what an upstream sends. JSON it does not know it relays and counts in `malformed`; what is not JSON
at all sets `unreadable` and is not sent on: SDKs would fail on it with an error of their parser instead of the API's.

Most of what passes are chunks as alike as eggs. A run of them is read in one stroke, however many came at once; whatever
is different in any way is read event by event.
"""

import json
import re
from typing import Final

from proxy.chunked import chunk, framed
from proxy.nouns import Endpoint
from proxy.upstreams.alike import NULL_USAGE, Form, form_of, is_utf8
from proxy.upstreams.seen import (
    RESPONSE_ENDS,
    UNREADABLE,
    PlainChunk,
    Seen,
    id_of,
    loose_fields,
    note_loose,
    note_response,
    read_chunk,
    read_plain_chunks,
    read_response_event,
    text_bytes,
    told,
)

_RESPONSES: Final = Endpoint.RESPONSES
MAX_EVENT_BYTES: Final = 8 * 1024 * 1024
"""An event larger than this is relayed unread: no model writes one, and buffering it would be somebody's attack."""

# Atomic groups: without them one CRLF would be read as two line ends.
_ANY_EVENT_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_LAST: Final = b"\n\ndata: [DONE]\n\n"
_BETWEEN: Final = b"}\n\ndata: {"
_CR: Final = ord("\r")  # a number: bytes in bytes raise and catch an error before they look
_LESSONS: Final = 3
_MANY_BYTES: Final = 2048


class StreamMeter:
    """Reads one SSE stream. `feed` takes a block as it arrived and returns what to send on; `finish` returns the rest.

    `strip_usage` takes out what only we asked for; without it every event passes unchanged. Events are sent on when they are
    complete: half of one is of no use to a client, and could not be taken back when its other half is damaged.
    """

    __slots__ = ("_chunks", "_form", "_lessons", "_strip", "_tail", "seen")

    def __init__(self, endpoint: Endpoint, *, strip_usage: bool) -> None:
        self.seen = Seen()
        self._strip = strip_usage
        self._tail = b""
        self._chunks = endpoint is not _RESPONSES
        self._form: Form | None = None
        self._lessons = _LESSONS

    def feed(self, block: bytes) -> bytes:
        """The bytes to relay for `block`: the events it completes, up to one that cannot be read (`seen.unreadable`)."""
        if self._tail:
            block, self._tail = self._tail + block, b""
        if _CR in block:
            end, plain = _last_event_end(block), False
        else:
            end, plain = block.rfind(b"\n\n") + 2, self._chunks
        if end < 2:
            return self._keep_tail(block)
        if end < len(block):
            block, self._tail = block[:end], block[end:]
        return self._read_plain(block) if plain else self._read_one_by_one(block)

    def pass_frame(self, frame: bytes) -> bytes | None:
        """The frame (`chunked`) to send on for one that came: of whole events like those before them. None, and nothing is noted,
        for any other, and for what is no frame."""
        form = self._form
        if form is None or self._tail or (alike := form.read_frame(frame)) is None:
            return None
        self._note_alike(form, alike)
        if self._strip and form.has_null_usage:
            return chunk(framed(frame).replace(NULL_USAGE, b""), last=False)
        return frame

    def finish(self) -> bytes:
        """What is left when the stream ends: an event without its blank line is still an event to most clients; anything
        less is a piece of one that never came."""
        rest, self._tail = self._tail, b""
        if not _data_of(rest):  # whole lines may stand, half a line must not
            rest = rest[: max(rest.rfind(b"\n"), rest.rfind(b"\r")) + 1]
        return self._read_event(rest) or b""

    def _keep_tail(self, buffered: bytes) -> bytes:
        if len(buffered) <= MAX_EVENT_BYTES:
            self._tail = buffered
            return b""
        self._tail = b""
        self.seen.malformed += 1
        return buffered

    def _read_plain(self, complete: bytes) -> bytes:
        """Events without a carriage return. Those with the form of the chunks before need no reading; nearly always that is
        all, or all but the stream's end."""
        form = self._form
        if form is None:
            return self._read_first(complete)
        run, rest = complete, b""
        if not run.endswith(form.tail):
            end = run.rfind(form.tail) + len(form.tail)
            run, rest = run[:end], run[end:]
        relayed = self._read_alike(run)
        if relayed is None:
            return self._read_runs(complete)
        return relayed + self._read_runs(rest) if rest else relayed

    def _read_alike(self, run: bytes) -> bytes | None:
        form = self._form
        if form is None or (alike := form.read(run)) is None:
            return None
        self._note_alike(form, alike)
        if self._strip and form.has_null_usage:
            return run.replace(NULL_USAGE, b"")
        return run

    def _note_alike(self, form: Form, alike: tuple[int, int]) -> None:
        seen, (events, said_bytes) = self.seen, alike
        seen.events += events
        seen.text_bytes += said_bytes
        if form.model:
            seen.model = form.model
        if form.service_tier:
            seen.service_tier = form.service_tier

    def _read_first(self, complete: bytes) -> bytes:
        """No form is known yet. Where much comes at once, two events may teach it for the others."""
        rest = complete.split(b"\n\n", 2)[-1] if self._lessons and len(complete) > _MANY_BYTES else b""
        if not rest:
            return self._read_runs(complete)
        taught = self._read_runs(complete[: -len(rest)])
        if self.seen.unreadable:
            return taught
        return taught + (self._read_plain(rest) if self._form is not None else self._read_runs(rest))

    def _read_runs(self, complete: bytes) -> bytes:
        relayed = self._read_run(complete)
        return self._read_mixed(complete) if relayed is None else relayed

    def _read_mixed(self, complete: bytes) -> bytes:
        """Usage comes once, with the last chunk: what goes before it is plain. (No string has these bytes: its quotes would be
        escaped.)"""
        usage = complete.find(b'"usage":{')
        run = complete.rfind(b"\n\n", 0, usage) + 2 if usage >= 0 else 0
        relayed = self._read_run(complete[:run]) if run >= 2 else None
        if relayed is None:
            return self._read_one_by_one(complete)
        return relayed + self._read_one_by_one(complete[run:])

    # A run of plain chunks

    def _read_run(self, run: bytes) -> bytes | None:
        """A run of plain chunks without a carriage return, with the stream's end if that is part of it; None, and nothing is
        noted, when any of it is something else.

        Each event is known to be one line of data by the count of line ends, and one whole object by the count of objects:
        between two events stand `}` and `{`, which no JSON continues over a line end without a comma.
        """
        ends = run.endswith(_LAST)
        body = run[6 : -len(_LAST)] if ends else run[6:-2]
        if not (run.startswith(b"data: {") and body.endswith(b"}")):
            return None
        objects = body.split(_BETWEEN)
        events = len(objects)
        if body.count(b"\n") != 2 * (events - 1) or not (body.isascii() or is_utf8(body)):
            return None
        try:
            chunks = read_plain_chunks(b"}\n{".join(objects))
        except UNREADABLE:
            return None
        if len(chunks) != events:
            return None
        relayed = _without_nulls(run, chunks) if self._strip else run
        if relayed is not None:
            self._note_run(chunks, body)
            if ends:
                self.seen.done = True
            elif self._lessons:
                self._learn(objects[-1] if events == 1 else b"{" + objects[-1], chunks[-1])
        return relayed

    def _learn(self, data: bytes, chunk: PlainChunk) -> None:
        """Whether a chunk has a form that others will have is seen when they come; a few tries are enough to know."""
        if any(choice.delta and choice.delta.content for choice in chunk.choices):
            self._lessons -= 1
            self._form = form_of(b"data: %b\n\n" % data, chunk) or self._form

    def _note_run(self, chunks: list[PlainChunk], body: bytes) -> None:
        seen, said = self.seen, 0
        if not seen.events:
            seen.answer_id = id_of(body[: body.find(b"\n")] if len(chunks) > 1 else body)
        seen.events += len(chunks)
        for one in chunks:
            for choice in one.choices:
                if choice.finish_reason:
                    seen.finish = choice.finish_reason
                said += text_bytes(choice)
            if one.model:
                seen.model = one.model
            if one.service_tier:
                seen.service_tier = one.service_tier
        seen.text_bytes += said

    # One event

    def _read_one_by_one(self, complete: bytes) -> bytes:
        if _CR in complete:
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
        if not (
            event.isascii() or is_utf8(event)
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
            return self._read_chunk(event, data) if self._chunks else self._read_response_event(event, data)
        except UNREADABLE:
            return self._read_loose(event, data)

    def _read_chunk(self, event: bytes, data: bytes) -> bytes | None:
        chunk = read_chunk(data)
        seen = self.seen
        if seen.events == 1:
            seen.answer_id = id_of(data)
        for choice in chunk.choices:
            if choice.finish_reason:
                seen.finish = choice.finish_reason
            seen.text_bytes += text_bytes(choice)
        if chunk.model:
            seen.model = chunk.model
        if chunk.service_tier:
            seen.service_tier = chunk.service_tier
        if error := told(chunk.error):
            seen.error = error
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
        parsed = read_response_event(data)
        seen = self.seen
        if parsed.type.endswith(".delta"):
            seen.text_bytes += len(bytes(parsed.delta))
        elif parsed.type == "error":
            seen.error = bytes(parsed.error) or data
        elif parsed.type == "response.created":
            seen.answer_id = id_of(parsed.response)
        elif parsed.type in RESPONSE_ENDS:
            note_response(seen, parsed.response)
        return event

    def _read_loose(self, event: bytes, data: bytes) -> bytes | None:
        """An event with types we do not know: relay it, but still learn what it costs."""
        self.seen.malformed += 1
        self.seen.text_bytes += len(data)
        try:
            fields = loose_fields(data)
        except ValueError:
            self.seen.unreadable = True
            return None
        if fields is None:
            return event
        note_loose(self.seen, fields)
        return _without_usage(event, data) if self._strip and "usage" in fields else event


def _data_of(event: bytes) -> bytes:
    """The event's `data` as the SSE rules join it; `b""` for comments and bare fields."""
    if event.startswith(b"data: ") and event.find(b"\n", 0, -2) < 0 and _CR not in event:
        return event[6:].rstrip(b"\n")
    lines = [line[5:].removeprefix(b" ") for line in _LINE_END.split(event) if line.startswith(b"data:")]
    return b"\n".join(lines).strip()


def _without_nulls(run: bytes, chunks: list[PlainChunk]) -> bytes | None:
    """A run without the `"usage":null` of its chunks; None where one of them is spelled in another way, or not a chunk's."""
    nulls = [chunk.usage for chunk in chunks].count(None)
    if not nulls:
        return run
    pieces = run.split(NULL_USAGE)
    stripped = b"".join(pieces)
    return None if len(pieces) != nulls + 1 or b'"usage"' in stripped else stripped


def _without_usage(event: bytes, data: bytes) -> bytes:
    """The event without its top-level `usage`; every other byte stays where no ambiguity forces a rebuild.

    `,"usage":null` cannot occur inside a JSON string (its quotes would be escaped), so one occurrence is the key itself.
    """
    if event.count(b'"usage"') == 1 and NULL_USAGE in event:
        return event.replace(NULL_USAGE, b"")
    fields = loose_fields(data) or {}
    kept = [
        b"%b:%b" % (json.dumps(name).encode(), value) for name, value in fields.items() if name != "usage"
    ]
    rebuilt = b"{" + b",".join(kept) + b"}"
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
