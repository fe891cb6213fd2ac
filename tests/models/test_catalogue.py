"""The catalogue: every name finds its row, every price is exact, every contradiction is refused with its line."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.models.catalogue import SHIPPED_PATH, Catalogue, load
from proxy.models.price_map import price_from_entry, read_price_map, rows_from_price_map
from proxy.models.prices import blend, nano_per_million, ratio
from proxy.models.rowfile import CatalogueError
from proxy.models.rowreader import split_effort

NOW = datetime(2026, 11, 20, tzinfo=UTC).timestamp()
SHIPPED = load()
ROW = """
models:
  a:
    family: gpt-4.1
    context: 1000
    max_output: 100
    prices: {input: "1", output: "2"}
"""


def mistakes(text, overrides=None):
    with pytest.raises(CatalogueError) as caught:
        Catalogue.build(text, overrides, shipped_file="m.yaml")
    return [str(mistake) for mistake in caught.value.mistakes]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("o4-mini", "o4-mini"),
        ("o4-mini-2025-04-16", "o4-mini"),
        ("gpt-5.6", "gpt-5.6-sol"),
        ("gpt-6-luna@none", "gpt-6-luna"),
        ("openai/gpt-4.1-mini", "gpt-4.1-mini"),
        ("azure/gpt-6-luna@low", "gpt-6-luna"),
        ("gpt-6-luna-2026-09-22", "gpt-6-luna"),
        ("ft:gpt-4.1-mini-2025-04-14:acme::abc", "gpt-4.1-mini"),
        ("openai/gpt-oss-120b", "gpt-oss-120b"),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
    ],
)
def test_a_name_finds_its_row_whatever_the_caller_puts_around_it(name, expected):
    """Aliases, snapshots, efforts, providers, unseen dates and fine-tunes all resolve."""
    assert SHIPPED.resolve(name).name == expected


@pytest.mark.parametrize(
    "name", ["", "gpt-9", "@none", "ft:", "ft:gpt-9:x::y", "/", "o4-mini@loud", "o4-mini "]
)
def test_a_name_we_do_not_know_is_nothing(name):
    """No guessing: an unknown model has no price."""
    assert SHIPPED.resolve(name) is None


@given(st.text(max_size=60))
def test_any_text_can_be_asked_for(name):
    """Callers choose the name; resolving never raises."""
    SHIPPED.resolve(name)


def test_a_snapshot_shares_the_dates_of_its_model():
    """o4-mini's dated name ends with it."""
    assert SHIPPED.resolve("o4-mini-2025-04-16").shutdown == SHIPPED.get("o4-mini").shutdown


def test_a_fine_tuned_name_has_its_own_price_and_no_successor():
    """Its base's price would under-bill, and nobody's model is replaced silently."""
    row = SHIPPED.resolve("ft:gpt-4.1-mini-2025-04-14:acme::abc")
    assert row.fine_tuned
    assert not row.successors
    assert row.price_at(NOW).input == 800_000_000
    unknown = SHIPPED.resolve("ft:gpt-5-2025-08-07:acme::abc")
    assert unknown.price_at(NOW) is None
    assert unknown.unpriced


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("gpt-6-luna@none", ("gpt-6-luna", "none")),
        ("gpt-6-luna", ("gpt-6-luna", None)),
        ("a@b", ("a@b", None)),
        ("x@max", ("x", "max")),
    ],
)
def test_an_effort_is_split_off_only_when_it_is_one(name, split):
    """A stray @ stays part of the name."""
    assert split_effort(name) == split


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


def test_every_retired_model_of_the_shipped_file_leads_to_a_living_one():
    """Following any chain ends at a chat model without a shutdown date."""
    for row in SHIPPED:
        if row.shutdown and row.family in {"gpt-4.1", "o-series", "gpt-5", "gpt-5.1", "gpt-5.4"}:
            assert any(SHIPPED.get(successor.model).shutdown is None for successor in row.successors), (
                row.name
            )


def test_models_nobody_describes_come_from_the_price_map_only_when_wanted():
    """litellm's providers are priced as data, without importing litellm."""
    catalogue = load(wanted=["anthropic/claude-sonnet-4-5", "o4-mini", "no/such-model"])
    row = catalogue.resolve("anthropic/claude-sonnet-4-5")
    assert row.family == "foreign"
    assert row.price_at(NOW).input == 3_000_000_000
    assert catalogue.resolve("no/such-model") is None
    assert len(catalogue) == len(SHIPPED) + 1


def test_an_entry_without_a_price_is_no_price():
    """Unknown is refused, not zero."""
    assert price_from_entry({"input_cost_per_token": 1e-6}) is None


def test_an_override_changes_only_what_it_says():
    """An operator's price replaces the shipped one; the window stays; a shutdown of theirs is pinned."""
    text = SHIPPED_PATH.read_text(encoding="utf-8")
    row = Catalogue.build(
        text,
        {
            "gpt-oss-120b": {
                "usd_per_m": {"input": 0.2, "output": 0.7},
                "deployments": [],
                "shutdown": "2027-01-01",
            }
        },
    ).get("gpt-oss-120b")
    assert (row.price_at(NOW).input, row.context, row.pinned_dates) == (200_000_000, 131_072, True)


def test_a_full_row_can_be_added():
    """A model of one's own needs a family, a window and a price."""
    row = Catalogue.build(
        ROW,
        {
            "mine": {
                "family": "open",
                "context": 4096,
                "max_output": 512,
                "usd_per_m": {"input": "0.1", "output": "0.2"},
            }
        },
    ).get("mine")
    assert row.endpoints == {"chat"}


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (('input: "1"', 'input: "-1"'), 7, "must be finite and not negative"),
        (('input: "1"', "input: .nan"), 7, "not a decimal number"),
        (('input: "1"', "input: NaN"), 7, "must be finite"),
        (('input: "1"', "input: Infinity"), 7, "must be finite"),
        (('input: "1"', 'input: "0"'), 7, "must say `free: true`"),
        (('input: "1"', 'input: "0.0000000001"'), 7, "finer than a nano-dollar"),
        (('input: "1"', 'input: "1", cached: "2"'), 7, "dearer than `input`"),
        (('input: "1"', 'input: "1", inptu: "2"'), 7, "unknown rate"),
        (('input: "1"', 'input: "1", tiers: {fast: "2"}'), 7, "unknown tier"),
        (('input: "1"', 'input: "1", tiers: {flex: "-2"}'), 7, "not a positive factor"),
        (('input: "1"', 'input: "1", long: {in: "2"}'), 7, "number of input tokens"),
        (('output: "2"', ""), 7, "`output` is missing"),
        (("max_output: 100", "max_output: 2000"), 6, "cannot be larger than the window"),
        (("max_output: 100", "max_output: many"), 6, "not a whole number"),
        (("max_output: 100", "max_output: 100\n    context: 5"), 7, "written twice"),
        (("family: gpt-4.1", "family: gpt-17"), 4, "unknown family"),
        (("family: gpt-4.1", "family: gpt-4.1\n    windo: 3"), 5, "unknown key"),
        (("family: gpt-4.1", "family: gpt-4.1\n    shutdown: soon"), 5, "not a date"),
        (("family: gpt-4.1", "family: gpt-4.1\n    released: 2026-01-02\n    shutdown: 2026-01-01"), 6, "not after"),
        (("family: gpt-4.1", "family: gpt-4.1\n    announced: 2026-01-02"), 5, "needs a later"),
        (("family: gpt-4.1", "family: gpt-4.1\n    chat_tools: maybe"), 5, "one of"),
        (("family: gpt-4.1", "family: gpt-4.1\n    endpoints: [chta]"), 5, "unknown endpoint"),
        (("family: gpt-4.1", "family: gpt-4.1\n    latency: {ttft_s: nan}"), 5, "not a positive number"),
        (("family: gpt-4.1", "family: gpt-4.1\n    successors: {chain: [b]}"), 5, "not a model of this catalogue"),
        (("family: gpt-4.1", "family: gpt-4.1\n    successors: {chain: [a]}"), 5, "a loop: a -> a"),
        (("family: gpt-4.1", "family: gpt-4.1\n    successors: {chain: [a@loud]}"), 5, "the part after @"),
        (("family: gpt-4.1", "family: gpt-4.1\n    unpriced: yes"), 5, "the row has prices"),
        (("    prices:", "    unknown_prices:"), 3, "missing"),
        (("  a:", "  a b:"), 3, "a model name is"),
        (("models:", "models: ["), 0, "not YAML"),
    ],
)  # fmt: skip
def test_a_contradiction_is_refused_with_its_line(change, line, says):
    """Every fault of a row is said with the file and the line a person must open."""
    found = mistakes(ROW.replace(*change))
    assert any(says in text and (not line or text.startswith(f"m.yaml:{line}:")) for text in found), found


def test_successor_loops_and_dying_successors_are_refused():
    """a -> b -> a never ends; a successor that stops first is none; an effort must exist."""
    row = "{family: gpt-4.1, context: 9, max_output: 9, prices: {input: 1, output: 1}, %s}"
    loop = f"models:\n  a: {row % 'successors: [b]'}\n  b: {row % 'successors: [a]'}\n"
    assert any("a loop: a -> b -> a" in text for text in mistakes(loop))
    dead = f"models:\n  a: {row % 'shutdown: 2027-02-02, successors: [b]'}\n  b: {row % 'shutdown: 2027-01-01'}\n"
    assert any("stops no later" in text for text in mistakes(dead))
    effort = f"models:\n  a: {row % 'successors: [b@low]'}\n  b: {row % ''}\n"
    assert any("does not take effort low" in text for text in mistakes(effort))


def test_two_rows_cannot_share_a_name():
    """An alias that is another model's name would make two prices for one request."""
    row = "{family: gpt-4.1, context: 9, max_output: 9, prices: {input: 1, output: 1}, aliases: [%s]}"
    assert any(
        "is also a name of" in text for text in mistakes(f"models:\n  a: {row % 'b'}\n  b: {row % 'c'}\n")
    )


def test_the_mistakes_of_an_override_name_their_key():
    """The operator's file has its own lines; the path leads there."""
    found = mistakes(ROW, {"a": {"usd_per_m": {"input": "-1", "output": "NaN"}}})
    assert {text.split(": ")[1] for text in found} == {
        "models.a.usd_per_m.input",
        "models.a.usd_per_m.output",
    }


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


@pytest.mark.parametrize(
    ("name", "tokens_in", "tokens_out", "fits"),
    [
        ("o4-mini", 150_000, 50_000, True),
        ("o4-mini", 150_000, 60_000, False),
        ("gpt-5-mini", 272_000, 128_000, True),
        ("gpt-5-mini", 272_001, 0, False),
        ("gpt-4.1-mini", 1_040_000, 32_768, False),
        ("whisper-1", 10**9, 0, True),
    ],
)
def test_input_and_output_share_the_window(name, tokens_in, tokens_out, fits):
    """o4-mini's 200k hold both; gpt-5's input has a limit of its own."""
    assert SHIPPED.get(name).fits(tokens_in, tokens_out) is fits
