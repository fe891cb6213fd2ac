"""What an answer passes through on its way to the client: bridge → meter → stop cutter. Pure machines, one per attempt.

Most answers need the meter alone and pass byte for byte. A call that went over /v1/responses comes back as chat first; a
stop sequence that no living model takes is cut here.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from proxy.models.bridge.answer import Asked, to_chat
from proxy.models.bridge.memory import Sealed
from proxy.models.bridge.refusal import to_chat_error
from proxy.models.bridge.stream import ChatStream
from proxy.models.emulate import StopCutter, cut_whole
from proxy.nouns import Endpoint, Usage
from proxy.upstreams.meter import StreamMeter
from proxy.upstreams.seen import Seen, read_whole


class Shape(msgspec.Struct, frozen=True, gc=False):
    """How the answer of one attempt has to look. `bridged`: what of the chat request shapes it, None for a plain relay."""

    endpoint: Endpoint
    strip_usage: bool = False
    stop: tuple[str, ...] = ()
    choices: int = 1
    bridged: Asked | None = None

    def refusal(self, body: bytes) -> bytes:
        """An upstream error in the words of the endpoint the client used."""
        return to_chat_error(body) if self.bridged else body

    def whole(self, status: int, body: bytes) -> "Whole | None":
        """A whole answer as the client gets it; None when it cannot be read."""
        sealed = None
        if self.bridged is not None:
            try:
                came = to_chat(body, self.bridged)
            except ValueError:
                return None
            status, body, sealed = came.status, came.body, came.sealed
        seen = read_whole(body)
        if seen is None:
            return None
        return Whole(status, cut_whole(body, self.stop) if self.stop else body, seen, sealed)

    def stream(self) -> "Stream":
        """The machines for one stream."""
        return Stream(self)


class Whole(msgspec.Struct, frozen=True, gc=False):
    """A whole answer after reshaping; `seen` is what it said before a stop sequence cut it (that was paid for)."""

    status: int
    body: bytes
    seen: Seen
    sealed: Sealed | None


class Stream:
    """One stream's machines in a row. `feed` takes a block and returns what of it may be sent on; `seen` is what was read so
    far; `pass_frame` is the meter's where there is no other machine; `over` says that no more is wanted from upstream."""

    __slots__ = ("_bridge", "_cutter", "_meter", "feed", "pass_frame", "seen")

    def __init__(self, shape: Shape) -> None:
        self._bridge = ChatStream(shape.bridged) if shape.bridged else None
        self._meter = StreamMeter(shape.endpoint, strip_usage=shape.strip_usage)
        self._cutter = StopCutter(shape.stop, shape.choices) if shape.stop else None
        self.seen: Final[Seen] = self._meter.seen
        alone = self._bridge is None and self._cutter is None
        self.feed: Final[Callable[[bytes], bytes]] = self._meter.feed if alone else self._feed
        self.pass_frame: Final[Callable[[bytes], bytes | None]] = (
            self._meter.pass_frame if alone else _no_frame
        )

    @property
    def sealed(self) -> Sealed | None:
        return self._bridge.sealed if self._bridge else None

    @property
    def broken(self) -> bool:
        """Whether upstream sent something that is no event of the API."""
        return self.seen.unreadable

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be read of it, for either reason."""
        return self.seen.unreadable or (self._cutter is not None and self._cutter.done)

    @property
    def over(self) -> bool:
        return self._cutter is not None and self._cutter.done

    def _feed(self, block: bytes) -> bytes:
        if self._bridge is not None:
            block = self._bridge.feed(block)
        kept = self._meter.feed(block) if block else b""
        return self._cutter.feed(kept) if self._cutter is not None and kept else kept

    def finish(self) -> bytes:
        """What is left when upstream has ended. After a broken end it closes its line: whatever follows must not stand on
        it, clients would read both as one."""
        rest = self._meter.finish()
        if self._cutter is not None:
            rest = self._cutter.feed(rest) + self._cutter.finish()
        return rest + b"\n\n" if rest and not self.seen.complete else rest

    def ending(self, usage: Usage | None) -> bytes:
        """What closes a stream that was cut at a stop sequence; `usage` for a client that asked for it."""
        assert self._cutter is not None
        if usage is None:
            return self._cutter.ending()
        told = self.seen.usages
        return self._cutter.ending(msgspec.Raw(told[0]) if len(told) == 1 else _as_openai(usage))


def _no_frame(_frame: bytes) -> None:
    """Two machines change what passes: no frame goes on as it came."""


def _as_openai(usage: Usage) -> Mapping[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
