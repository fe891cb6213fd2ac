"""Sends an answer at its pace, with the faults of the wire, and writes down how it ended and what it cost.

What was generated when the client left is what is billed: visible tokens sent, plus the share of hidden reasoning that
the elapsed time paid for. `line` is the connection; this file knows what to do with it.
"""

import asyncio
import gzip
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import NormalDist

from proxy.sandbox.answers import Answer, Frame
from proxy.sandbox.billing import Bill, cost_nano
from proxy.sandbox.calls import CallRecord
from proxy.sandbox.faults import Fault, draw
from proxy.sandbox.line import Line
from proxy.sandbox.mangle import mangled

DEFAULT_TTFT_S = 22.0
CHUNK_BYTES = 1000


class Cut(Exception):
    """The answer ends here on purpose; the connection is no longer usable."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds before the first visible token and between tokens."""

    ttft_s: float = 0.0
    token_s: float = 0.0

    @classmethod
    def of(cls, answer: Answer, faults: tuple[Fault, ...], scale: float, luck: str = "") -> "Pace":
        """`luck`: what decides where in its spread a latency lies."""
        ttft_s = token_s = 0.0
        if answer.model is not None and answer.bill is not None:
            ttft_s, token_s = answer.model.ttft_s * scale, answer.model.token_s * scale
        for fault in faults:
            if fault.action == "slow_first":
                ttft_s = fault.seconds if fault.seconds is not None else DEFAULT_TTFT_S * scale
                if fault.spread:
                    ttft_s *= math.exp(
                        fault.spread * NormalDist().inv_cdf(min(max(draw(luck), 1e-6), 1 - 1e-6))
                    )
            elif fault.action == "pace":
                token_s = fault.seconds or 0.0
        return cls(ttft_s, token_s)


@dataclass(slots=True)
class Delivery:
    """Sends one answer and fills in its record. `now` is a monotonic clock for what elapsed while a client waited."""

    answer: Answer
    headers: list[tuple[bytes, bytes]]
    faults: tuple[Fault, ...]
    pace: Pace
    line: Line
    record: CallRecord
    now: Callable[[], float]
    _visible: int = 0

    async def run(self) -> None:
        started = self.now()
        output = 0
        try:
            output = await self._send()
            self.record.outcome = "answered" if self.answer.status < 400 else "refused"
        except Cut as ending:
            output = self._reached(self.now() - started)
            self.record.outcome = str(ending)
            self.record.client_closed = self.record.outcome == "client_closed"
        finally:
            await self.line.close()
            self._charge(output, self.now() - started)

    def _fault(self, action: str) -> Fault | None:
        return next((fault for fault in self.faults if fault.action == action), None)

    async def _send(self) -> int:
        if self._fault("hang"):
            await self._pause(self._fault("hang"))
        await self._end_if_due(-1)
        return await (self._whole() if self.answer.frames is None else self._stream(self.answer.frames))

    async def _pause(self, fault: Fault | None) -> None:
        """Silence for the fault's seconds, or until the client has had enough."""
        if await self.line.wait(fault.seconds if fault else None):
            raise Cut("client_closed")

    def _ending(self, events: int) -> Fault | None:
        """The cut or close that is due once so many events (or bytes) are out; -1 is before the headers."""
        fault = self._fault("cut") or self._fault("close")
        if fault is None:
            return None
        if fault.bytes is not None and events >= 0:
            return fault if self.record.bytes_sent >= fault.bytes else None
        return fault if fault.at == events else None

    async def _end_if_due(self, events: int) -> None:
        fault = self._ending(events)
        if fault is not None:
            await self.line.end(reset=fault.action == "cut")
            raise Cut("cut")

    async def _whole(self) -> int:
        bill = self.answer.bill or Bill()
        if await self.line.wait(self.pace.ttft_s + self.pace.token_s * (bill.output - bill.reasoning)):
            raise Cut("client_closed")
        body, headers = self.answer.body, list(self.headers)
        if self._fault("gzip"):
            body = gzip.compress(body, mtime=0)
            headers.append((b"content-encoding", b"gzip"))
        pieces, sized = self._pieces(body)
        if sized:
            headers.append((b"content-length", str(len(body)).encode()))
        await self.line.start(self.answer.status, headers)
        for index, piece in enumerate(pieces):
            await self._write(piece, more=not sized or index < len(pieces) - 1)
            if self._fault("cut") or self._fault("close"):
                await asyncio.sleep(0.02)
                await self._cut_whole()
        if not sized:
            await self.line.write(b"", more=False)
        return bill.output - bill.reasoning

    def _pieces(self, body: bytes) -> tuple[list[bytes], bool]:
        """The body in its writes, and whether its length is announced."""
        chunked, ending = self._fault("chunked"), self._fault("cut") or self._fault("close")
        if ending is not None and ending.at >= 0:
            at = ending.bytes if ending.bytes is not None else len(body) // 2
            return [body[:at], body[at:]], True
        if chunked is None:
            return [body], True
        size = chunked.bytes or CHUNK_BYTES
        return [body[start : start + size] for start in range(0, len(body), size)], False

    async def _cut_whole(self) -> None:
        """A whole answer ends after its first piece, however the cut was placed."""
        fault = self._fault("cut") or self._fault("close")
        await self.line.end(reset=fault is not None and fault.action == "cut")
        raise Cut("cut")

    async def _write(self, data: bytes, *, more: bool) -> None:
        if data or not more:
            await self.line.write(data, more=more)
            self.record.bytes_sent += len(data)

    async def _stream(self, frames: Iterator[Frame]) -> int:
        frames = mangled(frames, self.faults)
        headers, packer = list(self.headers), None
        if self._fault("gzip"):
            packer = zlib.compressobj(wbits=31)
            headers.append((b"content-encoding", b"gzip"))
        # The provider thinks before it opens its mouth, but its headers are out at once.
        await self.line.start(200, headers)
        if await self.line.wait(self.pace.ttft_s):
            raise Cut("client_closed")
        visible = 0
        for index, frame in enumerate(frames):
            if self.faults:
                await self._due(index)
            if await self.line.wait(self.pace.token_s * (frame.output - visible)):
                raise Cut("client_closed")
            data = frame.data
            if packer is not None:
                data = packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)
            cut = self._byte_limit() if self.faults else None
            if cut is not None and self.record.bytes_sent + len(data) >= cut:
                data = data[: cut - self.record.bytes_sent]
            await self._write(data, more=True)
            self.record.events_sent += 1
            visible = self._visible = max(visible, frame.output)
            if cut is not None and self.record.bytes_sent >= cut:
                await self._due(index + 1)
        await self._due(self.record.events_sent)
        await self._write(packer.flush() if packer is not None else b"", more=False)
        if self._fault("error_inside"):
            return visible
        bill = self.answer.bill or Bill()
        return bill.output - bill.reasoning

    def _byte_limit(self) -> int | None:
        fault = self._fault("cut") or self._fault("close")
        return fault.bytes if fault is not None else None

    async def _due(self, events: int) -> None:
        """The silences and endings set for this point of the stream."""
        for action in ("hang_mid", "stall"):
            fault = self._fault(action)
            if fault is not None and fault.at == events:
                await self._pause(fault)
        if self._ending(events) is not None:
            # Let what was written leave first, or the reset would take it along.
            await asyncio.sleep(0.02)
            await self._end_if_due(events)

    def _reached(self, elapsed_s: float) -> int:
        """Visible tokens generated when the exchange ended early."""
        if self.answer.frames is not None:
            return self._visible
        bill = self.answer.bill or Bill()
        visible = bill.output - bill.reasoning
        if not self.pace.token_s:
            return visible if elapsed_s >= self.pace.ttft_s else 0
        return max(0, min(visible, int((elapsed_s - self.pace.ttft_s) / self.pace.token_s)))

    def _free(self, visible: int) -> bool:
        """A provider that failed before its first token charges nothing, unless the fault says it did."""
        silent = self.record.outcome != "answered" and not self.record.bytes_sent
        for fault in self.faults:
            if fault.action == "error_inside" and not visible:
                return not fault.billed
            if silent and (fault.action == "hang" or (fault.action in ("cut", "close") and fault.at == -1)):
                return not fault.billed
        return False

    def _charge(self, visible: int, elapsed_s: float) -> None:
        answer, record = self.answer, self.record
        record.seconds = elapsed_s
        if answer.bill is None or answer.model is None or self._free(visible):
            return
        reasoning = answer.bill.reasoning
        if record.client_closed and not visible and self.pace.ttft_s:
            reasoning = min(reasoning, int(reasoning * elapsed_s / self.pace.ttft_s))
        record.full_output = answer.bill.output
        record.bill = replace(answer.bill, output=reasoning + visible, reasoning=reasoning)
        record.cost_nano = cost_nano(record.bill, answer.model)
