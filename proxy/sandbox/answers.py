"""What a handler returns: a whole body or a lazy stream of frames, with its bill; nothing here touches a socket."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from proxy.sandbox.billing import Bill
from proxy.sandbox.catalogue import Model

JSON = "application/json"
SSE = "text/event-stream; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Frame:
    """One write of a stream. `output` is the visible output tokens delivered once this frame is out."""

    data: bytes
    output: int = 0


@dataclass(frozen=True, slots=True)
class Quirks:
    """Oddities a fault asks the builders for; the default is a healthy answer."""

    usage: str = "given"
    extra: bool = False
    done: bool = True
    filler_bytes: int = 0
    broken: bool = False
    wordy: float = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """`frames` set means a stream. `model` and `bill` are what the call log records and charges."""

    status: int = 200
    body: bytes = b""
    frames: Iterator[Frame] | None = None
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    model: Model | None = None
    bill: Bill | None = None


def json_answer(
    value: Any, *, status: int = 200, model: Model | None = None, bill: Bill | None = None
) -> Answer:
    return Answer(status=status, body=msgspec.json.encode(value), model=model, bill=bill)
