"""The quieter endpoints: which there are, and what must be known of each to pass a call through. Pure data.

ONE table. A path is matched as it was sent, never decoded: what is judged here is byte for byte what goes up, so that an
escaped slash cannot mean one object to us and another to the provider.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import parse_qsl, urlencode

from proxy.nouns import Endpoint


class Body(Enum):
    """What a call carries: nothing to look at, a JSON object, a multipart form, or either of the two."""

    OPAQUE = "opaque"
    JSON = "json"
    FORM = "form"
    EITHER = "either"


class Answer(Enum):
    """What an answer is to the keeper of owners: nothing, an object whose ids must be known, or a list to filter."""

    ANYTHING = "anything"
    OBJECT = "object"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Operation:
    """`kind` is what the id in the path names, or what a list has. `has_model`: the body names one. `unpriced`: it costs money
    in units nobody here can bound. `lines`: it sets a file of requests to work. `page` and `most`: how many objects a list has unasked, and can be asked for."""

    endpoint: Endpoint
    method: str
    path: str
    body: Body = Body.OPAQUE
    kind: str = ""
    has_model: bool = False
    unpriced: bool = False
    lines: bool = False
    answer: Answer = Answer.ANYTHING
    page: int = 0
    most: int = 0


@dataclass(frozen=True, slots=True)
class Match:
    """An operation with the object its path names."""

    operation: Operation
    object_id: str = ""


_A, _I, _F, _B = Endpoint.AUDIO, Endpoint.IMAGES, Endpoint.FILES, Endpoint.BATCHES
_R, _C = Endpoint.RESPONSES, Endpoint.CHAT
_OBJECT, _LIST = Answer.OBJECT, Answer.LIST

OPERATIONS: Final = (
    Operation(_A, "POST", "/audio/speech", Body.JSON, has_model=True, unpriced=True),
    Operation(_A, "POST", "/audio/transcriptions", Body.FORM, has_model=True, unpriced=True),
    Operation(_A, "POST", "/audio/translations", Body.FORM, has_model=True, unpriced=True),
    Operation(_I, "POST", "/images/generations", Body.JSON, has_model=True, unpriced=True),
    Operation(_I, "POST", "/images/edits", Body.EITHER, has_model=True, unpriced=True),
    Operation(_I, "POST", "/images/variations", Body.FORM, has_model=True, unpriced=True),
    Operation(_F, "POST", "/files", Body.FORM, answer=_OBJECT),
    Operation(_F, "GET", "/files", kind="file", answer=_LIST, page=1000, most=1000),
    Operation(_F, "GET", "/files/{}", kind="file"),
    Operation(_F, "DELETE", "/files/{}", kind="file"),
    Operation(_F, "GET", "/files/{}/content", kind="file"),
    Operation(_F, "POST", "/uploads", Body.JSON, answer=_OBJECT),
    Operation(_F, "POST", "/uploads/{}/parts", Body.FORM, kind="upload"),
    Operation(_F, "POST", "/uploads/{}/complete", Body.JSON, kind="upload", answer=_OBJECT),
    Operation(_F, "POST", "/uploads/{}/cancel", kind="upload"),
    Operation(_B, "POST", "/batches", Body.JSON, unpriced=True, lines=True, answer=_OBJECT),
    Operation(_B, "GET", "/batches", kind="batch", answer=_LIST, page=20, most=100),
    Operation(_B, "GET", "/batches/{}", kind="batch", answer=_OBJECT),
    Operation(_B, "POST", "/batches/{}/cancel", kind="batch", answer=_OBJECT),
    Operation(_R, "POST", "/responses/input_tokens", Body.JSON, has_model=True),
    Operation(_R, "POST", "/responses/compact", Body.JSON, has_model=True, unpriced=True),
    Operation(_R, "GET", "/responses/{}", kind="response", answer=_OBJECT),
    Operation(_R, "DELETE", "/responses/{}", kind="response"),
    Operation(_R, "GET", "/responses/{}/input_items", kind="response"),
    Operation(_R, "POST", "/responses/{}/cancel", kind="response", answer=_OBJECT),
    Operation(_R, "POST", "/conversations", Body.JSON, answer=_OBJECT),
    Operation(_R, "GET", "/conversations/{}", kind="conversation"),
    Operation(_R, "POST", "/conversations/{}", Body.JSON, kind="conversation"),
    Operation(_R, "DELETE", "/conversations/{}", kind="conversation"),
    Operation(_R, "GET", "/conversations/{}/items", kind="conversation"),
    Operation(_R, "POST", "/conversations/{}/items", Body.JSON, kind="conversation"),
    Operation(_R, "GET", "/conversations/{}/items/*", kind="conversation"),
    Operation(_R, "DELETE", "/conversations/{}/items/*", kind="conversation"),
    Operation(_C, "GET", "/chat/completions", kind="completion", answer=_LIST, page=20, most=100),
    Operation(_C, "GET", "/chat/completions/{}", kind="completion"),
    Operation(_C, "POST", "/chat/completions/{}", Body.JSON, kind="completion"),
    Operation(_C, "DELETE", "/chat/completions/{}", kind="completion"),
    Operation(_C, "GET", "/chat/completions/{}/messages", kind="completion"),
)

LEFT_OUT: Final = (
    *(
        "realtime",
        "assistants",
        "threads",
        "fine_tuning",
        "fine-tunes",
        "vector_stores",
        "evals",
        "containers",
    ),
    *("videos", "chatkit", "organization"),
)
"""First segments of what the API has and this proxy leaves out on purpose."""

_ID: Final = r"[A-Za-z0-9_-]{1,200}"
_PATTERNS: Final = tuple(
    [(re.compile(op.path.replace("{}", f"({_ID})").replace("*", _ID)), op) for op in OPERATIONS]
)


def match(method: str, path: str) -> Match | None:
    """The operation of a path behind the API's root; None for one that is not here."""
    for pattern, operation in _PATTERNS:
        if operation.method == method and (found := pattern.fullmatch(path)):
            return Match(operation, found[1] if "{}" in operation.path else "")
    return None


def is_known(path: str) -> bool:
    """Whether the path exists, with whatever method."""
    return any(pattern.fullmatch(path) for pattern, _ in _PATTERNS)


def left_out(path: str) -> str:
    """The part of the API this path belongs to, if it is one that is left out; else `""`."""
    segment = path.removeprefix("/").partition("/")[0]
    return segment if segment in LEFT_OUT else ""


def listing(operation: Operation, query: str) -> tuple[int, str]:
    """How many objects a list is asked for, and the query that asks a provider for as many as it gives at once: what is
    not the caller's is taken out of them. A limit that is none is left for the provider to refuse."""
    written = dict(parse_qsl(query)).get("limit", "")
    if not written:
        return operation.page, replaced(query, "limit", str(operation.most))
    if not written.isdecimal() or not 0 < int(written[:9]) <= operation.most:
        return operation.most, query
    return int(written), replaced(query, "limit", str(operation.most))


def cursor(query: str) -> str:
    """The object after which a list is to begin, `""` for its beginning."""
    return dict(parse_qsl(query)).get("after", "")


def replaced(query: str, name: str, value: str) -> str:
    """The query with one argument set, once."""
    others = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != name]
    return urlencode([*others, (name, value)])
