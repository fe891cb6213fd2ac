"""Which stored objects a request names, which an answer makes, and what of a list is the caller's own. Pure.

A body names objects in more places than one can list for good, so it is searched as a whole, except where the API treats
what it finds as mere data: metadata, schemas, and the results and annotations of earlier answers sent back. Where objects
are named, a key that appears twice is refused: we and the provider could read different ones.
"""

import json
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from proxy.errors import BadRequest, NotFound
from proxy.parse import NOT_JSON, Fields, splice

_ITEM_LISTS: Final = ("input", "items")
_NAMING: Final = frozenset({"previous_response_id", "input_file_id", "conversation"})
_MARKS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "input": (b'"file_id', b'"id"'),
    "items": (b'"file_id', b'"id"'),
    "tools": (b'"file_id', b'"container'),
}
_OTHER_MARKS: Final = (b'"file_id',)
"""Without one of these a field names nothing below its top level. Few, since every long prompt is searched for them."""
_TELLING: Final = _NAMING.union(_MARKS)
_DATA: Final = frozenset({"metadata", "parameters", "schema", "results", "annotations", "arguments"})
_MOST_DEEP: Final = 64

_WORDING: Final = {
    "file": ("No such File object: {}", "id", None),
    "upload": ("No such Upload object: {}", "id", None),
    "batch": ("No batch found with id '{}'.", "batch_id", None),
    "response": ("Response with id '{}' not found.", None, None),
    "previous": ("Previous response with id '{}' not found.", "previous_response_id", "previous_response_not_found"),
    "conversation": ("Conversation with id '{}' not found.", "conversation", None),
    "completion": ("Completion {} not found", "completion_id", None),
    "item": ("Item with id '{}' not found.", "input", None),
    "container": ("Container with id '{}' not found.", "container", None),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Named:
    """One stored object a request names. `kind` is a key of the wordings."""

    kind: str
    id: str

    def missing(self) -> NotFound:
        """What the API says of an object that does not exist."""
        message, param, code = _WORDING[self.kind]
        return NotFound(message.format(self.id), param=param, code=code)


def named_in(fields: Fields) -> tuple[Named, ...]:
    """Every stored object a JSON body names. Raises BadRequest where the body is not JSON after all."""
    if fields.lacks(_TELLING) and not _may_name(fields, _OTHER_MARKS, fields.body):
        return ()
    found: list[Named] = []
    if not fields.lacks(_NAMING):
        _add(found, "previous", fields.get("previous_response_id"))
        _add(found, "file", fields.get("input_file_id"))
        conversation = fields.get("conversation")
        _add(
            found, "conversation", conversation.get("id") if isinstance(conversation, dict) else conversation
        )
    for name, raw in fields.raws.items():
        marks = _MARKS.get(name, _OTHER_MARKS)
        if name in _DATA or raw[:1] not in b"{[" or not _may_name(fields, marks, raw):
            continue
        value = single(raw)
        if name in _ITEM_LISTS:
            found += _references(value)
        found += _below(value, 0)
    return tuple(dict.fromkeys(found))


def single(raw: bytes) -> Any:
    """A JSON value in which no key appears twice. Raises BadRequest."""
    try:
        return json.loads(raw.decode(), object_pairs_hook=_without_twins)
    except (ValueError, RecursionError):
        raise BadRequest(NOT_JSON) from None


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise BadRequest("A key appears twice in one object of the request.")
    return made


def _may_name(fields: Fields, marks: tuple[bytes, ...], raw: bytes) -> bool:
    """Whether a part of a body has one of these marks. Where a letter is written as an escape any part may, since its keys may
    be spelt that way."""
    found = max(map(raw.find, marks)) >= 0  # `in` raises and catches an error before it looks
    return found or fields.hides_letters()


def _add(found: list[Named], kind: str, value: Any) -> None:
    if isinstance(value, str) and value:
        found.append(Named(kind, value))


def _references(items: Any) -> Iterator[Named]:
    """Items that stand for stored ones: references, and thoughts sent back without their sealed content."""
    for item in items if isinstance(items, list) else ():
        if not isinstance(item, dict) or not isinstance(item.get("id"), str):
            continue
        kind = item.get("type")
        bare = kind is None and "role" not in item
        if kind == "item_reference" or bare or (kind == "reasoning" and not item.get("encrypted_content")):
            yield Named("item", item["id"])


def _below(value: Any, depth: int) -> Iterator[Named]:
    """Files and containers anywhere in a value. What is deeper than any request is left to the provider to refuse."""
    if depth > _MOST_DEEP:
        return
    if isinstance(value, list):
        for each in value:
            if isinstance(each, list | dict):
                yield from _below(each, depth + 1)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name in _DATA:
                continue
            if isinstance(each, str):
                if name == "file_id":
                    yield Named("file", each)
                elif name in ("container", "container_id"):
                    yield Named("container", each)
            elif name == "file_ids" and isinstance(each, list):
                yield from [Named("file", one) for one in each if isinstance(one, str)]
            elif isinstance(each, list | dict):
                yield from _below(each, depth + 1)


class _Inner(msgspec.Struct, gc=False):
    id: str | None = None
    container_id: str | None = None


class _Object(msgspec.Struct, gc=False):
    id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    file: _Inner | None = None
    output: msgspec.Raw = msgspec.Raw(b"")


_object = msgspec.json.Decoder(_Object)
_inners = msgspec.json.Decoder(list[_Inner])
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_top_level = msgspec.json.Decoder(dict[str, msgspec.Raw])
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def ids_made(body: bytes) -> list[str]:
    """The ids that belong to whoever an object answer belongs to: its own, its files', its items'."""
    try:
        made = _object.decode(body)
    except _UNREADABLE:
        return []
    inner = made.file.id if made.file else None
    found = [made.id, made.output_file_id, made.error_file_id, inner]
    return [one for one in found if one] + item_ids(bytes(made.output))


def item_ids(output: bytes) -> list[str]:
    """The ids of the items of a response, and of the containers they ran in."""
    try:
        items = _inners.decode(output) if output else []
    except _UNREADABLE:
        return []
    return [one for item in items for one in (item.id, item.container_id) if one]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list: its objects' ids and bytes in order, and whether there are more behind it."""

    fields: Fields
    ids: tuple[str, ...]
    objects: tuple[bytes, ...]
    has_more: bool


def read_page(body: bytes) -> Page | None:
    """None when it is not a list of objects with ids."""
    try:
        fields = Fields(body, _top_level.decode(body))
        raw = fields.raw("data")
        objects = tuple([bytes(each) for each in _raws.decode(raw)])
        ids = tuple([each.id or "" for each in _inners.decode(raw)])
    except _UNREADABLE:
        return None
    return Page(fields, ids, objects, fields.raw("has_more") == b"true")


def own_page(page: Page, ids: list[str], objects: list[bytes], *, has_more: bool) -> bytes:
    """The list as its caller sees it: `page`'s other fields around these objects."""
    edits = {
        "data": b"[" + b",".join(objects) + b"]",
        "first_id": msgspec.json.encode(ids[0] if ids else None),
        "last_id": msgspec.json.encode(ids[-1] if ids else None),
        "has_more": b"true" if has_more else b"false",
    }
    return splice(page.fields, edits)


def kept(page: Page, mine: Container[str]) -> list[tuple[str, bytes]]:
    """(id, object) of those that are the caller's."""
    return [(each, raw) for each, raw in zip(page.ids, page.objects, strict=True) if each in mine]
