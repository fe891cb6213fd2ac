"""Chunks that are not read because they have the form of one that was: the same bytes and the same tally as if they were."""

import itertools
import json
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mangling import DONE, HEAD, USAGE, chunk, event

from proxy.chunked import chunk as framed_chunk
from proxy.chunked import framed
from proxy.nouns import Endpoint
from proxy.upstreams.alike import form_of
from proxy.upstreams.meter import StreamMeter
from proxy.upstreams.seen import PlainChunk, read_plain_chunks
from tests.upstreams.metering import is_json, run

PADS = [f"{n:x}" * (n % 7) for n in range(1, 14)]
ODD = [
    {"content": "a", "refusal": "no"},
    {"reasoning_content": "hm"},
    {"tool_calls": [{"index": 0, "function": {"arguments": '{"a'}}]},
    {},
]


def spoken(text, number, *, padded, nulls, **fields):
    """One chunk that says a text, as OpenAI writes it."""
    value = chunk({"content": text}, **fields)
    if nulls:
        value["usage"] = None
    if padded:
        value["obfuscation"] = PADS[number % len(PADS)]
    return value


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    [
        "\n",
        "\n\n",
        '"',
        "\\",
        "\\n",
        '","usage":null',
        '"content":"',
        "\t",
        "\x00",
        "\x7f",
        "é",
        "日本",
        "data: [DONE]",
    ]
)


@st.composite
def streams(draw):
    """(chunks, cuts): long streams of one form, with something of another form now and then."""
    padded, nulls = draw(st.booleans()), draw(st.booleans())
    texts = draw(st.lists(TEXT, min_size=1, max_size=40))
    chunks = [chunk({"role": "assistant", "content": "", "refusal": None})]
    for number, text in enumerate(texts):
        chunks.append(spoken(text, number, padded=padded, nulls=nulls))
        if draw(st.integers(0, 12)) == 0:
            chunks.append(chunk(draw(st.sampled_from(ODD)), usage=None))
        if draw(st.integers(0, 20)) == 0:
            chunks.append({**spoken(text, number, padded=padded, nulls=nulls), "model": "gpt-4.1-mini-other"})
    return [*chunks, chunk({}, "stop")], draw(st.lists(st.integers(1, 3000), max_size=6))


def said(delta):
    """What a delta says, in bytes."""
    told = [delta.get(name) or "" for name in ("content", "refusal", "reasoning_content")]
    calls = json.dumps(delta["tool_calls"], separators=(",", ":")) if "tool_calls" in delta else ""
    return len("".join([*told, calls]).encode())


@given(streams())
@settings(max_examples=400, deadline=None)
def test_the_tally_is_that_of_the_chunks(drawn):
    """However texts are spelled, whatever stands between them and wherever the stream is cut, in both flavours."""
    chunks, cuts = drawn
    last = event({**HEAD, "choices": [], "usage": USAGE})
    stream = b"".join(map(event, chunks)) + last + DONE
    cuts = [cut for cut in cuts if cut < len(stream)]
    for strip in (True, False):
        meter, out = run(stream, cuts, strip=strip)
        bare = [{name: value for name, value in one.items() if name != "usage"} for one in chunks]
        assert out == (b"".join(map(event, bare)) + DONE if strip else stream)
        assert meter.seen.text_bytes == sum(said(one["choices"][0]["delta"]) for one in chunks)
        assert (meter.seen.events, meter.seen.finish, meter.seen.done) == (len(chunks) + 1, "stop", True)
        assert meter.seen.model == HEAD["model"]
        assert meter.seen.malformed == 0


@given(streams(), st.booleans())
@settings(max_examples=200, deadline=None)
def test_an_event_like_those_before_it_is_fed_alone_as_it_would_be_in_the_stream(drawn, strip):
    """Event by event, one way or the other: the same bytes and the same tally; where it is not alike, nothing is noted."""
    chunks, _cuts = drawn
    events = [*map(event, chunks), event({**HEAD, "choices": [], "usage": USAGE}), DONE]
    meter, out = StreamMeter(Endpoint.CHAT, strip_usage=strip), []
    for one in events:
        before = msgspec.structs.asdict(meter.seen)
        frame = meter.pass_frame(framed_chunk(one, last=False))
        assert frame is not None or msgspec.structs.asdict(meter.seen) == before
        out.append(meter.feed(one) if frame is None else framed(frame))
    plain, expected = run(b"".join(events), itertools.accumulate(map(len, events)), strip=strip)
    assert b"".join(out) == expected
    assert meter.seen == plain.seen


def test_behind_half_an_event_nothing_is_alike():
    """It is the other half that comes next, whatever it looks like."""
    meter, _ = run(event(spoken("a", 0, padded=False, nulls=False)) * 2)
    whole = event(spoken("b", 1, padded=False, nulls=False))
    frame = framed_chunk(whole, last=False)
    assert meter.pass_frame(frame) is frame
    assert meter.feed(whole[:20]) == b""
    assert meter.pass_frame(frame) is None
    assert meter.feed(whole[20:]) == whole


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize(
    "spoiled",
    [
        b'a"b',
        b"a\\",
        b"a\\x",
        b"a\nb",
        b"a\x00b",
        b"a\x01",
        b"a\xff",
        b"\xe6\x97",
        b'"},"x":{"y":"',
        b"\\u12",
    ],
)
def test_a_text_that_is_none_is_not_taken_for_one(spoiled, padded):
    """One chunk among a hundred with a text that ends elsewhere: what came before it is relayed, it and the rest are not,
    unless it is JSON all the same."""
    events = [event(spoken(f"tok{n}", n, padded=padded, nulls=True)) for n in range(100)]
    for at in (1, 3, 50, 99):
        bad = event(spoken("SPOIL", 0, padded=padded, nulls=True)).replace(b"SPOIL", spoiled)
        stream = b"".join([*events[:at], bad, *events[at:]])
        meter, out = run(stream, [], strip=False)
        if is_json(bad[6:]):
            assert out == stream
        else:
            assert meter.seen.unreadable
            assert out == b"".join(events[:at])


def test_bytes_lost_or_doubled_anywhere_are_noticed():
    """A thousand streams with one byte changed, lost or doubled: what is relayed is JSON, event for event."""
    rng = random.Random(5)
    clean = b"".join(event(spoken(f"tok {n}\n", n, padded=n % 2 == 0, nulls=True)) for n in range(12)) + DONE
    for _ in range(1000):
        at = rng.randrange(len(clean))
        new = rng.choice([b"", clean[at : at + 1] * 2, bytes([rng.randrange(256)])])
        _meter, out = run(clean[:at] + new + clean[at + 1 :], [], strip=False)
        for data in out.replace(b"\r", b"\n").split(b"\n"):
            assert not data.startswith(b"data: {") or is_json(data[6:])


def test_a_form_is_learnt_from_what_is_certain_only():
    """A chunk whose text could stand elsewhere teaches nothing."""

    def learnt(data):
        return form_of(b"data: %b\n\n" % data, *read_plain_chunks(data))

    plain = b'{"choices":[{"delta":{"content":"a"}}],"model":"m","obfuscation":"xy"}'
    form = learnt(plain)
    assert (form.head, form.tail) == (b'data: {"choices":[{"delta":{"content":"', b'"}\n\n')
    assert form.middle == b'"}}],"model":"m","obfuscation":"'
    for other in (
        plain.replace(b'"m"', b'"content"'),  # a second place
        plain.replace(b'"content":"a"', b'"content": "a"'),
        plain.replace(b'"content":"a"', b'"c\\u006fntent":"a"'),
        plain.replace(b'"a"', b'"a\\n"'),
        plain.replace(b'"a"', b'""'),
        plain.replace(b'"a"', b'"a","refusal":"b"'),
        plain.replace(b"}}]", b'},"finish_reason":"stop"}]'),
        plain.replace(b"}}]", b'}},{"delta":{}}]'),
        plain.replace(b'"m"', b'"m","usage": null'),
    ):
        assert learnt(other) is None
    assert isinstance(read_plain_chunks(plain)[0], PlainChunk)


ALIKE = b'data: {"choices":[{"delta":{"content":"TEXT"}}],"usage":null}\n\n'
PADDED = ALIKE.replace(b"}\n\n", b',"obfuscation":"PAD"}\n\n')


@pytest.mark.parametrize(
    "spelled",
    [b"a\\nb", b"\\\\n", b'\\"', b"\\/", "plain é".encode(), b"", b"\\u00e9", b"\\ud83d\\ude00 \\u0000"],
)
@pytest.mark.parametrize("shape", [ALIKE, PADDED])
@pytest.mark.parametrize("many", [1, 3])
def test_what_a_text_says_is_counted_as_utf8_however_it_is_spelled(spelled, shape, many):
    """In a frame of its own, alone and among others."""
    told = len(json.loads(b'"%b"' % spelled).encode())
    one = shape.replace(b"TEXT", spelled)
    for frames in (False, True):
        meter, _ = run(shape, strip=False)
        if frames:
            wire = framed_chunk(one * many, last=False)
            whole = many == 1 or (shape is ALIKE and b"u" not in spelled)
            assert meter.pass_frame(wire) == (wire if whole else None)
            if not whole:
                continue
        else:
            assert meter.feed(one * many) == one * many
        assert (meter.seen.text_bytes, meter.seen.events) == (4 + many * told, 1 + many)


@pytest.mark.parametrize(
    "frame",
    [
        framed_chunk(ALIKE, last=False)[1:],
        framed_chunk(ALIKE, last=False)[:-1],
        framed_chunk(ALIKE, last=False).replace(b"\r\n", b"\n"),
        framed_chunk(ALIKE, last=False) * 2,
        framed_chunk(ALIKE * 2 + b"\n", last=False),
        framed_chunk(ALIKE, last=True),
        framed_chunk(ALIKE[:-1], last=False),
        b"0" + framed_chunk(ALIKE, last=False),
        framed_chunk(ALIKE, last=False).replace(b"3f", b"3F"),
        framed_chunk(ALIKE, last=False).replace(b"3f", b"3e"),
        framed_chunk(ALIKE.replace(b'"TEXT"', b'"'), last=False),
        framed_chunk(ALIKE.replace(b"TEXT", b'T"},"x":{"a":"'), last=False),
        framed_chunk(ALIKE.replace(b"TEXT", b"T\r"), last=False),
        framed_chunk(ALIKE.replace(b"TEXT", b"T" * 65_536), last=False),
        b"\r\n" + ALIKE.replace(b"TEXT", b"T" * 65_536) + b"\r\n",
        ALIKE.replace(b"TEXT", b"T" * 65_536) + b"\r\n",
        b"",
        b"0\r\n\r\n",
        ALIKE,
    ],
)
def test_what_is_not_one_frame_with_chunks_of_the_form_is_not_passed(frame):
    """Nor is it noted."""
    meter, _ = run(ALIKE, strip=False)
    assert len(ALIKE) == 0x3F
    assert meter.pass_frame(frame) is None
    assert meter.seen.events == 1


@pytest.mark.parametrize(
    "without", [b'TEXT"}}],"usage":null,"obfuscation":"PAD', b',"obfuscation":"PAD"', b"PAD"]
)
def test_where_others_are_padded_padding_belongs_to_the_form(without):
    """Without it a chunk is read, and refused where it is no JSON. Empty padding is padding."""
    meter, _ = run(PADDED, strip=False)
    odd = PADDED.replace(without, b"")
    assert (meter.pass_frame(framed_chunk(odd, last=False)) is None) == (without != b"PAD")
    meter, _ = run(PADDED, strip=False)
    assert meter.feed(odd) == (odd if is_json(odd[6:]) else b"")
    assert meter.seen.unreadable != is_json(odd[6:])
