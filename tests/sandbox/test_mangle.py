"""Damaged streams: what the bytes look like, with the undamaged part untouched."""

import pytest

from tests.sandbox.kit import Caller


@pytest.fixture
def api():
    return Caller()


@pytest.fixture
def healthy(api):
    return api.chat(text="hi [[sandbox:say=one two]]", stream=True).body


def streamed(api, order):
    return api.chat(text=f"hi [[sandbox:say=one two]] [[sandbox:{order}]]", stream=True)


def without_head(body):
    """Chunks differ in their id when the prompt does; what is compared is the deltas."""
    return [part.partition(b'"delta"')[2].partition(b'"obf')[0] for part in body.split(b"\n\n")]


def test_comments_stand_between_events(api, healthy):
    """Legal SSE: the events stay what they are."""
    body = streamed(api, "comments").body
    assert body.startswith(b": ping\n\n")
    assert without_head(body.replace(b": ping\n\n", b"")) == without_head(healthy)


def test_lines_can_end_in_crlf(api, healthy):
    """Legal as well."""
    body = streamed(api, "crlf").body
    assert b"\r\n\r\n" in body
    assert without_head(body.replace(b"\r\n", b"\n")) == without_head(healthy)


def test_a_giant_line_is_a_comment_of_that_size(api):
    """A reader that buffers lines must bear it."""
    assert b": " + b"x" * 50_000 + b"\n\n" in streamed(api, "giant bytes=50000").body


def test_a_malformed_event_stands_where_ordered(api):
    """Broken JSON in an otherwise good stream."""
    parts = streamed(api, "malformed:2").body.split(b"\n\n")
    assert parts[2].endswith(b'"choices": [{"del')
    assert parts[-2] == b"data: [DONE]"


@pytest.mark.parametrize("at", [0, 2])
def test_an_error_inside_a_200_ends_the_stream(api, at):
    """Before content or after some; no [DONE]."""
    answer = streamed(api, f"error_inside:{at}")
    assert answer.status == 200
    assert len(answer.events) == at + 1
    assert answer.events[-1]["error"]["type"] == "server_error"
    assert api.last.billed is (at > 0)


def test_an_error_inside_a_responses_stream_is_an_error_event(api):
    """type error with its number."""
    answer = api.responses(input="[[sandbox:error_inside at=3 code=slow_down]]", stream=True)
    assert answer.events[-1]["type"] == "error"
    assert answer.events[-1]["code"] == "slow_down"
    assert answer.events[-1]["sequence_number"] == 3


def test_a_stream_can_come_byte_by_byte(api, healthy):
    """No event, line or character arrives in one piece."""
    answer = streamed(api, "split")
    assert {len(write) for write in answer.writes} <= {0, 1}
    assert without_head(answer.body) == without_head(healthy)


def test_the_end_mark_can_be_missing(api):
    """Chat without [DONE], responses without completed."""
    assert b"[DONE]" not in streamed(api, "no_done").body
    assert (
        api.responses(input="[[sandbox:no_done]]", stream=True).events[-1]["type"]
        == "response.output_item.done"
    )
