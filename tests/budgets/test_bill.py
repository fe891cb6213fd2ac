"""Money rule 1: exact prices, every kind of token once, rounded up once."""

from dataclasses import replace
from decimal import ROUND_CEILING, Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.budgets.bill import bill
from proxy.nouns import PriceRow, Usage

RATES = st.integers(0, 600_000_000_000)


def row(**rates):
    plain = {"input": 1_000_000_000, "output": 4_000_000_000}
    names = ("cached_input", "cache_write", "cache_write_extended", "audio_input", "image_input")
    fields = dict.fromkeys(names, plain["input"]) | {
        "audio_output": plain["output"],
        "image_output": plain["output"],
    }
    return PriceRow(**(plain | fields | rates))


rows = st.builds(
    PriceRow,
    **dict.fromkeys(
        [
            "input",
            "output",
            "cached_input",
            "cache_write",
            "cache_write_extended",
            "audio_input",
            "audio_output",
            "image_input",
            "image_output",
        ],
        RATES,
    ),
)
parts = st.lists(st.integers(0, 2_000_000), min_size=7, max_size=7)


def usage_from(counts):
    text, cached, written, audio, image, answer, speech = counts
    return Usage(
        input_tokens=text + cached + written + audio + image,
        output_tokens=answer + speech,
        cached_tokens=cached,
        cache_write_tokens=written,
        audio_input_tokens=audio,
        image_input_tokens=image,
        audio_output_tokens=speech,
    )


@settings(max_examples=2_000, deadline=None)
@given(parts, rows)
def test_a_bill_equals_decimal_arithmetic_rounded_up_once(counts, price):
    """R9: integers of nano-dollars agree with exact decimals to the last nano, whatever the usage and the prices."""
    text, cached, written, audio, image, answer, speech = map(Decimal, counts)
    dollars_per_m = (
        text * price.input
        + cached * price.cached_input
        + written * price.cache_write
        + audio * price.audio_input
        + image * price.image_input
        + answer * price.output
        + speech * price.audio_output
    )
    truth = (dollars_per_m / 1_000_000).to_integral_value(ROUND_CEILING)
    assert bill(usage_from(counts), price, "default") == truth


def test_nothing_used_costs_nothing():
    """Zero tokens are zero nano-dollars, not one."""
    assert bill(Usage(), row(), "") == 0


def test_a_single_token_is_rounded_up_to_a_whole_nano():
    """One token at $0.0001 a million is a ten-millionth of a nano-dollar's thousand: it still costs one nano."""
    assert bill(Usage(input_tokens=1), row(input=100), "") == 1


def test_the_whole_request_is_dearer_past_the_long_context_threshold():
    """One token over the threshold doubles input and raises output for all tokens, cached ones too."""
    long = row(input=2_000_000_000, output=6_000_000_000, cached_input=500_000_000)
    price = replace(row(cached_input=250_000_000), long_threshold_tokens=272_000, long=long)
    under = Usage(input_tokens=272_000, cached_tokens=72_000, output_tokens=1000)
    over = msgspec.structs.replace(under, input_tokens=272_001)
    assert bill(under, price, "") == 200_000 * 1000 + 72_000 * 250 + 1000 * 4000
    assert bill(over, price, "") == 200_001 * 2000 + 72_000 * 500 + 1000 * 6000


def test_the_tier_that_was_used_sets_the_price():
    """flex, priority and its request spelling `fast` take their own rows; default and standard the plain one."""
    price = replace(row(), tiers={"flex": row(input=500_000_000), "priority": row(input=2_000_000_000)})
    usage = Usage(input_tokens=1000)
    tiers = ("", "default", "standard", "flex", "priority", "fast")
    assert [bill(usage, price, tier) for tier in tiers] == [
        10**6,
        10**6,
        10**6,
        5 * 10**5,
        2 * 10**6,
        2 * 10**6,
    ]


def test_a_tier_nobody_priced_is_billed_at_the_dearest_row():
    """`scale`, or a tier invented after this version, is never billed below what it can cost."""
    price = replace(row(), tiers={"flex": row(input=1), "priority": row(input=2_000_000_000)})
    assert bill(Usage(input_tokens=1000), price, "scale") == 2_000_000


def test_reasoning_is_inside_the_output_and_billed_once():
    """A thousand output tokens, nine hundred of them thoughts, are a thousand output tokens."""
    assert bill(Usage(output_tokens=1000, reasoning_tokens=900), row(), "") == 4_000_000


def test_hosted_tools_are_paid_by_the_call():
    """Two web searches at a cent each are two cents on top of the tokens."""
    price = replace(row(), tool_calls={"web_search": 10_000_000})
    assert bill(Usage(input_tokens=1000), price, "", tool_calls={"web_search": 2}) == 21_000_000


def test_a_hosted_tool_without_a_price_is_refused():
    """Unknown is never zero."""
    with pytest.raises(KeyError):
        bill(Usage(), row(), "", tool_calls={"mystery": 1})


def test_the_long_cache_retention_has_its_own_write_price():
    """Cache writes kept for longer cost the extended rate."""
    price = row(cache_write=1_250_000_000, cache_write_extended=2_000_000_000)
    usage = Usage(input_tokens=1000, cache_write_tokens=1000)
    assert (bill(usage, price, ""), bill(usage, price, "", extended_cache=True)) == (1_250_000, 2_000_000)


def test_overlapping_parts_never_make_a_bill_smaller():
    """Cached audio reported in both details leaves no plain input, and no negative one."""
    usage = Usage(input_tokens=100, cached_tokens=80, audio_input_tokens=80)
    assert bill(usage, row(), "") == 160 * 1000
