"""Prices are exact, dated and complete, and compared the same way everywhere."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from proxy.models.catalogue import load
from proxy.models.prices import blend, nano_per_million, ratio

NOW = datetime(2026, 11, 20, tzinfo=UTC).timestamp()
SHIPPED = load()


def test_prices_follow_the_day():
    """gpt-5.6-luna was cut by 80 % on 2026-07-30; a bill of the day before uses the old price."""
    row = SHIPPED.get("gpt-5.6-luna")
    before = datetime(2026, 7, 29, 23, 59, tzinfo=UTC).timestamp()
    assert row.price_at(before).output == 6_000_000_000
    assert row.price_at(before + 60).output == 1_200_000_000


def test_a_long_prompt_and_a_tier_have_complete_rows():
    """Above 272k input tokens everything doubles, output costs half more; priority doubles that again."""
    price = SHIPPED.get("gpt-6.1-terra").price_at(NOW)
    assert (price.long_threshold_tokens, price.long.input, price.long.output) == (
        272_000,
        2_000_000_000,
        7_500_000_000,
    )
    assert price.tiers["priority"].long.input == 4_000_000_000
    assert price.cache_write_extended == 2_500_000_000
    assert price.long.tool_calls == price.tool_calls == price.tiers["flex"].tool_calls


def test_what_is_not_listed_costs_what_plain_tokens_cost():
    """No rate is zero by accident, except output of models that have none."""
    for row in SHIPPED:
        price = row.price_at(NOW)
        if price is None:
            assert row.unpriced
        elif "moderations" not in row.endpoints:
            assert (
                min(price.input, price.cached_input, price.cache_write, price.audio_input, price.image_input)
                > 0
            )
            assert price.output > 0 or row.family == "embedding"


@given(st.decimals(min_value=0, max_value=999_999, places=9))
def test_a_decimal_price_is_exact(usd):
    """Reading a price loses nothing."""
    assert nano_per_million(str(usd)) == int(usd * 10**9)


def test_price_ratios_weigh_three_parts_input_to_one_part_output():
    """o4-mini to gpt-6.1-terra is 8/7.7; to gpt-5.6-terra 18/7.7."""
    price = {name: SHIPPED.get(name).price_at(NOW) for name in ("o4-mini", "gpt-6.1-terra", "gpt-5.6-terra")}
    assert blend(price["o4-mini"]) == 7_700_000_000
    assert round(ratio(price["gpt-6.1-terra"], price["o4-mini"]), 3) == 1.039
    assert round(ratio(price["gpt-5.6-terra"], price["o4-mini"]), 3) == 2.338
    free = SHIPPED.get("omni-moderation-latest").price_at(NOW)
    assert ratio(free, free) == 1.0
    assert ratio(price["o4-mini"], free) == float("inf")
