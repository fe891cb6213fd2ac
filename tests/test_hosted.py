"""Hosted tools are billed for what they were called, and for what they may have been called where nobody was told."""

import json

import pytest

from proxy.account import cost_nano
from proxy.hosted import called
from proxy.nouns import Candidate, Endpoint, PriceRow, Reason, Usage
from proxy.parse import parse
from proxy.upstreams.seen import Seen

FEES = {"web_search": 10_000_000, "file_search": 2_500_000, "code_interpreter": 30_000_000}
PRICE = PriceRow(
    1_000_000, 2_000_000, 1_000_000, 5_000_000, 9_000_000, 1_000_000, 2_000_000, 1_000_000, 0, tool_calls=FEES
)
MODEL = Candidate("model", "provider", Reason.PINNED, price=PRICE)
USAGE = Usage(input_tokens=1_000, output_tokens=10)
SEARCH, READ = {"type": "web_search_call", "id": "ws_1"}, {"type": "file_search_call"}


def billed(items, tools, endpoint=Endpoint.RESPONSES, usage=USAGE, *, done=True, **more):
    body = {"model": "m", "input": "hi", "messages": [], "tools": [{"type": kind} for kind in tools], **more}
    request = parse(endpoint, json.dumps(body).encode())
    return cost_nano(usage, MODEL, request, Seen(done=done, items=json.dumps(items).encode()))


PLAIN = billed([], [])


@pytest.mark.parametrize(
    ("items", "fee"),
    [
        ([], 0),
        ([SEARCH, {"type": "message"}, SEARCH, READ], 22_500_000),
        ([{"type": "function_call"}, {"type": "mcp_call"}, {"type": "image_generation_call"}], 0),
    ],
)
def test_each_call_is_paid(items, fee):
    """By the items of the answer; what has no price here is not made up."""
    assert billed(items, ["web_search_preview", "file_search"]) == PLAIN + fee


def test_a_container_is_paid_once():
    """However often code ran in it."""
    ran = [{"type": "code_interpreter_call", "container_id": each} for each in ("c1", "c1", "c2")]
    assert billed(ran, ["code_interpreter"]) == PLAIN + 60_000_000


def test_an_answer_that_was_cut_may_have_searched_as_often_as_it_may():
    """Nobody was told how often it did."""
    assert billed([], ["web_search"], done=False, max_tool_calls=4) == PLAIN + 40_000_000


def test_chat_and_functions_have_no_fee():
    """Whatever an answer's items are called there."""
    assert billed([SEARCH], ["function"]) == PLAIN
    assert billed([SEARCH], ["web_search"], Endpoint.CHAT) == PLAIN


@pytest.mark.parametrize("items", [b"", b"{", b"{}", b'["x"]', b'[{"type":7}]', b"[" * 100_000])
def test_items_that_are_none_are_no_calls(items):
    """An answer may say anything."""
    assert not called(items)


@pytest.mark.parametrize(
    ("asked", "rate"),
    [({}, 5), ({"prompt_cache_retention": "24h"}, 9), ({"prompt_cache_retention": "in_memory"}, 5)],
)
def test_what_stays_in_the_cache_for_a_day_is_dearer(asked, rate):
    """Where the model has a price for that."""
    written = Usage(input_tokens=1_000, output_tokens=10, cache_write_tokens=1_000)
    assert billed([], [], usage=written, **asked) == rate * 1_000 + 20
