"""Money rule 2: the hold is never less than the bill, and caps are touched only where the rule allows it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from proxy.budgets.bill import bill
from proxy.budgets.holds import (
    CAP_ADDED,
    CAP_LOWERED,
    LEAST_OUTPUT,
    LEAST_REASONED_OUTPUT,
    Ask,
    Rule,
    granted,
    hold_size,
    input_bound,
)
from proxy.nouns import PriceRow, Usage

PLAIN = PriceRow(
    input=400_000_000,
    output=1_600_000_000,
    cached_input=100_000_000,
    cache_write=400_000_000,
    cache_write_extended=400_000_000,
    audio_input=400_000_000,
    audio_output=1_600_000_000,
    image_input=400_000_000,
    image_output=1_600_000_000,
)
ASK = Ask(text_bytes=1000, context_tokens=128_000, max_output=32_768)
HARD = Rule(hard=True)
NAMES = "input output cached_input cache_write cache_write_extended audio_input audio_output image_input image_output"

rates = st.integers(1, 60_000_000_000)
plain_rows = st.builds(PriceRow, **dict.fromkeys(NAMES.split(), rates))
long_rows = st.builds(
    lambda row, long, threshold: replace(row, long=long, long_threshold_tokens=threshold),
    plain_rows,
    plain_rows,
    st.integers(1, 5_000),
)
prices = st.builds(
    lambda row, flex, priority: replace(row, tiers={"flex": flex, "priority": priority}),
    plain_rows | long_rows,
    long_rows,
    plain_rows,
)


@settings(max_examples=1_500, deadline=None)
@given(
    price=prices,
    asked=st.sampled_from(["", "default", "flex", "priority", "fast", "auto", "scale"]),
    text=st.integers(0, 4_000),
    image=st.integers(0, 2_000),
    audio=st.integers(0, 2_000),
    cap=st.integers(1, 5_000),
    n=st.integers(1, 4),
    shares=st.lists(st.floats(0, 1), min_size=8, max_size=8),
    fell_back=st.booleans(),
    extended=st.booleans(),
)
def test_no_answer_within_the_bounds_costs_more_than_its_hold(
    price, asked, text, image, audio, cap, n, shares, fell_back, extended
):
    """Any usage that the bounds allow, in the tier asked for or the plain one, is covered to the nano."""
    ask = Ask(
        text,
        6_000,
        8_192,
        cap=cap,
        n=n,
        image_tokens=image,
        audio_input_tokens=audio,
        audio_output=True,
        tier=asked,
    )
    size = hold_size(ask, price, HARD)
    images, sounds = int(image * shares[0]), int(audio * shares[1])
    plain = min(int(text * shares[2]), 6_000 - min(6_000, images + sounds))
    if images + sounds + plain > 6_000:
        return
    cached = int(plain * shares[3])
    out = int(cap * n * shares[5])
    usage = Usage(
        input_tokens=plain + images + sounds,
        output_tokens=out,
        cached_tokens=cached,
        cache_write_tokens=int((plain - cached) * shares[4]),
        audio_output_tokens=int(out * shares[6]),
        audio_input_tokens=sounds,
        image_input_tokens=images,
    )
    tier = "default" if fell_back else asked
    assert bill(usage, price, tier, extended_cache=extended) <= size.amount_nano


def test_the_bound_on_input_is_bytes_and_images_within_the_window():
    """Never more than the model can read; stored context counts as the whole window."""
    assert input_bound(structs.replace(ASK, image_tokens=2000)) == 3000
    assert input_bound(structs.replace(ASK, text_bytes=10**9)) == 128_000
    assert input_bound(structs.replace(ASK, whole_window=True)) == 128_000


def test_without_a_hard_budget_no_cap_is_touched():
    """A request nobody may refuse for money goes up as it came."""
    size = hold_size(ASK, PLAIN, Rule(hard=False))
    assert (size.cap_to_set, size.changes) == (None, ())


def test_a_request_without_a_cap_gets_the_default_one():
    """Under a hard budget an endless answer has to end somewhere, and the change is listed."""
    size = hold_size(ASK, PLAIN, HARD)
    assert (size.cap_to_set, size.changes) == (4096, (CAP_ADDED,))
    assert size.amount_nano == 1000 * 400 + 4096 * 1600
    assert size.smallest_nano == 1000 * 400 + LEAST_OUTPUT * 1600


def test_a_reasoning_model_gets_at_least_its_allowance():
    """A default below what the family needs to think would pay for thoughts and no answer."""
    size = hold_size(structs.replace(ASK, reasoning_allowance=25_000), PLAIN, HARD)
    assert size.cap_to_set == 25_000
    assert size.reasoning_nano == size.amount_nano
    assert size.smallest_nano == 1000 * 400 + LEAST_REASONED_OUTPUT * 1600


def test_a_cap_never_exceeds_what_the_model_writes():
    """The default, the allowance and the caller's own cap end at the model's maximum."""
    small = structs.replace(ASK, max_output=100)
    assert hold_size(small, PLAIN, HARD).cap_to_set == 100
    assert hold_size(structs.replace(small, cap=5000), PLAIN, HARD).output_tokens == 100


@pytest.mark.parametrize("ask", [structs.replace(ASK, cap=500), structs.replace(ASK, has_schema=True)])
def test_a_cap_of_the_callers_or_a_schema_is_not_shortened(ask):
    """Half a JSON document is worth nothing: the smallest permitted hold is the whole one."""
    size = hold_size(ask, PLAIN, HARD)
    assert size.smallest_nano == size.amount_nano


def test_shrink_always_shortens_even_a_cap_of_the_callers():
    """Only where the budget says so."""
    size = hold_size(structs.replace(ASK, cap=500), PLAIN, Rule(hard=True, shrink_always=True))
    assert size.smallest_nano < size.amount_nano
    assert size.cap_to_set is None
    assert granted(size, size.smallest_nano).cap_to_set == LEAST_OUTPUT


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 10**7), st.integers(1, 4))
def test_a_smaller_grant_lowers_the_cap_to_what_it_pays_for(amount, n):
    """The cap that comes out costs at most the money that was granted: the answer shrinks with the hold."""
    size = hold_size(structs.replace(ASK, n=n), PLAIN, HARD)
    fitted = granted(size, max(size.smallest_nano, min(amount, size.amount_nano)))
    most = Usage(input_tokens=size.input_tokens, output_tokens=fitted.cap_to_set * n)
    assert bill(most, PLAIN, "") <= fitted.amount_nano
    assert fitted.cap_to_set >= LEAST_OUTPUT
    assert fitted.changes == ((CAP_ADDED,) if fitted.amount_nano == size.amount_nano else (CAP_LOWERED,))


def test_an_embedding_holds_its_input_only():
    """Nothing is generated, nothing can be shortened."""
    size = hold_size(structs.replace(ASK, generates=False), PLAIN, HARD)
    assert (size.amount_nano, size.smallest_nano, size.cap_to_set) == (400_000, 400_000, None)
    assert granted(size, size.amount_nano) is size


def test_hosted_tools_are_held_for_by_the_call():
    """Ten searches at a cent each are held as ten cents; a tool without a price is refused."""
    price = replace(PLAIN, tool_calls={"web_search": 10_000_000})
    ask = structs.replace(ASK, tool_calls={"web_search": 10})
    assert hold_size(ask, price, HARD).amount_nano - hold_size(ASK, price, HARD).amount_nano == 100_000_000
    with pytest.raises(KeyError):
        hold_size(ask, PLAIN, HARD)


def test_a_window_nobody_knows_bounds_nothing():
    """Stored context may fill the window; where the window is unknown, at least what was sent is held for."""
    ask = Ask(text_bytes=100, context_tokens=0, max_output=10, whole_window=True)
    assert input_bound(ask) == 100
    assert input_bound(structs.replace(ask, context_tokens=4_000)) == 4_000
