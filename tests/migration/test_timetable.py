"""Stages have dates, and the last one begins before the old model's end."""

import pytest

from proxy.migration.timetable import fewest_calls_a_day, timetable

NOW, HOUR_S = 1_795_000_000.0, 3600.0
STAGES = (1, 5, 25, 50, 100)


@pytest.mark.parametrize(
    ("days", "hold_hours", "tight"),
    [(None, 24, False), (60, 24, False), (6, 21, True), (3, 10, True), (1, 3, True)],
)
def test_stages_last_a_day_each_or_as_long_as_there_is_time(days, hold_hours, tight):
    """A quarter of the time is left for looking."""
    ends = None if days is None else NOW + days * 24 * HOUR_S
    found = timetable(STAGES, NOW, ends)
    assert (found.hold_hours, found.tight) == (hold_hours, tight)
    assert [stage for stage, _ in found.stages] == list(STAGES)
    assert found.stages[0][1] == NOW
    assert ends is None or found.stages[-1][1] + found.hold_hours * HOUR_S < ends


def test_with_hours_left_the_smallest_stages_go_first_and_with_none_there_is_no_plan():
    """A stage of minutes shows nothing."""
    found = timetable(STAGES, NOW, NOW + 4 * HOUR_S)
    assert [stage for stage, _ in found.stages] == [25, 50, 100]
    assert found.hold_hours == 1
    assert timetable(STAGES, NOW, NOW + HOUR_S) is None
    assert timetable(STAGES, NOW, NOW - HOUR_S) is None


def test_the_smallest_stage_says_how_much_traffic_it_needs():
    """200 calls on 1 % within a day are 20,000."""
    assert fewest_calls_a_day(STAGES, 24, 200) == 20_000
    assert fewest_calls_a_day((50, 100), 48, 200) == 200
