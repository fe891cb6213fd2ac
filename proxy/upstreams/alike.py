"""What the chunks of one stream have in common, learnt from one of them.

Most of a stream is the same chunk again and again with another text in it, and with padding where the provider pads. Once
one has been read as JSON, others are the same JSON with another text if they are the same bytes around a text that ends
where it seems to. Of one chunk only that text is read, as the JSON string it has to be. Of many, texts without a quote, a
control character or any but the short escapes are picked out, the run is written anew around them, and where that gives the
very bytes that came they need not be read, at half the cost. Pure.
"""

import re
from typing import Final

import msgspec

from proxy.chunked import size_line
from proxy.upstreams.seen import BACKSLASH, UNREADABLE, PlainChunk, text_bytes

NULL_USAGE: Final = b',"usage":null'
_TEXT: Final = rb'[^"\\\x00-\x1f]*(?:\\["\\/bfnrt][^"\\\x00-\x1f]*)*'
_CONTENT: Final = b'"content":"'
_PADDING: Final = b'"obfuscation":"'
_string_of: Final = msgspec.json.Decoder(str).decode
_texts_of: Final = re.compile(_CONTENT + b"(" + _TEXT + b')"').findall
_escapes_of: Final = re.compile(rb"\\.", re.DOTALL).findall


class Form(msgspec.Struct, frozen=True, gc=False):
    """A chunk's bytes around its text: `head` before it, `tail` behind it. Between a text and the padding stands `middle`,
    which is empty where there is no padding. `frame_tail` is `tail` with the end of a frame (`chunked`) behind it. `model`,
    `service_tier` and whether there is a `"usage":null` are the same in every such chunk."""

    head: bytes
    middle: bytes
    tail: bytes
    frame_tail: bytes
    model: str
    service_tier: str
    has_null_usage: bool

    def read(self, run: bytes) -> tuple[int, int] | None:
        """How many chunks a run has, and how many bytes of text they say; None if any of it has another form, or if there are
        many with padding: those are sooner read than compared."""
        head, tail = self.head, self.tail
        start = len(head)
        if not (run.startswith(head) and run.endswith(tail, start)):
            return None
        said_bytes = self._said_bytes(run[start - 1 : 1 - len(tail)])
        return self._read_many(run) if said_bytes is None else (1, said_bytes)

    def read_frame(self, frame: bytes) -> tuple[int, int] | None:
        """As `read` for the run in a frame (`chunked`); None also for what is no frame."""
        line, tail = size_line(len(frame)), self.frame_tail
        opening = line + self.head
        start = len(opening)
        if not (line and frame.startswith(opening) and frame.endswith(tail, start)):
            return None
        said_bytes = self._said_bytes(frame[start - 1 : 1 - len(tail)])
        return self._read_many(frame[len(line) : -2]) if said_bytes is None else (1, said_bytes)

    def _read_many(self, run: bytes) -> tuple[int, int] | None:
        if self.middle:
            return None
        texts = _texts_of(run)
        around = (self.head, (self.tail + self.head).join(texts), self.tail)
        if b"".join(around) != run or not (run.isascii() or is_utf8(run)):
            return None
        text = b"".join(texts)
        return len(texts), len(text) - len(_escapes_of(text))

    def _said_bytes(self, literal: bytes) -> int | None:
        """How many bytes a string says, given from its first quote to its last; None if it is none, or not padded as others."""
        try:
            if self.middle:
                text, _, padding = literal.partition(self.middle)
                _string_of(b'"' + padding)
                literal = text + b'"'
            said = _string_of(literal)
        except UNREADABLE:
            return None
        return len(said) if said.isascii() else len(said.encode())


def form_of(event: bytes, chunk: PlainChunk) -> Form | None:
    """The form of an event (without a carriage return) that was read as this chunk. None where it says nothing, or where its
    text cannot be told for certain from what is around it."""
    choice = chunk.choices[0] if len(chunk.choices) == 1 else None
    said = choice.delta.content if choice and choice.delta else None
    if choice is None or not said or choice.finish_reason or text_bytes(choice) != len(said.encode()):
        return None
    start = event.find(_CONTENT) + len(_CONTENT)
    end = event.find(b'"', start)
    alone = event.count(b'"content"') == 1 and event.count(b"\n") == 2 and BACKSLASH not in event
    if not alone or event[start:end] != said.encode():
        return None
    if chunk.usage is None and (event.count(b'"usage"') != 1 or NULL_USAGE not in event):
        return None
    middle, tail = b"", event[end:]
    if tail.count(_PADDING) == 1:
        padding = tail.find(_PADDING) + len(_PADDING)
        middle, tail = tail[:padding], tail[tail.find(b'"', padding) :]
    told = (chunk.model or "", chunk.service_tier or "", chunk.usage is None)
    return Form(event[:start], middle, tail, tail + b"\r\n", *told)


def is_utf8(data: bytes) -> bool:
    """Whether it can be decoded."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
