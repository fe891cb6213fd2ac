"""What of a request decides who can take it and what must be edited for them: everything but the words it says.

Two requests of equal terms have the same candidates, as long as nothing ends and nothing else decides (weights, windows,
a cost cap, a migration). Most of an application's requests differ in their words alone, so plans are remembered by terms.
"""

import hashlib
from typing import Final

from proxy.errors import BadRequest
from proxy.models.content import is_plain, kinds
from proxy.parse import Fields, Request

Terms = tuple[str | bytes, ...]

_SAID: Final = frozenset({"messages", "input", "prompt", "instructions"})
"""Of these only what kind of value they are, and which kinds of content there are in them."""
_FREE: Final = frozenset({"user", "safety_identifier", "metadata"})
"""New with many requests, and carried by every model as they are."""
_LONG_BYTES: Final = 64
"""A longer value (tools, a schema) is known by its digest, behind a sign that no JSON begins with: callers must not fill the
memory."""
_FIELD_BYTES: Final = 100
"""What a field takes in memory beside its name and value."""
_MOST_BYTES: Final = 4_000
"""Nor with their fields: larger terms are not kept."""
_DIGEST_BYTES: Final = 20
_SEARCHED_BYTES: Final = 4_000
"""Messages of more than these are sooner read than searched for what may be in them."""


def terms_of(request: Request) -> Terms | None:
    """The request's terms; None where its words may have to be edited, or when they are too long to keep."""
    fields = request.fields
    if fields.hides_letters():
        return None
    found: list[str | bytes] = [request.endpoint._value_]  # an Enum's hash is a function in Python
    size_bytes, plain = 0, True
    for name, raw in fields.raws.items():
        means = raw
        if name in _SAID:
            plain = plain and len(raw) <= _SEARCHED_BYTES and is_plain(raw)
            means = raw[:1]
        elif name in _FREE:
            means = b""
        elif len(raw) > _LONG_BYTES:
            means = b"#" + hashlib.blake2b(raw, digest_size=_DIGEST_BYTES).digest()
        found += (name, means)
        size_bytes += len(name) + len(means) + _FIELD_BYTES
    there = () if plain else _kinds(fields)
    if there is None or size_bytes > _MOST_BYTES:
        return None
    return (*found, *there)


def _kinds(fields: Fields) -> tuple[str, ...] | None:
    try:
        return kinds(fields)
    except BadRequest:  # what is wrong with messages that nobody has to read, their provider says
        return None
