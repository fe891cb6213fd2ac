"""What must be known of a passed-through body before it goes up: the model it names, and the stored objects.

JSON is read as a whole. A form streams: only its beginning is held until its model is known or a file begins. For a key
that may use certain models only, the model must come within the first MiB, and the rest of the form is watched while it
passes: a second model in it ends the call. Other keys' forms go on unread.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from proxy.errors import BadRequest
from proxy.named import Named, named_in
from proxy.nouns import Call, Caller
from proxy.parse import Fields, fields_of, splice
from proxy.passthrough.forms import FormError, FormScanner, is_form
from proxy.passthrough.surface import Body, Operation

_SEARCHED_BYTES: Final = 64 * 1024
_SEARCHED_FOR_LIMITED_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sent:
    """A body that is still being sent; `length` is the declared one, None when it is not known."""

    pieces: AsyncIterator[bytes] = field(repr=False)
    length: int | None
    content_type: bytes


@dataclass(frozen=True, slots=True)
class Incoming:
    """A body as far as it must be known. `head` is what was read of a form, `span` where its model stands in that."""

    fields: Fields = field(default_factory=lambda: Fields(b"", {}))
    model: str = ""
    named: tuple[Named, ...] = ()
    raw: bytes = b""
    sent: Sent | None = None
    head: bytes = b""
    span: tuple[int, int] = (0, 0)
    scanner: FormScanner | None = None

    def body(self, edits: Mapping[str, bytes]) -> tuple[bytes | AsyncIterator[bytes], int | None]:
        """What to send up, with its length if it is streamed and known. `edits` can change the model's name only."""
        if self.sent is None:
            return (splice(self.fields, edits) if len(self.fields) else self.raw), None
        head, length = self.head, self.sent.length
        if "model" in edits and self.span[1]:
            name = msgspec.json.decode(edits["model"], type=str).encode()
            start, end = self.span
            head = head[:start] + name + head[end:]
            length = None if length is None else length + len(name) - (end - start)
        return self._on(head, self.sent.pieces), length

    async def _on(self, head: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        yield head
        async for piece in pieces:
            if self.scanner is not None:
                _watch(self.scanner, piece)
            yield piece


async def read_incoming(operation: Operation, call: Call, sent: Sent | None, caller: Caller) -> Incoming:
    """Raises BadRequest, and what reading raises."""
    limited = bool(caller.models)
    if sent is not None:
        incoming = await _read_form(sent, limited=limited and operation.has_model)
    elif operation.body in (Body.JSON, Body.EITHER):
        fields = fields_of(call.raw or b"{}")
        model = fields.get("model")
        incoming = Incoming(fields, model if isinstance(model, str) else "", named_in(fields), call.raw)
    else:
        incoming = Incoming(raw=call.raw)
    if operation.has_model and limited and not incoming.model:
        raise BadRequest("you must provide a model parameter", param="model")
    return incoming


async def _read_form(sent: Sent, *, limited: bool) -> Incoming:
    try:
        scanner = FormScanner(sent.content_type)
    except FormError as error:
        if limited:
            raise _unreadable(error) from None
        return Incoming(sent=sent)
    head: list[bytes] = []
    count_bytes = 0
    async for piece in sent.pieces:
        head.append(piece)
        count_bytes += len(piece)
        try:
            scanner.feed(piece)
        except FormError as error:
            if limited:
                raise _unreadable(error) from None
            break
        if scanner.model is not None or scanner.ended:
            break
        if limited and count_bytes > _SEARCHED_FOR_LIMITED_BYTES:
            raise BadRequest(
                "This key may use certain models only: put the field `model` before the file in the form.",
                param="model",
            )
        if not limited and (scanner.in_file or count_bytes >= _SEARCHED_BYTES):
            break
    return Incoming(
        model=scanner.model or "",
        sent=sent,
        head=b"".join(head),
        span=scanner.span,
        scanner=scanner if limited else None,
    )


def _watch(scanner: FormScanner, piece: bytes) -> None:
    try:
        scanner.feed(piece)
    except FormError as error:
        raise _unreadable(error) from None


def _unreadable(error: FormError) -> BadRequest:
    return BadRequest(f"This form cannot be read with certainty: {error}.", param="model")


def held_bytes(operation: Operation, caller: Caller) -> int:
    """The most of a form that is held at once."""
    return _SEARCHED_FOR_LIMITED_BYTES if caller.models and operation.has_model else _SEARCHED_BYTES


def wants_form(operation: Operation, content_type: bytes) -> bool:
    """Whether the body is to be streamed rather than read."""
    return operation.body is Body.FORM or (operation.body is Body.EITHER and is_form(content_type))
