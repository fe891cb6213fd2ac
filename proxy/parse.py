"""The one parse of a request body: top-level fields as raw JSON slices, decoded only where somebody asks.

The relay keeps what it does not understand: values are never decoded and encoded again unless they are edited, so number
spelling, nulls and unknown fields go up as they came. Only the object around them is rebuilt, which also settles
duplicate keys (the last one wins, here and upstream alike: two readings of one body are how access rules are bypassed).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from proxy.errors import BadRequest
from proxy.nouns import Endpoint

REMOVE: Final = b""
"""As an edit: take the field out. No JSON value is empty, so it cannot be mistaken for one."""

NOT_JSON = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library "
    "correctly. The API expects a JSON payload, but what was sent was not valid JSON.)"
)
_top_level = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode
_BACKSLASH: Final = ord("\\")
_LATIN: Final = b"\\u00"
_escaped_letters: Final = re.compile(rb"\\u00(?:4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA])").finditer
"""A letter or an underscore written as an escape; .NET's encoder writes a backtick that way, so that one does not count."""
_DEFAULT_MODELS: Final = {Endpoint.MODERATIONS: "omni-moderation-latest"}
"""Where the API lets `model` be left out: the one it then takes."""
_USERS: Final = frozenset({"safety_identifier", "user"})
_USAGE_ON_REQUEST: Final = frozenset({Endpoint.CHAT, Endpoint.COMPLETIONS})
_TYPE_NAMES = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    list: "an array",
    dict: "an object",
}


class Fields(Mapping[str, Any]):
    """A body's top-level fields. Reading one decodes it (once); `raws` has the bytes of each as sent, `slices` the same as
    they lie in `body`."""

    __slots__ = ("_decoded", "_hides", "body", "raws", "slices")

    def __init__(self, body: bytes, slices: dict[str, msgspec.Raw]) -> None:
        self.body: Final = body
        self.slices: Final = slices
        # `bytes` of a slice copies it, and a prompt is looked at in several places.
        self.raws: Final[dict[str, bytes]] = {}
        for name, raw in slices.items():
            self.raws[name] = bytes(raw)
        self._decoded: dict[str, Any] = {}
        self._hides: bool | None = None

    def __getitem__(self, name: str) -> Any:
        if name in self._decoded:
            return self._decoded[name]
        value = decode(self.raws[name])
        self._decoded[name] = value
        return value

    def get(self, name: str, default: Any = None) -> Any:
        """As a dict's, without the exception `Mapping.get` would raise and catch for every absent field."""
        return self[name] if name in self.raws else default

    def __iter__(self) -> Iterator[str]:
        return iter(self.raws)

    def __len__(self) -> int:
        return len(self.raws)

    def __contains__(self, name: object) -> bool:
        return name in self.raws

    def raw(self, name: str) -> bytes:
        """The field's bytes as sent, `b""` when it was not sent."""
        return self.raws.get(name, b"")

    def sent(self, names: frozenset[str]) -> list[bytes]:
        """The bytes of those of `names` that were sent, in no order; most of many never are."""
        return list(map(self.raws.__getitem__, names.intersection(self.raws)))

    def hides_letters(self) -> bool:
        """Whether a letter is written as an escape anywhere: names and values below the top level may be spelt in a way that
        a search for their bytes does not find. No encoder does that; somebody has a reason."""
        if self._hides is None:
            self._hides = _hides_letters(self.body)
        return self._hides

    def lacks(self, names: frozenset[str]) -> bool:
        """Whether none of `names` was sent, whatever its value."""
        return names.isdisjoint(self.raws)


class Request(msgspec.Struct, frozen=True, gc=False):
    """A parsed body. `asks_usage` is what the client said in `stream_options.include_usage`; `session` is its own name for the
    conversation, "" where it has none."""

    endpoint: Endpoint
    fields: Fields
    model: str
    stream: bool
    asks_usage: bool
    user: str
    size_bytes: int
    session: str = ""

    def __repr__(self) -> str:
        return f"Request(endpoint={self.endpoint!r}, model={self.model!r}, size_bytes={self.size_bytes})"


def parse(endpoint: Endpoint, body: bytes, session: str = "") -> Request:
    """Read what routing and relaying need. Raises BadRequest with OpenAI's wording for everything that is not a request."""
    fields = fields_of(body)
    raws = fields.raws
    model = decode(raws["model"]) if "model" in raws else None
    model = model or _DEFAULT_MODELS.get(endpoint)
    if model is None:
        raise BadRequest("you must provide a model parameter")
    if not isinstance(model, str):
        raise BadRequest(
            f"Invalid type for 'model': expected a string, but got {_type_name(model)} instead.",
            code="invalid_type",
            param="model",
        )
    return Request(
        endpoint=endpoint,
        fields=fields,
        model=model,
        stream=raws.get("stream") == b"true",
        asks_usage="stream_options" in raws and _asks_usage(fields),
        user="" if _USERS.isdisjoint(raws) else _user(fields),
        size_bytes=len(body),
        session=session,
    )


def fields_of(body: bytes) -> Fields:
    """The top-level fields of any JSON object, whatever it asks for. Raises BadRequest."""
    return Fields(body, _decode_object(body))


def splice(fields: Fields, *edits: Mapping[str, bytes]) -> bytes:
    """The body with `edits` (field → JSON bytes, or REMOVE) applied, one after the other; untouched values keep their bytes."""
    merged = fields.slices.copy()
    for some in edits:
        for name, value in some.items():
            if value:
                merged[name] = msgspec.Raw(value)
            else:  # REMOVE
                merged.pop(name, None)
    return _encode(merged)


def _hides_letters(raw: bytes) -> bool:
    """Prompts are full of escapes (line ends, quotes, é) that hide nothing: what is rarer is looked for first, at the speed of
    a search for a byte, of a few bytes, of a pattern that begins with them."""
    at = raw.find(_LATIN) if _BACKSLASH in raw else -1
    return at >= 0 and any(_begins_escape(raw, found.start()) for found in _escaped_letters(raw, at))


def _begins_escape(raw: bytes, at: int) -> bool:
    """Whether a backslash begins an escape, rather than being the second half of one."""
    first = at
    while first and raw[first - 1] == _BACKSLASH:
        first -= 1
    return (at - first) % 2 == 0


def ask_usage(request: Request) -> dict[str, bytes]:
    """The edit that makes a stream report its usage; empty when it will anyway, or when upstream should refuse first."""
    if not request.stream or request.asks_usage or request.endpoint not in _USAGE_ON_REQUEST:
        return {}
    options = request.fields.get("stream_options")
    if options is None:
        return {"stream_options": b'{"include_usage":true}'}
    if not isinstance(options, dict):
        return {}
    return {"stream_options": msgspec.json.encode({**options, "include_usage": True})}


def decode(value: bytes | msgspec.Raw) -> Any:
    """One JSON value. Raises BadRequest where the slice is not valid JSON (raw slices are only checked when read)."""
    try:
        return _any.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest(NOT_JSON) from None


def _decode_object(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        if not body.isascii():
            body.decode()
        return _top_level.decode(body)
    except msgspec.ValidationError:
        raise BadRequest(
            f"Invalid body: expected an object, but got {_type_name(decode(body))} instead."
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest(NOT_JSON) from None


def _asks_usage(fields: Fields) -> bool:
    options = fields["stream_options"]
    return isinstance(options, dict) and options.get("include_usage") is True


def _user(fields: Fields) -> str:
    for name in ("safety_identifier", "user"):
        value = fields.get(name)
        if isinstance(value, str) and value:
            return value
    return ""


def _type_name(value: Any) -> str:
    return _TYPE_NAMES.get(type(value), "null")
