"""The meter: whatever upstream sends passes as it came, what only we asked for is taken out, and nothing is missed."""

import json
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mangling import DONE, HEAD, PLAIN, RESPONSE, USAGE, asked, chunk, event, mangled, named, unasked

from proxy.nouns import Endpoint
from proxy.upstreams.meter import MAX_EVENT_BYTES, StreamMeter
from proxy.upstreams.seen import read_whole
from tests.upstreams.metering import is_json, run


def payloads(stream):
    """The data of every event, by the rules of the SSE standard."""
    found, lines = [], []
    for line in re.split(rb"\r\n|\n|\r", stream):
        if not line:
            if lines:
                found.append(b"\n".join(lines))
            lines = []
        elif line.startswith(b"data:"):
            lines.append(line[5:].removeprefix(b" "))
    return found


@pytest.mark.parametrize("chunks", [PLAIN, PLAIN[:1], [chunk({"content": '","usage":null,"x":"'}, "stop")]])
def test_the_client_gets_what_it_would_have_got(chunks):
    """What comes out is byte for byte the stream upstream sends to somebody who did not ask for usage."""
    meter, out = run(asked(chunks))
    assert out == unasked(chunks)
    assert [json.loads(usage) for usage in meter.seen.usages] == [USAGE]
    assert meter.seen.complete
    assert meter.seen.malformed == 0


def test_a_stream_may_be_cut_anywhere():
    """At every byte, in two pieces, in both flavours: the same bytes and the same tally."""
    stream = asked(PLAIN)
    whole, out = run(stream)
    for at in range(1, len(stream)):
        meter, pieces = run(stream, [at])
        assert pieces == out
        assert meter.seen == whole.seen
        meter, pieces = run(stream, [at], strip=False)
        assert pieces == stream
        assert meter.seen == whole.seen
    meter, pieces = run(stream, range(1, len(stream)))
    assert pieces == out
    assert meter.seen == whole.seen


def test_asked_for_usage_passes_event_by_event():
    """What completes an event leaves with it; half an event waits, since nobody could take it back."""
    meter = StreamMeter(Endpoint.CHAT, strip_usage=False)
    events = [part + b"\n\n" for part in asked(PLAIN).split(b"\n\n")[:-1]]
    for one in events:
        assert meter.feed(one[:9]) == b""
        assert meter.feed(one[9:]) == one
    assert meter.finish() == b""


@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
def test_other_line_ends_are_lines_too(end):
    """CRLF and CR are as good as LF, cut anywhere; the usage is learnt and taken out."""
    stream = asked(PLAIN).replace(b"\n", end)
    for cuts in ([], *([at] for at in range(1, len(stream), 3)), range(1, len(stream))):
        meter, out = run(stream, cuts)
        assert payloads(out) == payloads(unasked(PLAIN))
        assert [json.loads(usage) for usage in meter.seen.usages] == [USAGE]
        assert meter.seen.malformed == 0


@pytest.mark.parametrize(
    "end",
    [
        b"\n",
        b"\r\n",
        b"\r",
    ],
    ids=["LF", "CRLF", "CR"],
)
def test_data_may_span_lines_whatever_ends_them(end):
    """Several `data:` lines are one value; a line end is no event end."""
    pretty = json.dumps({**HEAD, "choices": [], "usage": USAGE}, indent=1).encode()
    lines = b"".join(b"data: " + line + end for line in pretty.split(b"\n")) + end
    for cuts in ([], range(1, len(lines))):
        meter, out = run(lines + DONE, cuts)
        assert [json.loads(usage) for usage in meter.seen.usages] == [USAGE]
        assert payloads(out) == [b"[DONE]"]
        assert meter.seen.malformed == 0


def test_comments_and_fields_stay_where_they_are():
    """Keep-alive comments, ids and event names are the stream's own."""
    quiet = b": ping\n\nid: 7\nevent: message\nretry: 10\n"
    meter, out = run(quiet + asked(PLAIN) + b": bye\n\n")
    assert out == quiet + unasked(PLAIN) + b": bye\n\n"
    assert meter.seen.complete


@pytest.mark.parametrize(
    "spelled",
    [b'"usage":null', b'"usage": null', b'"usage" :null', b'"usage"\t:\tnull', b'"\\u0075sage":null', b'"usage":{"total_tokens":1}'],
)  # fmt: skip
@pytest.mark.parametrize("first", [True, False])
def test_usage_is_found_however_it_is_spelled(spelled, first):
    """With spaces, escapes, as the first field or the last: the key goes, every other value keeps its bytes."""
    rest = b'"id":"x","created":1.50e1,"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]'
    fields = [spelled, rest] if first else [rest, spelled]
    _, out = run(b"data: {" + b",".join(fields) + b"}\n\n")
    assert b"usage" not in out
    assert b"1.50e1" in out
    assert json.loads(out[6:]) == json.loads(b"{" + rest + b"}")


def test_usage_inside_other_values_is_not_ours():
    """Text that speaks of usage, and a `usage` key further down, belong to the answer."""
    text = 'say "usage":null or ,"usage":null twice'
    nested = chunk({"content": text}, tool={"usage": None, "x": {"usage": 1}})
    _, out = run(event({**nested, "usage": None}))
    assert json.loads(out[6:]) == nested
    _, out = run(event(nested))
    assert out == event(nested)


def test_usage_in_every_chunk_is_the_last_one():
    """vLLM's `continuous_usage_stats`: every chunk reports, all are taken out, the chunks stay."""
    chunks = [chunk({"content": "x"}, None), chunk({"content": "y"}, "stop")]
    stream = b"".join(
        event({**one, "usage": {**USAGE, "completion_tokens": n}}) for n, one in enumerate(chunks)
    )
    meter, out = run(stream + event({**HEAD, "choices": [], "usage": USAGE}) + DONE)
    assert list(map(json.loads, payloads(out)[:-1])) == chunks
    assert json.loads(meter.seen.usages[-1]) == USAGE
    assert len(meter.seen.usages) == 3


def test_azures_first_chunk_is_kept():
    """It has no choices either, but no usage: it is the provider's own."""
    filters = {
        "choices": [],
        "created": 0,
        "id": "",
        "model": "",
        "prompt_filter_results": [{"prompt_index": 0}],
    }
    _, out = run(event(filters) + asked(PLAIN))
    assert out == event(filters) + unasked(PLAIN)
    _, out = run(event({**filters, "usage": None}) + asked(PLAIN))
    assert out == event(filters) + unasked(PLAIN)


def test_a_giant_event_passes_unread():
    """Beyond the limit an event is relayed rather than collected; what follows is read again."""
    giant = b'data: {"choices":[],"x":"' + b"y" * (MAX_EVENT_BYTES + (3 << 20)) + b'"}\n\n'
    stream = giant + asked(PLAIN)
    meter = StreamMeter(Endpoint.CHAT, strip_usage=True)
    out, held = b"", 0
    for at in range(0, len(stream), 1 << 20):
        out += meter.feed(stream[at : at + (1 << 20)])
        held = max(held, len(meter._tail))
    out += meter.finish()
    assert out == giant + unasked(PLAIN)
    assert held <= MAX_EVENT_BYTES
    assert json.loads(meter.seen.usages[-1]) == USAGE
    assert meter.seen.malformed > 0


def test_a_stream_without_its_last_blank_line_is_relayed_to_the_end():
    """Most clients count an event without it, so the meter does."""
    stream = asked(PLAIN).removesuffix(DONE)[:-2]
    meter, out = run(stream)
    assert out == unasked(PLAIN).removesuffix(DONE)
    assert [json.loads(usage) for usage in meter.seen.usages] == [USAGE]
    meter, out = run(unasked(PLAIN)[:-1])
    assert out == unasked(PLAIN)[:-1]
    assert meter.seen.done


def test_a_cut_stream_is_not_complete():
    """Neither a finish reason nor [DONE]: whoever relays it must say so."""
    meter, _ = run(event(PLAIN[0]) + event(PLAIN[1])[:-10])
    assert not meter.seen.complete
    meter, _ = run(unasked(PLAIN).removesuffix(DONE))
    assert meter.seen.complete


def test_an_error_inside_a_stream_is_seen():
    """With the object as it came; null is none."""
    meter, out = run(event({"error": {"message": "x", "type": "server_error"}}))
    assert json.loads(meter.seen.error)["message"] == "x"
    assert out == event({"error": {"message": "x", "type": "server_error"}})
    meter, _ = run(event({**PLAIN[1], "error": None}))
    assert meter.seen.error == b""


def test_text_is_counted_in_bytes_of_utf8():
    """Content, refusals, reasoning and tool arguments: an upper bound on the tokens nobody reported."""
    deltas = [{"content": "añ🚂"}, {"refusal": "no"}, {"reasoning_content": "hm"},
              {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}]  # fmt: skip
    meter, _ = run(b"".join(event(chunk(delta)) for delta in deltas))
    tools = len(json.dumps(deltas[3]["tool_calls"], separators=(",", ":")))
    assert meter.seen.text_bytes == 7 + 2 + 2 + tools
    assert meter.seen.events == 4


@pytest.mark.parametrize(
    ("status", "finish"),
    [("completed", "stop"), ("incomplete", "length"), ("failed", "error"), ("cancelled", "stop")],
)
def test_a_responses_stream_tells_at_its_end(status, finish):
    """The last event holds the whole response: usage, model, tier and how it ended; bytes are never touched."""
    stream = (
        named("response.created", response={**RESPONSE, "status": "in_progress", "usage": None})
        + named("response.output_text.delta", delta="Hällo")
        + named(f"response.{status}", response={**RESPONSE, "status": status})
    )
    for strip in (True, False):
        for cuts in ([], list(range(5, len(stream), 11))):
            meter, out = run(stream, cuts, strip=strip, endpoint=Endpoint.RESPONSES)
            assert out == stream
            assert json.loads(meter.seen.usages[-1]) == RESPONSE["usage"]
            assert (meter.seen.finish, meter.seen.done, meter.seen.service_tier) == (finish, True, "default")
            assert meter.seen.text_bytes >= len("Hällo".encode())


def test_a_responses_error_event_is_seen():
    """It has no envelope: the event itself is the error."""
    stream = named("error", code="server_error", message="gone", param=None)
    meter, out = run(stream, endpoint=Endpoint.RESPONSES)
    assert out == stream
    assert json.loads(meter.seen.error)["message"] == "gone"
    assert not meter.seen.complete


def passed_as_it_came(meter, out, stream):
    """Everything, or everything before the event that cannot be read; a last piece that holds no data is let go."""
    assert stream.startswith(out)
    rest = re.split(rb"\r\n|\n|\r", stream[len(out) :])
    assert meter.seen.unreadable or not any(line.startswith(b"data:") and line[5:].strip() for line in rest)


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=8), st.sampled_from(list(Endpoint)))
@settings(max_examples=300, deadline=None)
def test_no_bytes_make_it_stumble(stream, cuts, endpoint):
    """Anything at all: relayed as it came when nothing is to be taken out, up to what is no event, and no exception."""
    cuts = [cut for cut in cuts if cut < len(stream)]
    meter, out = run(stream, cuts, strip=False, endpoint=endpoint)
    passed_as_it_came(meter, out, stream)
    run(stream, cuts, strip=True, endpoint=endpoint)


def test_an_event_that_is_no_json_ends_the_relay():
    """SDKs would fail on it with an error of their parser: what came before is relayed, it and what follows are not."""
    for strip in (True, False):
        meter, out = run(event(PLAIN[0]) + b'data: {"id": "x", "cho\n\n' + event(PLAIN[1]), strip=strip)
        assert out == event(PLAIN[0])
        assert meter.seen.unreadable
        assert not meter.seen.complete


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ['"usage":null', ',"usage":null', "\n\ndata: x", "\r\n", "\u2028", "data: [DONE]", '\\"usage\\":', "\x00"]
)


@st.composite
def streams(draw):
    """(chunks, the stream with usage asked for, cuts): spelled in one of many legal ways."""
    chunks = [
        chunk({"content": draw(TEXT)}, draw(st.sampled_from([None, None, "stop"])))
        for _ in range(draw(st.integers(1, 5)))
    ]
    compact, end = draw(st.booleans()), draw(st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"]))
    parts = []
    for one in [*chunks, None]:
        value = (
            {**HEAD, "choices": [], "usage": USAGE}
            if one is None
            else {**one, "usage": draw(st.sampled_from([None, None, USAGE]))}
        )
        written = event(value, compact=compact)
        if draw(st.booleans()) and draw(st.booleans()):
            written = b": comment\n" + written
        if draw(st.booleans()) and draw(st.booleans()):
            written = written.replace(b"data: ", b"data:", 1)
        parts.append(written)
    stream = (b"".join(parts) + DONE).replace(b"\n", end)
    cuts = draw(st.lists(st.integers(1, len(stream) - 1), max_size=12))
    return chunks, stream, cuts


@given(streams())
@settings(max_examples=200, deadline=None)
def test_only_what_we_asked_for_is_taken_out(drawn):
    """For every legal spelling and every way of cutting: the chunks without usage, in order, and the usage learnt."""
    chunks, stream, cuts = drawn
    meter, out = run(stream, cuts)
    got = payloads(out)
    assert got[-1] == b"[DONE]"
    assert list(map(json.loads, got[:-1])) == chunks
    assert json.loads(meter.seen.usages[-1]) == USAGE
    assert meter.seen.malformed == 0
    assert run(stream, cuts, strip=False)[1] == stream


@pytest.mark.parametrize(
    "stream",
    [
        b'data: {"a":[{"x":1}\n\ndata: {"y":2}]}\n\n',
        b'data: {"a":{"x":1}\n\ndata: {"y":2}}{"z":3}\n\n',
        b'data: {"x":1}{"y":2}\n\ndata: {"z":3}\n\n',
        b'data: {"x":1\n\ndata: }{"z":3}\n\n',
        b'data: {"x":{"y":\n\ndata: {"z":3}}}\n\n',
    ],
)
def test_events_that_are_json_only_together_are_not_taken_for_json(stream):
    """Many chunks are read in one stroke; what is no object by itself is still found, and goes no further."""
    meter, out = run(b'data: {"choices":[]}\n\n' + stream, strip=False)
    assert meter.seen.unreadable
    assert all(map(is_json, payloads(out)))


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.chaos)])
def test_mangled_streams_pass_without_a_fall(count):
    """Byte-exact when nothing is taken out; otherwise no exception, and the same bytes however they are cut."""
    for seed in range(count):
        rng = random.Random(seed)
        stream = mangled(seed)
        endpoint = rng.choice([Endpoint.CHAT, Endpoint.RESPONSES])
        cuts = sorted(rng.randrange(len(stream) + 1) for _ in range(rng.randrange(6)))
        meter, out = run(stream, cuts, strip=False, endpoint=endpoint)
        passed_as_it_came(meter, out, stream)
        whole, cut = run(stream, endpoint=endpoint)[1], run(stream, cuts, endpoint=endpoint)[1]
        assert payloads(whole) == payloads(cut), seed


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.chaos)])
def test_what_is_relayed_is_json(count):
    """Whatever the mangling: every event that reaches the client is UTF-8 and JSON, [DONE] or a comment."""
    for seed in range(count):
        _meter, out = run(mangled(seed), strip=seed % 3 == 0)
        out.decode()
        for data in payloads(out + b"\n\n"):
            assert data.strip() in (b"", b"[DONE]") or is_json(data), seed


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b"1", b"\xff", b"[" * 5000, b"<html>", b'{"a":1}x']
)
def test_what_is_no_object_is_no_answer(body):
    """Whoever asked must not be told that it is."""
    assert read_whole(body) is None


def test_a_whole_answer_tells_what_it_used():
    """Usage, finish, model, tier and the size of its text, for chat and for responses."""
    chat = {
        **HEAD,
        "choices": [{"index": 0, "message": {"content": "äb"}, "finish_reason": "length"}],
        "usage": USAGE,
    }
    seen = read_whole(json.dumps(chat, ensure_ascii=False).encode())
    assert (seen.finish, seen.text_bytes, seen.model) == ("length", 3, HEAD["model"])
    assert json.loads(seen.usages[0]) == USAGE
    seen = read_whole(json.dumps(RESPONSE).encode())
    assert (seen.finish, seen.service_tier) == ("stop", "default")
    assert json.loads(seen.usages[0]) == RESPONSE["usage"]


def test_an_odd_whole_answer_still_tells_its_usage():
    """Fields with types of their own do not hide the bill."""
    seen = read_whole(b'{"choices":"none","model":7,"usage":{"total_tokens":1},"error":{"message":"x"}}')
    assert seen.usages == [b'{"total_tokens":1}']
    assert seen.error == b'{"message":"x"}'
    assert seen.malformed == 1
