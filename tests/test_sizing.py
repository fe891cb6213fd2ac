"""A hold sized by a remembered tariff is the one that is worked out afresh, for whatever comes after what was remembered."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.budgets.scopes import Budget, Counter, Tab
from proxy.nouns import Candidate, Endpoint, PriceRow, Reason
from proxy.parse import parse
from proxy.sizing import Sizer, adapted, bounded

PRICE = PriceRow(
    input=400_000_000,
    output=1_600_000_000,
    cached_input=100_000_000,
    cache_write=400_000_000,
    cache_write_extended=400_000_000,
    audio_input=10_000_000_000,
    audio_output=20_000_000_000,
    image_input=900_000_000,
    image_output=1_600_000_000,
)
LONG = replace(PRICE, long=replace(PRICE, input=800_000_000), long_threshold_tokens=300)
LIVING = Candidate(
    "gpt-4.1-mini", "openai", Reason.PINNED, price=PRICE, context_tokens=4_000, max_output_tokens=2_000, takes_tiers=True
)  # fmt: skip
CANDIDATES = (
    LIVING,
    replace(LIVING, price=LONG),  # as after a change of prices: the same name, another row
    replace(LIVING, effort="low", reasons=True, allowance_tokens=500, changes=("effort:low",)),
    replace(LIVING, edits={"max_tokens": b"", "max_completion_tokens": b"77"}),
    replace(LIVING, fan_out=3),
    replace(LIVING, context_tokens=0),
)
HARD = Tab.of([Counter("b", "money", 10**12, "day", budget=Budget("b", "key", 10**12, "day"))])
SHRINKING = Tab.of(
    [Counter("s", "money", 10**12, "day", budget=Budget("s", "key", 10**12, "day", shrink_always=True))]
)
RATES = Tab.of([Counter("r", "requests", 60, "minute")])
MORE = (
    {},
    {"max_tokens": 50},
    {"max_completion_tokens": 900},
    {"max_tokens": "many"},
    {"max_tokens": None},
    {"n": 3},
    {"tools": [{"type": "function", "function": {"name": "f"}}]},
    {"service_tier": "priority"},
    {"service_tier": None},
    {"response_format": {"type": "json_schema", "json_schema": {}}},
    {"audio": {"voice": "alloy"}, "modalities": ["text", "audio"]},
)
CONTENTS = st.text(max_size=400) | st.sampled_from(
    [
        [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
        [{"type": "input_audio", "input_audio": {"data": "AAAA"}}],
        [{"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}],
        'they say "image_url"',
    ]
)


@settings(max_examples=1_000, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(CANDIDATES),
            st.sampled_from(MORE),
            CONTENTS,
            st.sampled_from((HARD, SHRINKING, RATES)),
            st.sampled_from((256, 4096)),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_a_tariff_changes_no_hold(asked):
    """Size, edits and changes of every request of a series, whatever was sized before it."""
    sizer = Sizer()
    for candidate, more, content, tab, default_max_output in asked:
        body = {"model": "m", "messages": [{"role": "user", "content": content}]} | more
        request = parse(Endpoint.CHAT, json.dumps(body).encode())
        afresh = adapted(request, candidate, bounded(request, candidate, tab, default_max_output))
        assert sizer.sized(request, candidate, tab, default_max_output) == afresh


@pytest.mark.parametrize("cap", ["7" * 17, '"%s"' % ("7" * 100_000)])
def test_what_a_caller_makes_up_fills_no_memory(cap):
    """A cap that is longer than any number of tokens is not remembered."""
    sizer = Sizer()
    body = b'{"model":"m","messages":[],"max_tokens":%b}' % cap.encode()
    sizer.sized(parse(Endpoint.CHAT, body), LIVING, HARD, 4096)
    assert not sizer._known
    sizer.sized(parse(Endpoint.CHAT, b'{"model":"m","messages":[],"max_tokens":7}'), LIVING, HARD, 4096)
    assert len(sizer._known) == 1
