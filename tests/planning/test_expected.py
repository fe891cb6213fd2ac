"""The planned cost ratio: the real token mix at both prices, with the thoughts a new effort takes."""

import pytest

from proxy.nouns import PriceRow
from proxy.planning.expected import Terms, cost_ratio
from proxy.routing.policy import expected_output


def price(of_input, of_cached, of_output, **more):
    return PriceRow(
        of_input, of_output, of_cached, of_input, of_input, of_input, of_output, of_input, of_output, **more
    )


OLD = price(400, 100, 1_600)
NEW = price(100, 10, 500)
MIX = {"input": 3_000_000, "cached": 1_000_000, "output": 1_000_000}


def test_the_ratio_is_that_of_the_token_mix():
    """(2 x 100 + 10 + 500) / (2 x 400 + 100 + 1,600): cached tokens at their own price."""
    assert cost_ratio(MIX, Terms(OLD, "none"), Terms(NEW, "none")) == pytest.approx(710 / 2_500)


def test_thoughts_of_the_new_effort_are_part_of_the_plan_and_those_of_the_old_are_not():
    """From a model that thought to one that does not the output shrinks, the other way it grows as is known of the effort."""
    factor = expected_output("high", None) / expected_output("none", None)
    assert cost_ratio(MIX, Terms(OLD, "none"), Terms(NEW, "high")) == pytest.approx(
        (210 + 500 * factor) / 2_500, rel=1e-3
    )
    thinking = {**MIX, "reasoning": 500_000}
    assert cost_ratio(thinking, Terms(OLD, "medium"), Terms(NEW, "none")) == pytest.approx(
        (210 + 250) / 2_500
    )


def test_long_prompts_tier_is_no_matter_of_sums():
    """Many small prompts add up to more than the threshold of one long one."""
    tiered = price(100, 10, 500, long=price(900, 900, 900), long_threshold_tokens=200_000)
    assert cost_ratio(MIX, Terms(OLD, "none"), Terms(tiered, "none")) == pytest.approx(710 / 2_500)


@pytest.mark.parametrize(("tokens", "old", "new"), [(MIX, None, NEW), (MIX, OLD, None), ({}, OLD, NEW)])
def test_without_prices_or_work_there_is_no_ratio(tokens, old, new):
    """Unknown is not one."""
    assert cost_ratio(tokens, Terms(old, "none"), Terms(new, "none")) is None
