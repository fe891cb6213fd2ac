"""What one attempt adds: by measure, side and task, and the figures that come of it."""

import pytest
from msgspec.structs import replace

from proxy.migration.comparison import Seen, columns, cost_against
from proxy.migration.observation import (
    SEPARATOR,
    Baseline,
    Observation,
    Sums,
    bucket_of,
    pace_key,
    quantile,
    upper_edge,
)
from proxy.nouns import Usage

BASELINE = Baseline(
    {pace_key("", stream=True): 1.0, pace_key("code", stream=True): 2.0}, cap_nano=1_000, ratio=0.5
)
GOOD = Observation(
    "m",
    1,
    "new",
    "u1",
    "code",
    stream=True,
    first_s=0.5,
    total_s=2.0,
    usage=Usage(10, 5),
    cost_nano=400,
    finish="stop",
)


def units(*seen, baseline=BASELINE):
    sums = Sums()
    for each in seen:
        sums.add(each, baseline)
    return sums.units


@pytest.mark.parametrize(
    ("seen", "sums"),
    [
        (GOOD, [1, 0, 1, 0, 1, 400]),
        (replace(GOOD, invalid="json"), [1, 1, 1, 0, 1, 400]),
        (replace(GOOD, failure="overloaded", first_s=None, cost_nano=None), [1, 1, 0, 0, 0, 0]),
        (replace(GOOD, first_s=2.5), [1, 0, 1, 1, 1, 400]),
        (replace(GOOD, cost_nano=9_999), [1, 0, 1, 0, 1, 500]),
        (replace(GOOD, cost_nano=9_999, side="old"), [1, 0, 1, 0, 1, 1_000]),
        (replace(GOOD, left=True, cost_nano=None), [0, 0, 1, 0, 0, 0]),
        (replace(GOOD, left=True, first_s=None, cost_nano=None, total_s=1.0), [0, 0, 0, 0, 0, 0]),
        (replace(GOOD, left=True, first_s=None, cost_nano=None, total_s=3.0), [0, 0, 1, 1, 0, 0]),
        (replace(GOOD, stream=False), [1, 0, 0, 0, 1, 400]),
        (replace(GOOD, drawn=False), [0, 0, 1, 0, 1, 400]),
        (replace(GOOD, drawn=False, failure="timeout", first_s=None, cost_nano=None), [0, 0, 0, 0, 0, 0]),
    ],
    ids=["good", "bad JSON", "500", "late", "dear", "dear on the old arm", "left later", "left early", "left after waiting long", "never seen whole",
         "not looked at", "failed where nobody looked"],
)  # fmt: skip
def test_each_measure_counts_the_calls_it_is_about(seen, sums):
    """n and y of failed, slow and cost; costs are capped, on the new arm at what was planned of the cap."""
    assert units(seen) == {(seen.side, "", "u1"): sums, (seen.side, "code", "u1"): sums}


def test_a_task_without_a_threshold_of_its_own_goes_by_that_of_all():
    """Seen too seldom before the stage began."""
    assert units(replace(GOOD, task="math", first_s=1.5))["new", "math", "u1"][2:4] == [1, 1]


def test_without_a_baseline_nothing_is_slow_and_nothing_costs():
    """On neither arm, so that the arms stay comparable."""
    assert units(GOOD, baseline=None)["new", "", "u1"] == [1, 0, 0, 0, 0, 0]


def test_a_shadow_is_compared_and_never_judged():
    """Counts, but no units."""
    sums = Sums()
    sums.add(replace(GOOD, side="shadow"), BASELINE)
    assert not sums.units
    assert sums.counts[SEPARATOR.join(("shadow", "", "calls"))] == 1


@pytest.mark.parametrize("value", [0.0, 0.001, 0.0123, 0.5, 1.0, 22.0, 900.0, 5e9])
def test_a_bucket_is_at_most_a_tenth_too_high(value):
    """The edge above a value is never below it."""
    edge = upper_edge(bucket_of(value))
    assert value <= edge * (1 + 1e-9)
    assert edge <= max(value * 1.1, 0.001) * (1 + 1e-9)


def test_a_quantile_is_the_edge_that_holds_the_share():
    """Of 95 early and 5 late answers the p95 is early, the p99 late; of nothing there is none."""
    histogram = {bucket_of(0.1): 95, bucket_of(3.0): 5}
    assert quantile(histogram, 0.95) == pytest.approx(0.1, rel=0.1)
    assert quantile(histogram, 0.99) == pytest.approx(3.0, rel=0.1)
    assert quantile({}, 0.5) is None


def test_both_arms_stand_side_by_side():
    """Shares of the calls they are about, means of billed calls, kinds by frequency."""
    sums = Sums()
    for i in range(10):
        sums.add(replace(GOOD, side="old", unit=f"u{i}", cost_nano=800, judged=True), BASELINE)
    for i in range(8):
        sums.add(replace(GOOD, unit=f"u{i}", judged=True, invalid="json" if i == 0 else ""), BASELINE)
    sums.add(replace(GOOD, failure="timeout", first_s=None, cost_nano=None, finish=""), BASELINE)
    sums.add(replace(GOOD, left=True, cost_nano=None, finish=""), BASELINE)
    sums.add(replace(GOOD, drawn=False, failure="timeout", first_s=None, cost_nano=None, finish=""), BASELINE)
    counts = {tuple(name.split(SEPARATOR)): amount for name, amount in sums.counts.items()}
    seen = Seen(counts)
    old, new = columns(seen)
    assert (old.calls, old.failed, old.usd) == (10, 0.0, pytest.approx(8e-7))
    assert (new.calls, new.failed, new.left) == (11, pytest.approx(2 / 9), 1)
    assert (new.errors, new.invalid, new.finishes) == ({"timeout": 2}, {"json": 1}, {"stop": 8})
    assert new.output_tokens == 5.0
    assert cost_against(seen, 0.4) == pytest.approx(1.25)
    assert cost_against(seen, 0.0) is None
    assert [each.side for each in columns(seen, "code")] == ["old", "new"]
    assert seen.tasks == ("code",)
