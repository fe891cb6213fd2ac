"""A hold sized by a remembered tariff is the one that is worked out afresh, for whatever comes after what was remembered."""

import json
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from proxy.budgets.scopes import Budget, Counter, Tab
from proxy.errors import NotAllowed
from proxy.nouns import Arm, Candidate, Endpoint, PriceRow, Reason
from proxy.parse import fields_of, parse
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
    structs.replace(LIVING, price=LONG),  # as after a change of prices: the same name, another row
    structs.replace(LIVING, effort="low", reasons=True, allowance_tokens=500, changes=("effort:low",)),
    structs.replace(LIVING, edits={"max_tokens": b"", "max_completion_tokens": b"77"}),
    structs.replace(LIVING, fan_out=3),
    structs.replace(LIVING, context_tokens=0),
    structs.replace(LIVING, context_tokens=3_000),
    structs.replace(LIVING, max_output_tokens=500),
    structs.replace(LIVING, takes_tiers=False),
    structs.replace(LIVING, reason=Reason.MIGRATION, arm=Arm("leave", "new", "unit", 3)),
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


@pytest.mark.parametrize("first", CANDIDATES)
@pytest.mark.parametrize("second", CANDIDATES)
def test_a_tariff_of_one_candidate_is_not_anothers(first, second):
    """Of the same model and effort, but with another cap, price or window."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    request, sizer = parse(Endpoint.CHAT, json.dumps(body).encode()), Sizer()
    for candidate in (first, second):
        afresh = adapted(request, candidate, bounded(request, candidate, HARD, 4096))
        assert sizer.sized(request, candidate, HARD, 4096) == afresh


def spelt_out(value, rng) -> str:
    """The JSON of a value, with every letter and underscore below its top level written as an escape, in either case."""

    def text(string: str) -> str:
        return "".join(
            f"\\u{ord(c):04x}" if c.isascii() and (c.isalpha() or c == "_") and rng.random() < 0.5
            else f"\\u{ord(c):04X}" if c.isascii() and (c.isalpha() or c == "_")
            else json.dumps(c)[1:-1]
            for c in string
        )  # fmt: skip

    match value:
        case str():
            return f'"{text(value)}"'
        case list():
            return "[" + ",".join(spelt_out(each, rng) for each in value) + "]"
        case dict():
            return "{" + ",".join(f'"{text(k)}":{spelt_out(v, rng)}' for k, v in value.items()) + "}"
        case _:
            return json.dumps(value)


@settings(max_examples=300, deadline=None)
@given(
    candidate=st.sampled_from(CANDIDATES),
    more=st.sampled_from(
        (*MORE, {"tools": [{"type": "web_search"}]}, {"tools": [{"type": "web_search"}], "max_tool_calls": 3})
    ),
    content=CONTENTS,
    tab=st.sampled_from((HARD, SHRINKING)),
    rng=st.randoms(use_true_random=False),
)
def test_no_spelling_makes_a_hold_smaller(candidate, more, content, tab, rng):
    """JSON can write any letter as an escape. What costs more than its text is held for all the same, and a call whose cost
    has no end is refused."""
    body = {"model": "m", "messages": [{"role": "user", "content": content}]} | more
    plain = parse(Endpoint.CHAT, msgspec.json.encode(body))
    inside = ",".join(f'"{name}":{spelt_out(value, rng)}' for name, value in body.items())
    spelt = parse(Endpoint.CHAT, ("{" + inside + "}").encode())
    try:
        wanted = bounded(plain, candidate, tab, 4096)
    except NotAllowed:
        with pytest.raises(NotAllowed):
            bounded(spelt, candidate, tab, 4096)
        return
    held = Sizer().sized(spelt, candidate, tab, 4096).size
    assert held == wanted


@pytest.mark.parametrize(
    ("text", "hides"),
    [
        (rb"\u0069", True), (rb"\u005f", True), (rb"\\\u0069", True), (rb"\u004F", True),
        (rb"\u0060code\u0060", False), (rb"\\u0069", False), (rb"\u00e9\u003c\u0027\n", False), (b"plain", False),
        (rb"\u00e9\n\\\\u0069 \\\u0069", True), (rb"\\u0069\\\\u0069\u00e9", False),
    ],
)  # fmt: skip
def test_only_hidden_letters_count(text, hides):
    """Backticks as .NET writes them, accents, and a backslash that is meant as one are what ordinary clients send."""
    assert fields_of(b'{"model":"m","x":"%b"}' % text).hides_letters() == hides


@pytest.mark.parametrize("cap", ["7" * 17, '"%s"' % ("7" * 100_000)])
def test_what_a_caller_makes_up_fills_no_memory(cap):
    """A cap that is longer than any number of tokens is not remembered."""
    sizer = Sizer()
    body = b'{"model":"m","messages":[],"max_tokens":%b}' % cap.encode()
    sizer.sized(parse(Endpoint.CHAT, body), LIVING, HARD, 4096)
    assert not sizer._known
    sizer.sized(parse(Endpoint.CHAT, b'{"model":"m","messages":[],"max_tokens":7}'), LIVING, HARD, 4096)
    assert len(sizer._known) == 1


ROOMY = structs.replace(LIVING, context_tokens=1_000_000)
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 5_000}}


def held_input(content, candidate=ROOMY):
    body = {"model": "m", "messages": [{"role": "user", "content": content}]}
    return bounded(parse(Endpoint.CHAT, json.dumps(body).encode()), candidate, HARD, 4096).input_tokens


@pytest.mark.parametrize(
    "text", ["data:" + "x" * 3_000, '"url":"data:' + "x" * 3_000, 'x "image_url": "data:' + "x" * 3_000]
)
def test_text_that_looks_like_a_picture_is_text(text):
    """Only the picture's own bytes are left out: a caller could hide a long prompt in what a search takes for one."""
    alone = held_input([PICTURE])
    assert 50_000 <= alone < 51_000
    assert held_input([PICTURE, {"type": "text", "text": text}]) >= alone + 3_000


@pytest.mark.parametrize("spaces", ["", " ", "\n   "])
def test_a_picture_is_known_however_its_json_is_spaced(spaces):
    """Its bytes are not its tokens."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": [PICTURE]}]})
    spaced = body.replace('"url": ', f'"url"{spaces}:{spaces}')
    assert bounded(parse(Endpoint.CHAT, spaced.encode()), ROOMY, HARD, 4096).input_tokens < 51_000


@pytest.mark.parametrize("file", [{"file_id": "file-1"}, {"file_data": "data:application/pdf;base64,AAAA"}])
def test_a_file_may_fill_the_window(file):
    """Nobody here knows how many pages it has."""
    assert held_input([{"type": "file", "file": file}]) == ROOMY.context_tokens


def test_what_a_stored_prompt_costs_has_no_bound():
    """Its text and its tools are the provider's to know: not under a hard budget, and elsewhere the whole window."""
    body = {"model": "m", "input": "hi", "prompt": {"id": "pmpt_1"}}
    request = parse(Endpoint.RESPONSES, json.dumps(body).encode())
    with pytest.raises(NotAllowed):
        bounded(request, ROOMY, HARD, 4096)
    assert bounded(request, ROOMY, RATES, 4096).input_tokens == ROOMY.context_tokens


def test_a_tool_without_a_price_is_not_taken_for_free():
    """A priced one is held for by its calls, whatever version of it is named."""
    priced = structs.replace(ROOMY, price=replace(PRICE, tool_calls={"web_search": 25_000_000}))

    def hold(kind):
        body = {"model": "m", "input": "hi", "tools": [{"type": kind}], "max_tool_calls": 3}
        return bounded(parse(Endpoint.RESPONSES, json.dumps(body).encode()), priced, HARD, 4096).fixed_nano

    window_nano = hold("mcp")
    assert hold("web_search") == hold("web_search_preview_2025_03_11") == window_nano + 75_000_000
    with pytest.raises(NotAllowed):
        hold("image_generation")
