"""A stand-in for OpenAI that costs little enough to be out of the way: uvloop, one protocol, answers made in advance.

    python -m tests.bench.upstream PORT [CPU]

`GET /_pace?events=50&every_us=20000` sets how many content events a stream has and the time between them (0: all at
once); `GET /_count` tells what was served. Every content event carries the instant it was written (CLOCK_MONOTONIC in
microseconds, behind an `@`), which a client on the same machine reads to know how long it was under way.

Requests are trusted to have a Content-Length, which every client measured here sends.
"""

import asyncio
import json
import os
import sys
import time
import urllib.parse
from typing import Final, cast

import uvloop

USAGE: Final = (
    '{"prompt_tokens":21,"completion_tokens":32,"total_tokens":53,'
    '"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},'
    '"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,'
    '"rejected_prediction_tokens":0}}'
)
MODEL: Final = "gpt-4.1-mini-2025-04-14"
STAMP_DIGITS: Final = 15


def _answer(content_type: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\nx-request-id: req_bench\r\nopenai-processing-ms: 5\r\n"
    return head % content_type + b"content-length: %d\r\n\r\n" % len(body) + body


def _whole() -> bytes:
    text = (
        "The quick brown fox jumps over the lazy dog and rests in the shade of a tall oak for the afternoon."
    )
    body = (
        f'{{"id":"chatcmpl-bench","object":"chat.completion","created":1760000000,"model":"{MODEL}","choices":'
        f'[{{"index":0,"message":{{"role":"assistant","content":"{text}","refusal":null,"annotations":[]}},'
        f'"logprobs":null,"finish_reason":"stop"}}],"usage":{USAGE},"service_tier":"default",'
        '"system_fingerprint":"fp_bench"}'
    )
    return _answer(b"application/json", body.encode())


def _chunk(delta: str, finish: str, usage: str, choices: bool = True) -> bytes:
    listed = f'{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}' if choices else ""
    data = (
        f'data: {{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1760000000,"model":"{MODEL}",'
        f'"service_tier":"default","system_fingerprint":"fp_bench","choices":[{listed}]{usage}}}\n\n'
    )
    return b"%x\r\n%b\r\n" % (len(data), data.encode())


class Script:
    """The pieces of one flavour of stream: with or without usage. `before` and `after` stand around an event's stamp."""

    def __init__(self, *, usage: bool) -> None:
        null = ',"usage":null' if usage else ""
        stamp = "0" * STAMP_DIGITS
        delta = f'{{"role":"assistant","content":"@{stamp} tok"}}'
        self.before, _, self.after = _chunk(delta, "null", null).partition(stamp.encode())
        last = _chunk("{}", '"stop"', null)
        if usage:
            last += _chunk("", "", f',"usage":{USAGE}', choices=False)
        self.end = last + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"

    def event(self) -> bytes:
        return b"%b%015d%b" % (self.before, time.monotonic_ns() // 1000, self.after)


STREAM_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: req_bench\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
WHOLE: Final = _whole()
SCRIPTS: Final = {usage: Script(usage=usage) for usage in (False, True)}


class Pace:
    """What the next streams do, and what was served so far."""

    def __init__(self) -> None:
        self.events, self.every_s = 50, 0.02
        self.requests = self.streams = self.written = 0


class Upstream(asyncio.Protocol):
    """One connection. Requests come one at a time: no client pipelines."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.loop = asyncio.get_running_loop()
        self.buffer = b""
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not descend from asyncio's.
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.timer is not None:
            self.timer.cancel()

    def data_received(self, data: bytes) -> None:
        buffer = self.buffer + data if self.buffer else data
        head, end, body = buffer.partition(b"\r\n\r\n")
        if not end:
            self.buffer = buffer
            return
        if head.startswith(b"GET"):
            self.buffer = b""
            self.transport.write(_answer(b"application/json", self.told(head)))
            return
        named = head.lower().partition(b"content-length:")[2]
        if len(body) < int(named.partition(b"\r\n")[0]):
            self.buffer = buffer
            return
        self.buffer = b""
        self.pace.requests += 1
        if b'"stream":true' in body or b'"stream": true' in body:
            self.stream(SCRIPTS[b"include_usage" in body])
        else:
            self.transport.write(WHOLE)

    def told(self, head: bytes) -> bytes:
        """Control: the pace is set, the counts are given."""
        url = urllib.parse.urlsplit(head.split(b" ")[1].decode())
        wishes = dict(urllib.parse.parse_qsl(url.query))
        pace = self.pace
        if url.path == "/_pace":
            pace.events, pace.every_s = int(wishes["events"]), int(wishes["every_us"]) / 1e6
        served = {"requests": pace.requests, "streams": pace.streams, "events": pace.written}
        return json.dumps(served).encode()

    def stream(self, script: Script) -> None:
        pace = self.pace
        pace.streams += 1
        if not pace.every_s:
            pace.written += pace.events
            events = b"".join([script.event() for _ in range(pace.events)])
            self.transport.write(STREAM_HEAD + events + script.end)
            return
        self.transport.write(STREAM_HEAD)
        self.step(script, pace.events, self.loop.time())

    def step(self, script: Script, left: int, due: float) -> None:
        """One event now, the next when it is due: a late one does not delay those behind it."""
        if not left:
            self.timer = None
            self.transport.write(script.end)
            return
        self.pace.written += 1
        self.transport.write(script.event())
        due += self.pace.every_s
        self.timer = self.loop.call_at(due, self.step, script, left - 1, due)


async def main(port: int) -> None:
    pace = Pace()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Upstream(pace), "127.0.0.1", port, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    if len(sys.argv) > 2:
        os.sched_setaffinity(0, {int(sys.argv[2])})
    uvloop.run(main(int(sys.argv[1])))
