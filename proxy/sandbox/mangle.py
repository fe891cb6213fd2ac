"""Frame-level damage: generators that pass a stream on, spoiled as the faults say."""

import json
from collections.abc import Iterator
from typing import Any

from proxy.sandbox.answers import Frame
from proxy.sandbox.faults import Fault

GIANT_BYTES = 1_000_000
GAVE_UP = "The server had an error while processing your request. Sorry about that!"


def mangled(frames: Iterator[Frame], faults: tuple[Fault, ...]) -> Iterator[Frame]:
    """The stream with every frame-level fault applied, in the order given."""
    for fault in faults:
        match fault.action:
            case "comments":
                frames = _comments(frames)
            case "crlf":
                frames = (Frame(frame.data.replace(b"\n", b"\r\n"), frame.output) for frame in frames)
            case "giant":
                frames = _giant(frames, fault.bytes or GIANT_BYTES)
            case "malformed":
                frames = _malformed(frames, fault.at)
            case "error_inside":
                frames = _error_inside(frames, fault)
            case "split":
                frames = _split(frames)
    return frames


def _comments(frames: Iterator[Frame]) -> Iterator[Frame]:
    for frame in frames:
        yield Frame(b": ping\n\n" + frame.data, frame.output)


def _giant(frames: Iterator[Frame], size: int) -> Iterator[Frame]:
    """One very long line (an unknown event the client must skip or bear) before the second event."""
    for index, frame in enumerate(frames):
        if index == 1:
            yield Frame(b": " + b"x" * size + b"\n\n", 0)
        yield frame


def _malformed(frames: Iterator[Frame], at: int) -> Iterator[Frame]:
    for index, frame in enumerate(frames):
        yield (
            Frame(b'data: {"id": "chatcmpl-1", "choices": [{"del\n\n', frame.output) if index == at else frame
        )


def _error_inside(frames: Iterator[Frame], fault: Fault) -> Iterator[Frame]:
    """After `at` healthy events the provider gives up inside its 200."""
    responses, index = False, 0
    for index, frame in enumerate(frames):
        responses = frame.data.startswith(b"event:")
        if index == fault.at:
            break
        yield frame
    if responses:
        event: dict[str, Any] = {
            "type": "error",
            "code": fault.code or "server_error",
            "message": fault.message or GAVE_UP,
        }
        event |= {"param": None, "sequence_number": index}
        yield Frame(b"event: error\ndata: " + json.dumps(event).encode() + b"\n\n")
        return
    error = {
        "message": fault.message or GAVE_UP,
        "type": "server_error",
        "param": None,
        "code": fault.code,
    }
    yield Frame(b"data: " + json.dumps({"error": error}).encode() + b"\n\n")


def _split(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Every byte is a write of its own, so no event, line or character arrives whole."""
    for frame in frames:
        for index in range(len(frame.data)):
            yield Frame(frame.data[index : index + 1], frame.output)
