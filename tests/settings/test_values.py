"""Kinds of value."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from proxy.settings.values import MOST_USD, Target, nano_usd, usd_text


@given(st.integers(0, MOST_USD * 10**9))
def test_money_goes_to_text_and_back_exactly(nano):
    """Every representable amount survives being shown and read again."""
    assert nano_usd(usd_text(nano)) == nano
    assert Decimal(usd_text(nano)) * 10**9 == nano


@pytest.mark.parametrize(
    "text", ["-0.01", "nan", "inf", "-inf", "", "1,5", "$5", "9000000.000000001", "1e-10", "1e999999"]
)
def test_amounts_that_cannot_be_counted_are_refused(text):
    """Beyond $9 million a counter in Redis is no longer exact; below a nano-dollar there is nothing."""
    with pytest.raises(PydanticCustomError):
        nano_usd(text)


def test_the_largest_amount_is_still_exact():
    """9,000,000 dollars in nano-dollars fit 53 bits."""
    assert nano_usd("9000000") == 9 * 10**15 < 2**53


def test_a_target_splits_off_a_provider_only_if_there_is_one():
    """A model's own name may contain a slash."""
    assert Target("openai/gpt-6-luna", "none").split({"openai"}) == ("openai", "gpt-6-luna")
    assert Target("meta/llama").split({"openai"}) == ("", "meta/llama")
    assert str(Target("gpt-6-luna", "none")) == "gpt-6-luna@none"
