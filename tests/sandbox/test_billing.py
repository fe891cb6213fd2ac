"""The ground truth of cost: exact nano-dollars for every kind of token, tier and window."""

import pytest

from proxy.sandbox.billing import Bill, PromptCache, cost_nano
from proxy.sandbox.catalogue import MODELS
from tests.sandbox.kit import Caller


@pytest.mark.parametrize(
    ("model", "bill", "nano"),
    [
        ("gpt-4.1-mini", Bill(prompt=1000, output=100), 400_000 + 160_000),
        ("gpt-4.1-mini", Bill(prompt=1000, cached=600, output=0), 400 * 400 + 600 * 100),
        ("gpt-4.1-mini", Bill(prompt=10, output=10, tier="priority"), 10 * 700 + 10 * 2800),
        ("o4-mini", Bill(prompt=1, output=1000, reasoning=900), 1100 + 4_400_000),
        ("o4-mini", Bill(prompt=2, output=2, tier="flex"), 1100 + 4400),
        ("gpt-5-nano", Bill(prompt=1, cached=1), 5),
        ("gpt-5.4-mini", Bill(prompt=1, cached=1, tier="flex"), 38),
        ("gpt-5.4-mini", Bill(prompt=10, output=10, tier="priority"), 15_000 + 90_000),
        ("gpt-5.6-luna", Bill(prompt=3000, cached=1000, written=1000, output=1), 200_000 + 20_000 + 250_000 + 1200),
        ("gpt-6-luna", Bill(prompt=272_000, output=10), 27_200_000 + 5_000),
        ("gpt-6-luna", Bill(prompt=272_001, output=10), 54_400_200 + 7_500),
        ("gpt-4.1-mini", Bill(prompt=300_000), 120_000_000),
    ],
)  # fmt: skip
def test_a_bill_costs_what_the_price_page_says(model, bill, nano):
    """Cached and written tokens are inside the prompt; rounding is up and once."""
    assert cost_nano(bill, MODELS[model]) == nano


def test_a_cache_hit_needs_the_same_beginning_model_and_key():
    """And at least 1024 tokens of it."""
    cache, model = PromptCache(), MODELS["gpt-4.1"]
    long = "x" * 8192
    assert cache.look(model, "a", long, 2048) == (0, 0)
    assert cache.look(model, "a", long, 2048) == (2048, 0)
    assert cache.look(model, "b", long, 2048) == (0, 0)
    assert cache.look(MODELS["gpt-5"], "a", long, 2048) == (0, 0)
    assert cache.look(model, "a", long[:6000] + "y" * 4000, 2500) == (1408, 0)
    assert cache.look(model, "a", "y" + long, 2048) == (0, 0)
    assert cache.look(model, "a", "short", 2) == (0, 0)


def test_a_full_cache_forgets_the_oldest():
    """Bounded, however long the sandbox runs."""
    cache, model = PromptCache(size=20), MODELS["gpt-4.1"]
    cache.look(model, "a", "x" * 8192, 2048)
    cache.look(model, "a", "y" * 8192, 2048)
    assert cache.look(model, "a", "x" * 8192, 2048)[0] == 0


def test_what_the_log_charges_is_what_the_answer_reported():
    """Call by call and in the totals."""
    api = Caller()
    used = [api.chat("gpt-5", text).json["usage"] for text in ("a", "b")]
    assert api.last.bill.output == used[1]["completion_tokens"]
    totals = api.send("GET", "/sandbox/totals").json
    assert totals["output_tokens"] == sum(usage["completion_tokens"] for usage in used)
    assert totals["cost_nano"] == sum(record.cost_nano for record in api.app.log.records())
    assert totals["by_model"]["gpt-5-2025-08-07"]["billed_calls"] == 2
