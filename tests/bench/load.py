"""Load on one proxy: a closed loop of plain requests, or streams. Prints one JSON line of what the client saw.

    python -m tests.bench.load URL --model NAME --connections 32 --seconds 3 [--stream] [--usage] [--key KEY]

Each connection sends its next request when its answer is complete. Answers are read by a real HTTP parser, so that an
event is counted wherever the proxy cut its chunks. The proxy's CPU is measured by who starts this (processes.py).
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, cast
from urllib.parse import urlsplit

import httptools
import uvloop

_STAMP: Final = re.compile(rb"@(\d{15}) tok")
_CODE: Final = 'def added(x):\n    return x + 1  # "one"\n'
"""What coding agents send: full of line ends and quotes, which JSON writes as escapes."""
_MATERIAL: Final = "lorem ipsum dolor sit amet " * 6
_INSTRUCTION: Final = (
    ("Summarise", "Shorten", "Rewrite", "Explain", "Review", "Outline", "Simplify", "Continue", "Translate", "Check"),
    ("text", "email", "article", "report", "note", "letter", "chapter", "contract", "message", "speech"),
    ("in one sentence", "in ten words", "for a child", "for my boss", "as a list", "in French", "for a lawyer",
     "as a poem", "in plain words", "for print", "as a table", "step by step", "with examples", "for an exam",
     "as an advert", "in three lines", "for a friend", "as a dialogue", "without jargon", "for the web"),
)  # fmt: skip
"""What to do, with what, and how: two thousand instructions."""


@dataclass
class Tally:
    """What all connections saw. Times are in microseconds."""

    ok: int = 0
    failed: int = 0
    incomplete: int = 0
    events: int = 0
    answer_us: list[int] = field(default_factory=list)
    first_us: list[int] = field(default_factory=list)
    event_us: list[int] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)

    def fail(self, why: str) -> None:
        self.failed += 1
        self.errors[why] = self.errors.get(why, 0) + 1


@dataclass(frozen=True)
class Job:
    """What every connection does, until `until` or once each (`once`): the next of the `requests`."""

    host: str
    port: int
    requests: Iterator[bytes]
    stream: bool
    once: bool
    until: float


class Connection(asyncio.Protocol):
    """One client connection, and the answer it is reading."""

    def __init__(self, job: Job, tally: Tally, over: asyncio.Future[None]) -> None:
        self.job, self.tally, self.over = job, tally, over
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not descend from asyncio's.
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.busy:
            self.tally.fail("connection lost")
            self.end()

    def ask(self) -> None:
        self.busy = True
        self.parser = httptools.HttpResponseParser(self)
        self.last, self.awaiting_first = b"", True
        self.began_ns = time.monotonic_ns()
        self.transport.write(next(self.job.requests))

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.tally.fail("not HTTP")
            self.end()

    def on_body(self, body: bytes) -> None:
        if not self.job.stream:
            return
        tally = self.tally
        # An event ends with a blank line; its two line ends may come in two pieces.
        tally.events += body.count(b"\n\n")
        if self.last.endswith(b"\n") and not self.last.endswith(b"\n\n") and body.startswith(b"\n"):
            tally.events += 1
        self.last = (self.last + body)[-16:]
        if stamp := _STAMP.search(body):
            now_us = time.monotonic_ns() // 1000
            tally.event_us.append(now_us - int(stamp[1]))
            if self.awaiting_first:
                self.awaiting_first = False
                tally.first_us.append(now_us - self.began_ns // 1000)

    def on_message_complete(self) -> None:
        self.busy = False
        status = self.parser.get_status_code()
        if status != 200:
            self.tally.fail(f"status {status}")
        else:
            self.tally.ok += 1
            self.tally.answer_us.append((time.monotonic_ns() - self.began_ns) // 1000)
            if self.job.stream and not self.last.rstrip().endswith(b"[DONE]"):
                self.tally.incomplete += 1
        if self.job.once or time.monotonic() >= self.job.until or not self.parser.should_keep_alive():
            self.end()
        else:
            # Not at once: the parser is still inside its own callback.
            asyncio.get_running_loop().call_soon(self.ask)

    def end(self) -> None:
        self.busy = False
        self.transport.close()
        if not self.over.done():
            self.over.set_result(None)


async def _one(job: Job, tally: Tally, wait_s: float) -> None:
    """One place in the crowd: connects anew when a server closes the connection between answers."""
    await asyncio.sleep(wait_s)
    loop = asyncio.get_running_loop()
    while True:
        over: asyncio.Future[None] = loop.create_future()
        try:
            _, connection = await loop.create_connection(
                lambda over=over: Connection(job, tally, over), job.host, job.port
            )
        except OSError as error:
            tally.fail(type(error).__name__)
            return
        connection.ask()
        try:
            await over
        except asyncio.CancelledError:
            tally.fail("never ended")
            connection.busy = False
            raise
        if job.once or time.monotonic() >= job.until:
            return


async def run(job: Job, connections: int, ramp_s: float, patience_s: float) -> Tally:
    """The whole crowd; whoever has no end `patience_s` after the deadline counts as failed."""
    tally = Tally()
    places = [_one(job, tally, ramp_s * n / connections) for n in range(connections)]
    left_s = job.until - time.monotonic() + ramp_s + patience_s
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*places), left_s)
    return tally


def instruction(number: int) -> str:
    """One of two thousand; the first is to summarise a text in one sentence."""
    words = []
    for choices in _INSTRUCTION:
        number, at = divmod(number, len(choices))
        words.append(choices[at])
    return f"{words[0]} the following {words[1]} {words[2]}: "


def request_bytes(
    url: str, model: str, key: str, *, stream: bool, usage: bool, number: int, told: int, code_bytes: int
) -> bytes:
    """A request; those of different numbers differ by a word of what they are about, those of another `told` by their
    instruction."""
    parts = urlsplit(url)
    prompt = f"{instruction(told)}{_MATERIAL}{number:06d}{_CODE * (code_bytes // len(_CODE))}"
    body = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You are terse."},
            {"role": "user", "content": prompt},
        ],
        "temperature": 0.2,
        "max_tokens": 64,
    }
    if stream:
        body["stream"] = True
    if usage:
        body["stream_options"] = {"include_usage": True}
    data = json.dumps(body).encode()
    head = (
        f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\naccept: */*\r\n"
        f"user-agent: bench\r\nauthorization: Bearer {key}\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


def percentiles(values: list[int]) -> dict[str, int]:
    ordered = sorted(values)
    if not ordered:
        return {}
    return {name: ordered[int((len(ordered) - 1) * share)] for name, share in (("p50", 0.5), ("p99", 0.99))}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--model", required=True)
    parser.add_argument("--key", default="sk-bench")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--ramp", type=float, default=0.0, help="seconds over which connections begin")
    parser.add_argument("--patience", type=float, default=30.0)
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--usage", action="store_true")
    parser.add_argument("--once", action="store_true", help="one request a connection")
    parser.add_argument("--prompts", type=int, default=1, help="how many different prompts, in turn")
    parser.add_argument("--instructions", type=int, default=1, help="how many instructions these have")
    parser.add_argument("--code-bytes", type=int, default=0, help="how much code the prompt ends with")
    parser.add_argument("--cpu", type=int, default=-1)
    args = parser.parse_args()
    if args.cpu >= 0:
        os.sched_setaffinity(0, {args.cpu})
    parts = urlsplit(args.url)
    requests = [
        request_bytes(
            args.url,
            args.model,
            args.key,
            stream=args.stream,
            usage=args.usage,
            number=number,
            told=number % args.instructions,
            code_bytes=args.code_bytes,
        )
        for number in range(args.prompts)
    ]
    began = time.monotonic()
    job = Job(
        parts.hostname or "",
        parts.port or 80,
        itertools.cycle(requests),
        args.stream,
        args.once,
        began + args.ramp + args.seconds,
    )
    tally = uvloop.run(run(job, args.connections, args.ramp, args.patience))
    wall_s = time.monotonic() - began
    print(
        json.dumps(
            {
                "ok": tally.ok,
                "failed": tally.failed,
                "incomplete": tally.incomplete,
                "events": tally.events,
                "wall_s": round(wall_s, 3),
                "rps": tally.ok / wall_s,
                "answer_us": percentiles(tally.answer_us),
                "first_us": percentiles(tally.first_us),
                "event_us": percentiles(tally.event_us),
                "errors": tally.errors,
            }
        )
    )


if __name__ == "__main__":
    main()
