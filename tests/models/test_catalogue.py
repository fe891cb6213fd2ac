"""The catalogue: every name finds its row, every price is exact, every contradiction is refused with its line."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.models.catalogue import SHIPPED_PATH, Catalogue, load
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


def test_every_retired_model_of_the_shipped_file_leads_to_a_living_one():
    """Following any chain ends at a chat model without a shutdown date."""
    for row in SHIPPED:
        if row.shutdown and row.family in {"gpt-4.1", "o-series", "gpt-5", "gpt-5.1", "gpt-5.4"}:
            assert any(SHIPPED.get(successor.model).shutdown is None for successor in row.successors), (
                row.name
            )


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
        (("    context: 1000\n", ""), 3, "needs its window"),
        (("family: gpt-4.1", "family: gpt-4.1\n    modalities: {in: [smell]}"), 5, "unknown modality"),
        (("family: gpt-4.1", "family: gpt-4.1\n    latency: {ttft_s: soon}"), 5, "not a positive number"),
        (('input: "1"', 'input: "1000001"'), 7, "is the unit USD per 1,000,000 tokens?"),
        (('input: "1"', 'input: "1", tiers: {flex: half}'), 7, "not a positive factor"),
        (('input: "1"', 'input: "0.000000001", tiers: {flex: "0.5"}'), 7, "write the rate out"),
        (('input: "1"', 'input: "1", tool_calls: {web_search: "-1"}'), 7, "must be finite and not negative"),
        (('{input: "1", output: "2"}', "cheap"), 7, "a price is a mapping"),
        (('{input: "1", output: "2"}',
          "\n      - {from: 2026-02-01, input: 1, output: 1}\n      - {from: 2026-01-01, input: 1, output: 1}"), 9, "from the oldest to the newest"),
    ],
)  # fmt: skip
def test_a_contradiction_is_refused_with_its_line(change, line, says):
    """Every fault of a row is said with the file and the line a person must open."""
    found = mistakes(ROW.replace(*change))
    assert any(says in text and (not line or text.startswith(f"m.yaml:{line}:")) for text in found), found


def test_rows_that_are_no_rows_and_nulls_are_understood():
    """A name with nothing behind it is a mistake; an override with null takes the shipped value away."""
    assert any("a row is a mapping" in text for text in mistakes("models:\n  a: 3\n"))
    assert Catalogue.build("").names() == ()
    row = Catalogue.build(ROW, {"a": {"shutdown": None, "unpriced": None}}).get("a")
    assert row.shutdown is None


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
