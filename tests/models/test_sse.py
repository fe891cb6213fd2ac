"""Events come out whole, byte for byte, however the network cut them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.models.sse import EventSplitter, data_of, event

STREAM = b"data: one\n\n: ping\n\nevent: x\r\ndata: two\r\n\r\ndata:a\ndata: b\n\n"


@given(st.lists(st.integers(0, len(STREAM)), max_size=6))
def test_every_split_gives_the_same_events(cuts):
    """Also inside a line ending."""
    edges = [0, *sorted(cuts), len(STREAM)]
    splitter = EventSplitter()
    events = [whole for a, b in pairwise(edges) for whole in splitter.feed(STREAM[a:b])]
    assert [data_of(whole) for whole in events] == [b"one", b"", b"two", b"a\nb"]
    assert b"".join(events) == STREAM
    assert splitter.rest == b""


def test_what_is_no_event_yet_is_kept():
    """A cut stream shows what was left."""
    splitter = EventSplitter()
    assert list(splitter.feed(b"data: x\n")) == []
    assert splitter.rest == b"data: x\n"


@pytest.mark.parametrize("data", [b"{}", b"[DONE]", b"a: b"])
def test_an_event_is_read_as_it_was_written(data):
    """There and back."""
    assert data_of(event(data)) == data
