"""n answers asked for one by one look like n answers."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.models.fanout import StreamMerger, merge_whole, sum_usage
from proxy.models.sse import data_of

USAGE = {
    "prompt_tokens": 5,
    "completion_tokens": 2,
    "completion_tokens_details": {"reasoning_tokens": 1},
    "note": "x",
}


def answer(text, usage=USAGE):
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return json.dumps(
        {"id": f"id-{text}", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    ).encode()


def test_whole_answers_become_one_with_numbered_choices_and_the_whole_bill():
    """The prompt was paid for each time, and that is what the caller is told."""
    got = json.loads(merge_whole([answer("a"), answer("b"), answer("c")]))
    assert [(c["index"], c["message"]["content"]) for c in got["choices"]] == [(0, "a"), (1, "b"), (2, "c")]
    assert got["id"] == "id-a"
    assert got["usage"]["prompt_tokens"] == 15
    assert got["usage"]["completion_tokens_details"] == {"reasoning_tokens": 3}


@pytest.mark.parametrize("body", [b"{}", b"[]", b"nope", b'{"choices":3}'])
def test_what_is_not_an_answer_is_not_merged(body):
    """An error among the parts is the caller's to handle."""
    with pytest.raises(ValueError, match="not a chat answer"):
        merge_whole([answer("a"), body])


def events(text, part):
    head = {"id": f"id-{part}", "created": part, "model": "m", "object": "chat.completion.chunk"}
    deltas = [{"role": "assistant", "content": ""}, *({"content": letter} for letter in text), {}]
    out = [
        {
            **head,
            "choices": [{"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}],
            "usage": None,
        }
        for delta in deltas
    ]
    out.append({**head, "choices": [], "usage": USAGE})
    return b"".join(f"data: {json.dumps(one)}\n\n".encode() for one in out) + b"data: [DONE]\n\n"


@given(st.lists(st.text(alphabet="xyz", max_size=4), min_size=1, max_size=3), st.data())
def test_streams_interleave_by_index_and_end_once(texts, data):
    """Whatever order blocks arrive in: every text whole, one id, one usage, one [DONE] at the very end."""
    waiting = {part: events(text, part) for part, text in enumerate(texts)}
    merger, sent, first = StreamMerger(len(texts)), b"", None
    while waiting:
        part = data.draw(st.sampled_from(sorted(waiting)))
        size = data.draw(st.integers(1, 200))
        block, waiting[part] = waiting[part][:size], waiting[part][size:]
        if not waiting[part]:
            del waiting[part]
        sent += merger.feed(part, block)
        if sent and first is None:
            first = part
    frames = [data_of(frame + b"\n\n") for frame in sent.split(b"\n\n")[:-1]]
    assert merger.done
    assert frames.count(b"[DONE]") == 1
    assert frames[-1] == b"[DONE]"
    bodies = [json.loads(frame) for frame in frames[:-1]]
    assert {(body["id"], body["created"]) for body in bodies} == {(f"id-{first}", first)}
    assert bodies[-1]["usage"]["prompt_tokens"] == 5 * len(texts)
    for part, text in enumerate(texts):
        mine = [c for body in bodies for c in body["choices"] if c["index"] == part]
        assert "".join(c["delta"].get("content") or "" for c in mine) == text
        assert [c["finish_reason"] for c in mine][-1] == "stop"


def test_errors_inside_a_part_are_passed_on():
    """A broken part must be seen."""
    assert (
        StreamMerger(2).feed(1, b'data: {"error":{}}\n\ndata: nope\n\n')
        == b'data: {"error":{}}\n\ndata: nope\n\n'
    )


def test_streams_without_usage_end_plainly():
    """Nobody asked, nobody is told."""
    assert StreamMerger(1).feed(0, b"data: [DONE]\n\n") == b"data: [DONE]\n\n"


def test_usages_of_different_shapes_add_up():
    """A detail one part lacks counts as nothing."""
    assert sum_usage([{"a": 1}, {"a": 2, "d": {"x": 1}}, {"d": {"x": 2}, "e": None}]) == {
        "a": 3,
        "d": {"x": 3},
        "e": None,
    }


KEYS = st.sampled_from(["choices", "usage", "a", "id"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=9,
)


@given(st.lists(JSON, min_size=1, max_size=3))
def test_nothing_a_part_sends_stops_the_merging(values):
    """Odd parts give odd answers, never a crash."""
    merger = StreamMerger(1)
    for value in values:
        merger.feed(0, f"data: {json.dumps(value)}\n\n".encode())
    with contextlib.suppress(ValueError):
        merge_whole([json.dumps(value).encode() for value in values])
