"""What the chunks of one stream have in common, learnt from one of them.

Most of a stream is the same chunk again and again with another text in it, and with padding where the provider pads. Once
one has been read as JSON, others are the same JSON with another text if they are the same bytes around a text that ends
where it seems to: without a quote, a control character or any but the short escapes. So the texts are picked out, the run
is written anew around them, and where that gives the very bytes that came they need not be read, at half the cost. Pure.
"""

import re
from typing import Final

import msgspec

from proxy.upstreams.seen import BACKSLASH, PlainChunk, text_bytes

NULL_USAGE: Final = b',"usage":null'
_TEXT: Final = rb'[^"\\\x00-\x1f]*(?:\\["\\/bfnrt][^"\\\x00-\x1f]*)*'
_CONTENT: Final = b'"content":"'
_PADDING: Final = b'"obfuscation":"'
_is_text: Final = re.compile(_TEXT).fullmatch
_texts_of: Final = re.compile(_CONTENT + b"(" + _TEXT + b')"').findall
_escapes_of: Final = re.compile(rb"\\.", re.DOTALL).findall


class Form(msgspec.Struct, frozen=True, gc=False):
    """A chunk's bytes around its text: `head` before it, `tail` behind it. Between a text and the padding stands `middle`,
    which is empty where there is no padding. `model`, `service_tier` and whether there is a `"usage":null` are the same in
    every such chunk."""

    head: bytes
    middle: bytes
    tail: bytes
    model: str
    service_tier: str
    has_null_usage: bool

    def read(self, run: bytes) -> tuple[int, bytes] | None:
        """How many chunks a run has, and what they say, as it is spelled; None if any of it has another form, or if there are
        many with padding: those are sooner read than compared."""
        head, middle, tail = self.head, self.middle, self.tail
        around = len(head) + len(tail)
        if not (run.startswith(head) and run.endswith(tail)) or len(run) < around:
            return None
        if middle and len(run) > 2 * around:
            return None
        text, events = run[len(head) : -len(tail)], 1
        if middle:
            text, found, padding = text.partition(middle)
            if not (found and _is_text(padding) and _is_text(text)):
                return None
        elif not _is_text(text):
            texts = _texts_of(run)
            if b"".join((head, (tail + head).join(texts), tail)) != run:
                return None
            text, events = b"".join(texts), len(texts)
        return (events, text) if run.isascii() or is_utf8(run) else None


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
    return Form(event[:start], middle, tail, chunk.model or "", chunk.service_tier or "", chunk.usage is None)


def said_bytes(text: bytes) -> int:
    """How many bytes of UTF-8 a text is whose escapes are short."""
    return len(text) - len(_escapes_of(text)) if BACKSLASH in text else len(text)


def is_utf8(data: bytes) -> bool:
    """Whether it can be decoded."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
