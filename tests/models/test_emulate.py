"""Stop sequences we apply ourselves: the client sees what it would have seen from a model that takes them."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.models.emulate import StopCutter, cut_whole, find_stop, held_back
from proxy.models.sse import EventSplitter, data_of

TEXTS = st.text(alphabet="abEND\n é", max_size=24)
STOPS = st.lists(st.text(alphabet="abEND\n é", min_size=1, max_size=4), min_size=1, max_size=4)


def chunk(content=None, index=0, finish=None, **delta):
    if content is not None:
        delta["content"] = content
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": index, "delta": delta, "finish_reason": finish}]}  # fmt: skip
    return f"data: {json.dumps(body)}\n\n".encode()


def stream(texts, index=0):
    return [
        chunk("", index, role="assistant"),
        *(chunk(text, index) for text in texts),
        chunk(None, index, "stop"),
    ]


DONE = b"data: [DONE]\n\n"


def seen(sent):
    """Text and finish reasons per choice, and whether the stream was closed."""
    out = {}
    splitter = EventSplitter()
    events = [data_of(whole) for whole in splitter.feed(sent)]
    assert not splitter.rest
    for data in events:
        if data.startswith(b"{"):
            for choice in json.loads(data)["choices"]:
                state = out.setdefault(choice["index"], ["", []])
                state[0] += choice["delta"].get("content") or ""
                if choice["finish_reason"]:
                    state[1].append(choice["finish_reason"])
    return out, events[-1:] == [b"[DONE]"]


def play(blocks, stops, choices=1):
    cutter = StopCutter(stops, choices)
    out = b""
    for block in blocks:
        out += cutter.feed(block)
        if cutter.done:
            return cutter, out + cutter.ending()
    return cutter, out + cutter.finish()


def expected(text, stops):
    at = find_stop(text, stops)
    return text if at < 0 else text[:at]


@given(st.lists(TEXTS, max_size=6), STOPS, st.data())
@settings(max_examples=300)
def test_the_text_is_cut_where_the_first_match_begins_however_the_bytes_are_split(texts, stops, data):
    """Tokens end anywhere, and so do network blocks: neither may change what is shown."""
    whole = b"".join(stream(texts)) + DONE
    edges = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    blocks = [whole[a:b] for a, b in zip([0, *edges], [*edges, len(whole)], strict=True)]
    _, sent = play(blocks, stops)
    assert seen(sent) == ({0: [expected("".join(texts), stops), ["stop"]]}, True)


def test_every_split_of_one_stream_gives_the_same():
    """The match spans three tokens; the stream is cut at each byte."""
    whole = b"".join(stream(["one E", "N", "D two"])) + DONE
    for at in range(len(whole) + 1):
        assert seen(play([whole[:at], whole[at:]], ["END"])[1]) == ({0: ["one ", ["stop"]]}, True)


def test_without_a_match_every_byte_passes():
    """Held events are released as they came, odd spacing and all."""
    odd = b': ping\n\ndata: {"choices":[{"index":0,"delta":{"content":"E"} ,"finish_reason":null}], "x": 1.50}\n\n'
    whole = odd + b"".join(stream(["EN", "EN", "x"])) + DONE
    assert play([whole], ["END"])[1] == whole
    assert b"".join(play([whole[i : i + 1] for i in range(len(whole))], ["END"])[1:]) == whole


def test_text_is_held_only_while_it_could_become_a_match():
    """Streaming stays streaming."""
    cutter = StopCutter(["END"])
    assert cutter.feed(chunk("hello")) == chunk("hello")
    assert cutter.feed(chunk(" E")) == b""
    assert cutter.feed(chunk("x")) == chunk(" E") + chunk("x")


@given(st.lists(st.tuples(st.integers(0, 2), TEXTS), max_size=12), STOPS)
def test_choices_are_cut_one_by_one(parts, stops):
    """n answers interleave; each has its own end."""
    events = [chunk("", i, role="assistant") for i in range(3)]
    events += [chunk(text, i) for i, text in parts]
    events += [chunk(None, i, "stop") for i in range(3)]
    _, sent = play([*events, DONE], stops, 3)
    got, closed = seen(sent)
    assert closed
    for i in range(3):
        assert got[i] == [expected("".join(text for j, text in parts if j == i), stops), ["stop"]]


def test_the_upstream_is_closed_only_when_every_choice_is_over():
    """The others still write."""
    cutter = StopCutter(["X"], 2)
    cutter.feed(chunk("aX", 0))
    assert not cutter.done
    assert cutter.feed(chunk("late", 0)) == b""
    assert cutter.feed(chunk("b", 1)) == chunk("b", 1)
    cutter.feed(chunk("X", 1))
    assert cutter.done
    assert cutter.feed(chunk("late", 1) + DONE) == b""


def test_two_choices_in_one_event_are_told_apart():
    """Allowed by the format, whoever sends it."""
    both = json.loads(data_of(chunk("aX", 0)))
    both["choices"] += json.loads(data_of(chunk("b", 1)))["choices"]
    _, sent = play([f"data: {json.dumps(both)}\n\n".encode(), chunk(None, 1, "stop"), DONE], ["X"], 2)
    assert seen(sent)[0] == {0: ["a", ["stop"]], 1: ["b", ["stop"]]}


def test_tool_calls_are_never_searched():
    """Arguments may contain anything."""
    call = chunk(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "f", "arguments": '{"a":"END"}'}}])
    whole = chunk("E", role="assistant") + call + chunk(None, finish="tool_calls") + DONE
    assert play([whole], ["END"])[1] == whole


def test_a_client_that_asked_for_usage_gets_it_after_a_cut():
    """The upstream was closed, so the numbers are ours."""
    cutter = StopCutter(["X"])
    cutter.feed(chunk("aX"))
    last = cutter.ending({"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}).split(b"\n\n")
    body = json.loads(data_of(last[0] + b"\n\n"))
    assert (body["choices"], body["usage"]["total_tokens"], body["id"]) == ([], 4, "c")
    assert last[1:] == [b"data: [DONE]", b""]


def test_errors_and_nonsense_pass():
    """What cannot be read is the client's to see."""
    odd = b'data: {"error":{"message":"x"}}\n\ndata: {nope\n\ndata: {"choices":3}\n\ndata: []\n\nevent: x\ndata: 1\n\n'
    assert play([chunk("E"), odd], ["END"])[1] == chunk("E") + odd


@given(st.binary(max_size=200))
def test_any_bytes_pass_through(data):
    """Nothing an upstream sends raises, and nothing is lost."""
    _, sent = play([data], ["END"])
    if b"choices" not in data:
        assert sent == data


def test_a_chunk_that_can_be_read_only_in_part_passes():
    """A match in it cannot be cut, because the rest of the chunk cannot be written again."""
    odd = b'data: {"x":"\\ud800","choices":[{"index":0,"delta":{"content":"aEND"}}]}\n\n'
    assert play([odd], ["END"])[1] == odd


def test_log_probabilities_end_with_the_text():
    """No probabilities of words that are not shown."""
    body = json.loads(data_of(chunk("a END")))
    body["choices"][0]["logprobs"] = {
        "content": [{"token": "a", "logprob": -1}, {"token": " END", "logprob": -2}]
    }
    _, sent = play([f"data: {json.dumps(body)}\n\n".encode()], [" END"])
    first = json.loads(data_of(sent.split(b"\n\n")[0] + b"\n\n"))
    assert first["choices"][0]["logprobs"]["content"] == [{"token": "a", "logprob": -1}]


def whole(*contents, **message):
    return json.dumps({"id": "c", "choices": [
        {"index": i, "message": {"role": "assistant", "content": content, **message}, "finish_reason": "length"}
        for i, content in enumerate(contents)], "usage": {"completion_tokens": 9}}).encode()  # fmt: skip


@given(st.lists(TEXTS, min_size=1, max_size=3), STOPS)
def test_a_whole_answer_is_cut_like_a_stream(texts, stops):
    """Choice by choice; usage stays what is billed."""
    body = whole(*texts)
    got = json.loads(cut_whole(body, stops))
    for text, choice in zip(texts, got["choices"], strict=True):
        assert choice["message"]["content"] == expected(text, stops)
        assert choice["finish_reason"] == ("stop" if find_stop(text, stops) >= 0 else "length")
    assert got["usage"] == {"completion_tokens": 9}


@pytest.mark.parametrize(
    "body", [whole("abc"), whole(None), b"{nope", b"[]", b'{"choices":[3,{"message":{}}]}']
)
def test_a_whole_answer_without_a_match_keeps_its_bytes(body):
    """Not even spacing changes."""
    assert cut_whole(body, ["END"]) == body


def test_tool_calls_after_a_match_would_not_have_been_written():
    """The model would have stopped before them."""
    got = json.loads(cut_whole(whole("aEND", tool_calls=[{"id": "1"}]), ["END"]))
    assert "tool_calls" not in got["choices"][0]["message"]


@given(TEXTS, STOPS, TEXTS)
def test_what_is_not_held_back_can_never_be_part_of_a_match(text, stops, more):
    """Released text is final."""
    if find_stop(text, stops) < 0:
        at = find_stop(text + more, stops)
        assert at < 0 or at >= len(text) - held_back(text, stops)


def test_text_and_finish_in_one_event_are_released_together():
    """Some servers end with a last piece of text."""
    whole = chunk("E") + chunk("N", finish="stop") + DONE
    cutter, sent = play([whole], ["END"])
    assert sent == whole
    assert cutter.finish() == b""


def test_nothing_more_comes_after_a_cut():
    """The stream was closed by us."""
    cutter, _ = play([chunk("aEND")], ["END"])
    assert cutter.finish() == b""
    assert cutter.ending() == DONE
