"""A tokenizer of our own: deterministic, quick on long prompts, and never more tokens than UTF-8 bytes.

Prompts are *counted* (a quarter token per character plus one per extra UTF-8 byte, so that dense scripts cost what
they really cost); answers are *split* into pieces, because they leave one piece per event.
"""

import base64
import binascii
import hashlib
import re
from math import ceil
from typing import Any

from proxy.sandbox.families import ImageCost

_PIECE = re.compile(r" ?[^\W_]{1,6}|\s|[\s\S]")
DEFAULT_IMAGE = (1024, 1024)


def count(text: str) -> int:
    extra = 0 if text.isascii() else len(text.encode("utf-8", "replace")) - len(text)
    return ceil(len(text) / 4) + extra


def pieces(text: str) -> list[str]:
    """Tokens whose concatenation is the text."""
    return _PIECE.findall(text)


def digest(*parts: str | bytes) -> int:
    """A stable 64-bit number; the only source of variety in answers."""
    state = hashlib.blake2b(digest_size=8)
    for part in parts:
        state.update(part.encode("utf-8", "replace") if isinstance(part, str) else part)
        state.update(b"\x1f")
    return int.from_bytes(state.digest(), "big")


def image_tokens(url: str, detail: str, cost: ImageCost) -> int:
    """Tokens of one image; a data: URL's PNG header tells its size, anything else counts as 1024 x 1024."""
    if detail == "low":
        return cost.base
    width, height = _png_size(url) or DEFAULT_IMAGE
    if cost.patch:
        return ceil(min(1536, ceil(width / 32) * ceil(height / 32)) * cost.patch)
    scale = min(1.0, 2048 / max(width, height))
    width, height = width * scale, height * scale
    scale = min(1.0, 768 / min(width, height))
    return cost.base + cost.tile * ceil(width * scale / 512) * ceil(height * scale / 512)


def _png_size(url: str) -> tuple[float, float] | None:
    if not url.startswith("data:image/png;base64,"):
        return None
    try:
        head = base64.b64decode(url.partition(",")[2][:48], validate=True)
    except binascii.Error:
        return None
    if len(head) < 24 or head[12:16] != b"IHDR":
        return None
    return (
        float(max(1, int.from_bytes(head[16:20], "big"))),
        float(max(1, int.from_bytes(head[20:24], "big"))),
    )


def number_list(value: Any) -> bool:
    """Whether a value is a list of token ids."""
    return isinstance(value, list) and bool(value) and all(type(item) is int for item in value)
