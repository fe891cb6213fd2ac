"""litellm's price map as data: agreement with our own rows, and models only it knows."""

import json
import subprocess
import sys
from datetime import UTC, datetime

from proxy.models.catalogue import load
from proxy.models.price_map import price_from_entry, read_price_map, rows_from_price_map

NOW = datetime(2026, 11, 20, tzinfo=UTC).timestamp()
SHIPPED = load()


def test_the_shipped_prices_are_those_of_the_price_map():
    """Two readings of the same list agree for every chat model both describe."""
    raw = read_price_map()
    for row in SHIPPED:
        for other in rows_from_price_map(raw, [row.name] if "chat" in row.endpoints else []):
            ours, theirs = row.price_at(NOW), other.price_at(NOW)
            if row.provider_kind == "openai" and other.provider_kind == "openai":
                assert (ours.input, ours.cached_input, ours.cache_write, ours.output) == (
                    theirs.input, theirs.cached_input, theirs.cache_write, theirs.output), row.name  # fmt: skip
                if theirs.long is not None:
                    assert (ours.long.input, ours.long.output) == (theirs.long.input, theirs.long.output)


def test_models_nobody_describes_come_from_the_price_map_only_when_wanted():
    """litellm's providers are priced as data, without importing litellm."""
    catalogue = load(wanted=["anthropic/claude-sonnet-4-5", "o4-mini", "no/such-model"])
    row = catalogue.resolve("anthropic/claude-sonnet-4-5")
    assert row.family == "foreign-reasoning"
    assert row.price_at(NOW).input == 3_000_000_000
    assert catalogue.resolve("no/such-model") is None
    assert len(catalogue) == len(SHIPPED) + 1


def test_an_entry_without_a_price_is_no_price():
    """Unknown is refused, not zero."""
    assert price_from_entry({"input_cost_per_token": 1e-6}) is None


def test_reading_the_map_does_not_import_litellm():
    """Importing it costs seconds and a hundred megabytes."""
    code = "import sys; from proxy.models.catalogue import load; load(wanted=['claude-sonnet-4-5']); print('litellm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_map_entry_brings_its_tiers_long_prompts_and_end():
    """Rates per token become nano-dollars per million; what is finer is rounded up."""
    entry = {
        "mode": "chat", "litellm_provider": "openai", "max_input_tokens": 10, "max_output_tokens": 5,
        "input_cost_per_token": 1e-6, "output_cost_per_token": 2.0000000000001e-6, "deprecation_date": "2027-01-14",
        "input_cost_per_token_flex": 5e-7, "output_cost_per_token_flex": 1e-6,
        "input_cost_per_token_above_200k_tokens": 2e-6, "output_cost_per_token_above_200k_tokens": 3e-6,
    }  # fmt: skip
    (row,) = rows_from_price_map(
        json.dumps({"gpt-4o-x": entry, "pic": {"mode": "image"}}).encode(), ["gpt-4o-x", "pic"]
    )
    price = row.price_at(NOW)
    assert (price.input, price.output, price.long.input, price.tiers["flex"].output) == (
        1_000_000_000, 2_000_000_001, 2_000_000_000, 1_000_000_000)  # fmt: skip
    assert (row.family, price.long_threshold_tokens, row.shutdown is not None) == ("gpt-4.1", 200_000, True)
