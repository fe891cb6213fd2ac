"""Money rule 7, rule by rule (R7): what is billed when upstream says everything, nothing, or nonsense."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.budgets import usage
from proxy.budgets.usage import (
    UNDER_WAY_TOKENS,
    Evidence,
    estimate_input,
    estimate_output,
    reported,
    usage_of,
)


def report(prompt=10, answer=5, **more):
    return json.dumps(
        {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer, **more}
    ).encode()


def read_report(text):
    return reported([text])


def test_what_was_reported_is_billed():
    """Chat's names, with the details inside the totals."""
    details = {
        "prompt_tokens_details": {
            "cached_tokens": 4,
            "cache_write_tokens": 3,
            "audio_tokens": 1,
            "image_tokens": 2,
        },
        "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 1},
    }
    usage = usage_of(Evidence(reports=[report(**details)], service_tier="flex"))
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.cache_write_tokens) == (
        10,
        5,
        4,
        3,
    )
    assert (usage.reasoning_tokens, usage.audio_input_tokens, usage.audio_output_tokens) == (4, 1, 1)
    assert (usage.image_input_tokens, usage.service_tier, usage.source, usage.flagged) == (
        2,
        "flex",
        "reported",
        False,
    )


def test_the_names_of_responses_mean_the_same():
    """input_tokens/output_tokens with their details."""
    usage = read_report(
        b'{"input_tokens":7,"input_tokens_details":{"cached_tokens":2},"output_tokens":3,'
        b'"output_tokens_details":{"reasoning_tokens":1},"total_tokens":10}'
    )
    assert (usage.input_tokens, usage.cached_tokens, usage.output_tokens, usage.reasoning_tokens) == (
        7,
        2,
        3,
        1,
    )


def test_no_usage_in_a_complete_answer_is_estimated_from_what_was_seen():
    """Marked as an estimate, never as zero."""
    usage = usage_of(Evidence(events=12, text_bytes=50, input_tokens=30))
    assert (usage.input_tokens, usage.output_tokens, usage.source) == (30, 12, "estimated")


def test_an_explicit_zero_is_zero():
    """A provider that says the answer was free is believed."""
    usage = usage_of(Evidence(reports=[report(0, 0)], events=12, text_bytes=50, input_tokens=30))
    assert (usage.input_tokens, usage.output_tokens, usage.source) == (0, 0, "reported")


def test_of_two_reports_the_last_one_counts():
    """Providers that report along the way report running totals."""
    usage = usage_of(Evidence(reports=[report(10, 1), report(10, 9)]))
    assert (usage.input_tokens, usage.output_tokens) == (10, 9)


@pytest.mark.parametrize(
    ("total", "billed"),
    [(20, (10, 10)), (12, (10, 5)), (0, (10, 5))],
)
def test_a_wrong_sum_is_read_as_the_dearer_one_and_flagged(total, billed):
    """More in total than in parts is output; less in total than in parts changes nothing."""
    usage = read_report(report(10, 5, total_tokens=total))
    assert ((usage.input_tokens, usage.output_tokens), usage.flagged) == (billed, True)


def test_an_embedding_has_no_output_to_be_missing():
    """prompt_tokens and total_tokens alone: what the total adds is input."""
    exact = read_report(b'{"prompt_tokens":8,"total_tokens":8}')
    larger = read_report(b'{"prompt_tokens":8,"total_tokens":9}')
    assert (exact.input_tokens, exact.output_tokens, exact.flagged) == (8, 0, False)
    assert (larger.input_tokens, larger.output_tokens, larger.flagged) == (9, 0, True)


def test_more_cached_than_prompt_is_clamped_and_flagged():
    """A discount can never exceed the whole."""
    usage = read_report(report(10, 5, prompt_tokens_details={"cached_tokens": 99, "cache_write_tokens": 4}))
    assert (usage.cached_tokens, usage.cache_write_tokens, usage.flagged) == (10, 0, True)


def test_more_reasoning_than_output_raises_the_output():
    """Some hosts count thoughts beside the answer; the dearer reading is that they are billed."""
    usage = read_report(report(10, 5, completion_tokens_details={"reasoning_tokens": 40}))
    assert (usage.output_tokens, usage.flagged) == (40, True)


def test_an_answer_cut_before_its_usage_costs_what_was_seen_and_what_was_under_way():
    """R5 without reasoning: never under, at most 64 tokens over."""
    usage = usage_of(Evidence(complete=False, events=40, text_bytes=150, input_tokens=9))
    assert (usage.input_tokens, usage.output_tokens, usage.source) == (9, 40 + UNDER_WAY_TOKENS, "estimated")
    assert UNDER_WAY_TOKENS <= 64


def test_an_answer_cut_while_the_model_may_reason_costs_the_bound():
    """R5 with reasoning: nobody outside knows how far the thoughts got, so the hold's output is billed and marked."""
    evidence = Evidence(
        complete=False, reasons=True, events=3, text_bytes=9, input_tokens=9, output_bound_tokens=4096
    )
    usage = usage_of(evidence)
    assert (usage.output_tokens, usage.source) == (4096, "bound")


def test_no_estimate_exceeds_the_hold():
    """Without a report the bill stays within what was set aside."""
    evidence = Evidence(
        complete=False, events=5000, input_tokens=500, input_bound_tokens=100, output_bound_tokens=64
    )
    usage = usage_of(evidence)
    assert (usage.input_tokens, usage.output_tokens) == (100, 64)


def test_what_was_never_sent_costs_nothing():
    """A connection that was refused is no bill."""
    usage = usage_of(
        Evidence(sent=False, complete=False, input_tokens=50, output_bound_tokens=100, reasons=True)
    )
    assert (usage.input_tokens, usage.output_tokens, usage.source) == (0, 0, "none")


@pytest.mark.parametrize(
    "nonsense",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"total_tokens":5}',
        b'{"prompt_tokens":"ten"}',
        b'{"prompt_tokens":true}',
        b"\xff",
    ],
)
def test_a_report_without_counts_is_no_report(nonsense):
    """It falls back to the estimate, or to an earlier report."""
    assert read_report(nonsense) is None
    assert usage_of(Evidence(reports=[report(3, 2), nonsense])).input_tokens == 3


@pytest.mark.parametrize(("written", "read"), [("-5", 0), ("2.2", 3), ("1e300", 10**9), ("9" * 400, 10**9)])
def test_absurd_counts_are_clamped_and_flagged(written, read):
    """Negative, fractional and astronomic numbers neither crash nor leave the exact range."""
    usage = read_report(f'{{"prompt_tokens":{written},"completion_tokens":0}}'.encode())
    assert usage is not None
    assert usage.input_tokens == read
    assert usage.flagged is (written != "2.2")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.dictionaries(
            st.sampled_from(
                [
                    "prompt_tokens",
                    "completion_tokens",
                    "total_tokens",
                    "prompt_tokens_details",
                    "completion_tokens_details",
                    "cached_tokens",
                    "audio_tokens",
                    "reasoning_tokens",
                ]
            ),
            inner,
        ),
        max_leaves=12,
    )
)
def test_no_report_crashes_the_reader(value):
    """Whatever a provider sends as usage, the reading is None or sane."""
    usage = read_report(json.dumps(value).encode())
    if usage is not None:
        assert 0 <= usage.cached_tokens <= usage.input_tokens
        assert 0 <= usage.reasoning_tokens <= usage.output_tokens


@pytest.mark.parametrize(
    ("text_bytes", "events", "tokens"), [(0, 0, 0), (40, 10, 10), (800, 10, 267), (9, 0, 3)]
)
def test_output_is_counted_by_events_unless_they_are_large(text_bytes, events, tokens):
    """One token an event; providers that batch are measured by bytes."""
    assert estimate_output(text_bytes, events) == tokens


def test_dense_scripts_cost_more_tokens_a_character():
    """Prose is a quarter token a byte; Chinese, raw or escaped, is not counted as if it were English."""
    assert estimate_input(b"word " * 100) == 125
    assert estimate_input("漢".encode() * 100) == 300
    assert estimate_input(b"\\u6f22" * 100) == 550


COUNTS = st.one_of(
    st.integers(-1, 12), st.none(), st.booleans(), st.floats(0, 12), st.just("3"), st.just(10**10)
)
DETAILS = st.one_of(
    st.none(),
    st.just([]),
    st.dictionaries(
        st.sampled_from(
            ("cached_tokens", "cache_write_tokens", "reasoning_tokens", "audio_tokens", "image_tokens")
        ),
        COUNTS,
    ),
)


@given(
    st.dictionaries(st.sampled_from(("prompt_tokens", "input_tokens")), COUNTS),
    st.dictionaries(st.sampled_from(("completion_tokens", "output_tokens")), COUNTS),
    st.dictionaries(
        st.sampled_from(
            (
                "prompt_tokens_details",
                "input_tokens_details",
                "completion_tokens_details",
                "output_tokens_details",
            )
        ),
        DETAILS,
    ),
    st.integers(0, 24),
)
def test_the_quick_reading_agrees_with_the_careful_one(prompt, answer, details, total):
    """A report in which nothing is odd is read by a shorter way; whatever it accepts, the careful one reads the same."""
    text = json.dumps({**prompt, **answer, **details, "total_tokens": total}).encode()
    sound = usage._read_sound(text, "flex")
    assert sound is None or sound == usage._read_odd(text, "flex")


def test_an_ordinary_report_is_read_the_quick_way():
    """The shorter way is taken at all."""
    assert usage._read_sound(report(), "") == read_report(report())
