"""`n` answers from a target that gives one: the question is asked n times at once and the answers become one.

All parts or none: a part that fails fails the attempt, since a caller who asked for n answers cannot use fewer. Parts
usually fail together, so the others get a moment to say so themselves, which tells that they cost nothing; what is still
open then is closed and counts as billed. The bill of an answer is the sum over its parts.

A stop sequence is cut and usage is taken out behind the merger, once for all choices; before it each part only becomes chat.
"""

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from proxy.headers import Header
from proxy.models.fanout import StreamMerger, merge_whole, sum_usage
from proxy.reshape import Shape
from proxy.tasks import TaskOwner
from proxy.upstreams import http
from proxy.upstreams.attempt import Answered, Outcome, Question, Streaming, attempt
from proxy.upstreams.providers import Provider, poured
from proxy.upstreams.refusals import Failed
from proxy.upstreams.response import FrameTap, Tap
from proxy.upstreams.retry import Failure
from proxy.upstreams.seen import Seen

_TOGETHER_S: Final = 1.0
"""How long the other parts may take to fail as well."""

_Block = bytes | http.UpstreamError


async def attempt_parts(provider: Provider, question: Question, parts: int, tasks: TaskOwner) -> Outcome:
    """Send the question `parts` times and merge. What is not part of the outcome is closed; cancellation closes all."""
    one = replace(question, shape=replace(question.shape, strip_usage=False, stop=(), choices=1))
    outcomes: dict[int, Outcome] = {}

    async def ask(part: int) -> None:
        outcomes[part] = await attempt(provider, one)

    asked = [tasks.start(ask(part)) for part in range(parts)]
    merged: Outcome | None = None
    try:
        await _all_or_first_failure(asked, outcomes)
        merged = _merged([outcomes.get(part) for part in range(parts)], question.shape, tasks)
    finally:
        if not isinstance(merged, Streaming):
            for task in asked:
                task.cancel()
            for outcome in outcomes.values():
                if isinstance(outcome, Streaming):
                    outcome.response.close()
    return merged


async def _all_or_first_failure(asked: Sequence[asyncio.Task[None]], outcomes: dict[int, Outcome]) -> None:
    waiting, patience_s = set(asked), None
    while waiting:
        done, waiting = await asyncio.wait(waiting, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            return
        for task in done:
            task.result()
        if any(isinstance(outcome, Failed) for outcome in outcomes.values()):
            patience_s = _TOGETHER_S


def _merged(outcomes: Sequence[Outcome | None], shape: Shape, tasks: TaskOwner) -> Outcome:
    answers = [outcome for outcome in outcomes if isinstance(outcome, Answered)]
    if len(answers) == len(outcomes):
        return _merged_whole(answers, shape)
    streams = [outcome for outcome in outcomes if isinstance(outcome, Streaming)]
    if len(streams) == len(outcomes):
        return _merged_stream(streams, shape, tasks)
    return _merged_failure(outcomes)


def _merged_whole(answers: Sequence[Answered], shape: Shape) -> Answered | Failed:
    try:
        body = merge_whole([answer.whole.body for answer in answers])
    except ValueError:
        return Failed(Failure.UNREADABLE, detail="not_chat", may_be_billed=True)
    whole = replace(shape, bridged=None).whole(answers[0].whole.status, body)
    if whole is None:
        return Failed(Failure.UNREADABLE, detail="not_chat", may_be_billed=True)
    return Answered(answers[0].headers, whole)


def _merged_failure(outcomes: Sequence[Outcome | None]) -> Failed:
    """The first failure, with the bill of all parts: exact when every other part said what it used, else unknown."""
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    if not failures:  # some parts streamed and some did not
        return Failed(Failure.UNREADABLE, detail="parts_differ", may_be_billed=True)
    free = sum([not failure.may_be_billed for failure in failures])
    if free == len(outcomes):
        return failures[0]
    usages = [
        outcome.whole.seen.usages[-1]
        for outcome in outcomes
        if isinstance(outcome, Answered) and outcome.whole.seen.usages
    ]
    seen = _seen_sum(usages) if free + len(usages) == len(outcomes) else None
    return dataclasses.replace(failures[0], may_be_billed=True, seen=seen)


def _seen_sum(usages: Sequence[bytes]) -> Seen:
    total = sum_usage([msgspec.json.decode(usage) for usage in usages])
    return Seen(events=1, done=True, usages=[msgspec.json.encode(total)])


def _merged_stream(streams: Sequence[Streaming], shape: Shape, tasks: TaskOwner) -> Streaming:
    merger = StreamMerger(len(streams))
    outer = replace(shape, bridged=None).stream()
    outer.seen.open_parts = len(streams)
    first = b"".join([merger.feed(part, stream.first) for part, stream in enumerate(streams)])
    return Streaming(_Together(streams, merger, outer.seen, tasks), outer, outer.feed(first))


class _Together:
    """The streams of all parts as one `Incoming`: a task per part reads ahead by one block, so a slow client holds all
    of them back. `seen` is the tally of the merged stream."""

    def __init__(
        self, streams: Sequence[Streaming], merger: StreamMerger, seen: Seen, tasks: TaskOwner
    ) -> None:
        self.status = streams[0].response.status
        self.headers: list[Header] = streams[0].response.headers
        self._streams = streams
        self._merger = merger
        self._seen = seen
        self._over = False
        self._blocks: asyncio.Queue[tuple[int, _Block]] = asyncio.Queue(len(streams))
        self._readers = [tasks.start(self._read(part)) for part in range(len(streams))]

    async def read_chunk(self) -> bytes:
        """Merged events, b"" once every part has ended or one of them has reported an error."""
        while not self._over:
            part, block = await self._blocks.get()
            if isinstance(block, http.UpstreamError):
                raise block
            if merged := self._merger.feed(part, self._chat(part, block)):
                return merged
        return b""

    async def pour(self, tap: Tap, frame_tap: FrameTap | None = None) -> bool:  # noqa: ARG002 - has none
        return await poured(self, tap)

    async def read_all(self, limit_bytes: int) -> bytes:
        """Never asked for: whole answers are merged as such."""
        raise http.BodyTooLarge(f"a merged stream is not read whole, whatever its size ({limit_bytes})")

    def close(self) -> None:
        """Every part is closed."""
        self._over = True
        for reader in self._readers:
            reader.cancel()
        for stream in self._streams:
            stream.response.close()

    async def _read(self, part: int) -> None:
        response = self._streams[part].response
        try:
            while block := await response.read_chunk():
                await self._blocks.put((part, block))
            await self._blocks.put((part, b""))
        except http.UpstreamError as error:
            await self._blocks.put((part, error))

    def _chat(self, part: int, block: bytes) -> bytes:
        """One part's block as chat events. Raises ConnectionCut at the end of a part that was not complete."""
        stream = self._streams[part].stream
        if block:
            chat = stream.feed(block)
            if stream.broken:
                raise http.BadResponse("one of several answers held something that is no event", sent=True)
            self._over = self._over or bool(stream.seen.error)
            return chat
        chat = stream.finish()
        if not stream.seen.complete and not stream.seen.error:
            raise http.ConnectionCut("one of several answers ended before it was complete", sent=True)
        self._seen.open_parts -= 1
        self._over = self._over or not self._seen.open_parts
        return chat
