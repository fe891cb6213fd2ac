"""A stream as it goes on to its client: a frame that came alone is passed on by itself, and nobody can tell the difference."""

import asyncio
import itertools
from datetime import UTC, datetime

import pytest
from house_kit import Caught, Home
from mangling import DONE, HEAD, USAGE, chunk, event

from proxy.chunked import chunk as framed_chunk
from proxy.chunked import framed
from tests.upstreams.rawserver import Peer, serving, until

OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
ASKED = {"stream_options": {"include_usage": True}}
OPENING = event({**chunk({"role": "assistant", "content": ""}), "usage": None})
CLOSING = event({**chunk({}, "stop"), "usage": None}) + event({**HEAD, "choices": [], "usage": USAGE}) + DONE
AFTER_ITS_DAY = datetime(2027, 2, 1, tzinfo=UTC).timestamp()


class Side(Caught):
    """A client that reads what it is sent, but for the times when it is behind. Without `frames` it takes pieces only."""

    def __init__(self, *, frames):
        super().__init__()
        self.takes_frames, self.frames = frames, 0
        self.keeps_up = asyncio.Event()
        self.keeps_up.set()

    def chunk_writer(self):
        return self._frame if self.takes_frames and self.keeps_up.is_set() else None

    def _frame(self, frame):
        body = framed(frame)
        assert body
        self.body += body
        self.frames += 1

    def push(self, block):
        return self.keeps_up.is_set() and super().push(block)

    async def write(self, block):
        await self.keeps_up.wait()
        await super().write(block)

    async def end(self):
        self.body += b"END"


def said(text, **fields):
    return event({**chunk({"content": text}), "usage": None, **fields})


async def relayed(reads, body, *, frames, behind=-1, now=0.0):
    """The client, the row and the events of a stream that comes in these reads, each (the bodies of its frames) once the one
    before it went out; while read number `behind` and the two after it come, the client is not reading."""
    client = Side(frames=frames)

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(OK + framed_chunk(OPENING, last=False))
        sent = 1
        for number, read in enumerate(reads):
            if number == behind:
                client.keeps_up.clear()
            peer.send(b"".join([framed_chunk(each, last=False) for each in read]))
            sent += b"".join(read).count(b"data: ")
            if behind <= number < behind + 2 and behind >= 0:
                continue
            client.keeps_up.set()
            await until(lambda sent=sent: client.body.count(b"data: ") >= sent or b"END" in client.body)
        peer.send(framed_chunk(CLOSING, last=True))
        await peer.gone()

    async with serving(script) as server:
        home = Home(server.url())
        home.now = now
        asked = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "hi"}], "stream": True}
        await home.ask(client, asked | body)
        home.pools.close()
    (row, events), *others = home.rows
    assert not others
    return client, row, events


def apart(texts, **fields):
    return [[said(text, **fields)] for text in texts]


TEXTS = ["one", " two", "\n\n", ' "quoted"', " três", ' {"usage":null}', "", " eight", " nine"]
MIXED = [
    *apart(TEXTS[:3]),
    [said("a") + said("b")],
    *apart(TEXTS[3:6]),
    [said("c"), said("d")],
    *apart(["e"], model="another"),
    *apart(["f"], obfuscation="xyz"),
    *apart(TEXTS[6:]),
]


@pytest.mark.parametrize("behind", [-1, 3, 7], ids=["keeps up", "is behind early", "is behind late"])
@pytest.mark.parametrize("body", [ASKED, {}], ids=["usage asked for", "usage taken out"])
@pytest.mark.parametrize("reads", [apart(TEXTS * 2), MIXED], ids=["alike", "mixed"])
def test_the_client_and_the_ledger_cannot_tell_how_frames_went(reads, body, behind):
    """Whatever stands between frames, for clients that are slow now and then: the same bytes, whole events in their order,
    and the same bill as when every piece is parsed."""
    client, row, events = asyncio.run(relayed(reads, body, frames=True, behind=behind))
    plain, plain_row, plain_events = asyncio.run(relayed(reads, body, frames=False, behind=behind))
    assert client.body == plain.body
    for name in ("usage", "cost_nano", "finish", "response_model", "error"):
        assert getattr(row, name) == getattr(plain_row, name)
    assert events == plain_events
    sent = b"".join([OPENING, *itertools.chain(*reads), CLOSING])
    if not body:
        sent = sent.replace(event({**HEAD, "choices": [], "usage": USAGE}), b"").replace(
            b',"usage":null', b""
        )
    assert client.body == sent + b"END"
    assert plain.frames == 0
    assert client.frames >= (1 if behind >= 0 else 5)


def test_a_stop_sequence_is_looked_for_in_every_event():
    """Where the proxy has to cut an answer, as for the successor of a model that is gone, no event passes by who cuts."""
    body, reads = {"stop": ["STOP"], **ASKED}, apart(["a", "b", "c", " STOP", "d", "e"])
    client, row, _ = asyncio.run(relayed(reads, body, frames=True, now=AFTER_ITS_DAY))
    assert (row.served, client.frames) == ("gpt-6-luna", 0)
    assert "stop:emulated" in row.changes
    assert b"STOP" not in client.body
    assert b'"d"' not in client.body
    assert client.body.endswith(DONE + b"END")


RUN_ON = apart(["a", " STOP", "b", "c"])
THOUGHT = {"prompt_tokens": 9, "completion_tokens": 321, "total_tokens": 330,
           "completion_tokens_details": {"reasoning_tokens": 300}}  # fmt: skip


@pytest.mark.parametrize("body", [ASKED, {}], ids=["usage asked for", "not asked for"])
def test_what_a_model_thought_is_known_though_its_answer_was_cut(body):
    """It is read to its end, where alone it is told: a guess would have to be all that it might have thought, a hundred times
    as much. Who did not ask for usage has the end of its answer before that."""

    async def cut():
        client = Side(frames=True)

        async def script(peer: Peer) -> None:
            await peer.request()
            peer.send(OK + framed_chunk(OPENING, last=False))
            for read in RUN_ON:
                peer.send(framed_chunk(b"".join(read), last=False))
            await until(lambda: b"END" in client.body or (body and b'"finish_reason":"stop"' in client.body))
            usage = event({**HEAD, "choices": [], "usage": THOUGHT})
            peer.send(framed_chunk(event({**chunk({}, "stop"), "usage": None}) + usage + DONE, last=True))
            await peer.gone()

        async with serving(script) as server:
            home = Home(server.url())
            home.now = AFTER_ITS_DAY
            asked = {"model": "o4-mini", "messages": [{"role": "user", "content": "hi"}], "stream": True}
            await home.ask(client, asked | body | {"stop": ["STOP"]})
            home.pools.close()
        return client, home.rows[-1][0]

    client, row = asyncio.run(cut())
    assert "stop:emulated" in row.changes
    assert (row.usage.output_tokens, row.usage.reasoning_tokens, row.error) == (321, 300, "")
    assert client.body.endswith(DONE + b"END")
    assert (b'"reasoning_tokens":300' in client.body) == bool(body)
    assert b'"b"' not in client.body
