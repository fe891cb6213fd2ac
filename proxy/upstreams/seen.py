"""What can be read of an answer, whole or event by event: usage, finish reason, errors, how much was said.

Only what money, routing and logs need is decoded; the rest is checked to be JSON and not looked at. Interpreting the reported
usage is a matter of money and belongs to `budgets/usage.py`; here it is kept as JSON bytes.
"""

import json
from typing import Final

import msgspec

EMPTY: Final = msgspec.Raw(b"")
BACKSLASH: Final = ord("\\")
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Delta(msgspec.Struct, gc=False):
    """What is said: a chunk's `delta` or a whole answer's `message`."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: msgspec.Raw = EMPTY
    function_call: msgspec.Raw = EMPTY
    audio: msgspec.Raw = EMPTY


class Choice(msgspec.Struct, gc=False):
    """One choice of a chunk or of a whole answer."""

    delta: Delta | None = None
    message: Delta | None = None
    text: str | None = None
    finish_reason: str | None = None


class Chunk(msgspec.Struct, gc=False):
    """Any chunk of a chat or text stream."""

    choices: list[Choice] = []
    usage: msgspec.Raw = EMPTY
    error: msgspec.Raw = EMPTY
    model: str | None = None
    service_tier: str | None = None


class PlainChunk(msgspec.Struct, gc=False):
    """A chunk that reports neither usage nor an error, as nearly all are; decoding any other fails."""

    choices: list[Choice] = []
    usage: msgspec.UnsetType | None = msgspec.UNSET
    error: msgspec.UnsetType | None = msgspec.UNSET
    model: str | None = None
    service_tier: str | None = None


class Answer(msgspec.Struct, gc=False):
    """A Responses object, or a whole answer of any endpoint: only what is common to all."""

    choices: list[Choice] = []
    usage: msgspec.Raw = EMPTY
    error: msgspec.Raw = EMPTY
    model: str | None = None
    service_tier: str | None = None
    status: str | None = None
    id: msgspec.Raw = EMPTY
    output: msgspec.Raw = EMPTY


class ResponseEvent(msgspec.Struct, gc=False):
    """An event of a Responses stream."""

    type: str = ""
    delta: msgspec.Raw = EMPTY
    response: msgspec.Raw = EMPTY
    error: msgspec.Raw = EMPTY


class _Named(msgspec.Struct, gc=False):
    id: msgspec.Raw = EMPTY


read_chunk: Final = msgspec.json.Decoder(Chunk).decode
read_plain_chunks: Final = msgspec.json.Decoder(PlainChunk).decode_lines
read_answer: Final = msgspec.json.Decoder(Answer).decode
read_response_event: Final = msgspec.json.Decoder(ResponseEvent).decode
read_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_named: Final = msgspec.json.Decoder(_Named).decode

RESPONSE_ENDS: Final = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled"}
)
RESPONSE_FINISH: Final = {
    "completed": "stop",
    "incomplete": "length",
    "failed": "error",
    "cancelled": "stop",
}


class Seen(msgspec.Struct, gc=False):
    """The tally of one answer. `usages` holds every usage object reported, as JSON bytes, in order; `text_bytes` is the
    UTF-8 length of all generated text seen (an upper bound on its tokens); `error` an in-stream error object; `open_parts`
    how many of several merged answers are still being written. `answer_id` is the answer's own id, `items`
    the output items of a finished Responses object, as JSON: who may refer to them later is a matter of tenants."""

    usages: list[bytes] = []
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
        answer = read_answer(body)
    except UNREADABLE:
        return _read_unusual(body)
    finish, said = "", 0
    if answer.choices:
        finish = answer.choices[0].finish_reason or ""
        for choice in answer.choices:
            said += text_bytes(choice)
    elif answer.status:
        finish, said = RESPONSE_FINISH.get(answer.status, ""), len(body)
    usage = told(answer.usage)
    return Seen(
        usages=[usage] if usage else [],
        events=1,
        text_bytes=said,
        finish=finish,
        error=told(answer.error),
        model=answer.model or "",
        service_tier=answer.service_tier or "",
        done=True,
        answer_id=_id_text(answer.id),
        items=told(answer.output),
    )


def _read_unusual(body: bytes) -> Seen | None:
    """A JSON answer whose fields have types of their own: only usage and error are looked for."""
    try:
        fields = loose_fields(body)
    except ValueError:
        return None
    if fields is None:
        return None
    seen = Seen(events=1, done=True, text_bytes=len(body), malformed=1)
    note_loose(seen, fields)
    return seen


def note_response(seen: Seen, response: msgspec.Raw) -> None:
    """The Responses object that ends a stream."""
    answer = read_answer(response)
    seen.done = True
    seen.finish = RESPONSE_FINISH.get(answer.status or "", "")
    seen.model, seen.service_tier = answer.model or "", answer.service_tier or ""
    seen.answer_id, seen.items = _id_text(answer.id) or seen.answer_id, told(answer.output)
    if usage := told(answer.usage):
        seen.usages.append(usage)
    if error := told(answer.error):
        seen.error = error


def loose_fields(data: bytes) -> dict[str, msgspec.Raw] | None:
    """The fields of whatever clients can read as an object; None for JSON that is none. They take half a surrogate pair, which
    models do write, and `NaN`; our own reader does not. Raises ValueError for what is no JSON."""
    try:
        return read_fields(data)
    except UNREADABLE:
        pass  # our reader stops at the first thing it did not expect: whether the rest is JSON is not known yet
    try:
        value = json.loads(data.decode())
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(value, dict):
        return None
    return {name: msgspec.Raw(json.dumps(inner).encode()) for name, inner in value.items()}


def note_loose(seen: Seen, fields: dict[str, msgspec.Raw]) -> None:
    """Usage and error of an object whose other fields have types we do not know."""
    if usage := told(fields.get("usage", EMPTY)):
        seen.usages.append(usage)
    if error := told(fields.get("error", EMPTY)):
        seen.error = error


def told(value: msgspec.Raw) -> bytes:
    """The field as JSON; `b""` when it is absent or null."""
    if value is EMPTY:  # as nearly always
        return b""
    raw = bytes(value)
    return b"" if raw == b"null" else raw


def id_of(data: bytes | msgspec.Raw) -> str:
    """The `id` of a JSON object."""
    return _id_text(_read_named(data).id)


def _id_text(value: msgspec.Raw) -> str:
    """A JSON string as ids are: no escapes. `""` for anything else."""
    raw = bytes(value)
    return raw[1:-1].decode() if raw[:1] == b'"' and BACKSLASH not in raw else ""


def text_bytes(choice: Choice) -> int:
    """UTF-8 bytes of what a choice says. Field by field: it is asked for every event of every stream."""
    delta = choice.delta or choice.message
    if delta is None:
        return len(choice.text.encode()) if choice.text else 0
    text = delta.content
    total = (len(text) if text.isascii() else len(text.encode())) if text else 0
    if delta.reasoning_content:
        total += len(delta.reasoning_content.encode())
    if delta.refusal:
        total += len(delta.refusal.encode())
    if delta.tool_calls:
        total += len(bytes(delta.tool_calls))
    if delta.function_call:
        total += len(bytes(delta.function_call))
    if delta.audio:
        total += len(bytes(delta.audio))
    return total
