"""R8: every instant is in exactly one window of a kind, whatever the zone does."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.budgets.windows import NEVER, Window, Windows, window

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/Sao_Paulo",
    "America/Havana",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Asia/Beirut",
]
KINDS = ["minute", "hour", "day", "week", "month", "total"]


def at(text, zone="UTC"):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def utc(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@settings(max_examples=300, deadline=None)
@given(st.floats(0, 4_000_000_000), st.sampled_from(KINDS), st.sampled_from(ZONES))
def test_neighbouring_windows_meet(moment, per, zone):
    """The window holds its instant, its last second is still in it, and the next one starts where it ends."""
    found = window(per, zone, moment)
    assert moment in found
    if per != "total":
        assert window(per, zone, found.end - 0.001) == found
        assert window(per, zone, found.end).start == found.end
        assert window(per, zone, found.start - 0.001).end == found.start


def test_a_day_ends_at_midnight_to_the_second():
    """23:59:59.9 is today and 00:00:00.0 is tomorrow."""
    today = window("day", "UTC", utc("2026-11-21T23:59:59") + 0.999999)
    assert today == Window(utc("2026-11-21"), utc("2026-11-22"))
    assert window("day", "UTC", today.end).start == today.end


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)])
def test_days_of_a_zone_follow_its_clock(day, hours):
    """Berlin's days have 23 hours in March and 25 in October."""
    found = window("day", "Europe/Berlin", at(f"{day}T12:00:00", "Europe/Berlin"))
    assert (found.end - found.start) == hours * 3600


def test_a_midnight_that_a_zone_skips_is_the_instant_of_the_jump():
    """São Paulo went from 23:59:59 to 01:00:00 on 2018-11-04."""
    found = window("day", "America/Sao_Paulo", at("2018-11-04T12:00:00", "America/Sao_Paulo"))
    assert (found.start, found.end - found.start) == (utc("2018-11-04T03:00:00"), 23 * 3600)


def test_a_midnight_that_happens_twice_is_the_first():
    """Havana sets 01:00 back to 00:00: the day has 25 hours and starts once."""
    found = window("day", "America/Havana", at("2026-11-01T12:00:00", "America/Havana"))
    assert (found.start, found.end - found.start) == (utc("2026-11-01T04:00:00"), 25 * 3600)


def test_a_day_that_a_zone_skipped_has_no_window():
    """Samoa had no 2011-12-30: the 29th ends where the 31st begins."""
    before = window("day", "Pacific/Apia", at("2011-12-29T12:00:00", "Pacific/Apia"))
    after = window("day", "Pacific/Apia", before.end)
    assert datetime.fromtimestamp(after.start, ZoneInfo("Pacific/Apia")).day == 31


@pytest.mark.parametrize(
    ("per", "moment", "start", "end"),
    [
        ("month", "2028-02-29T12:00:00", "2028-02-01", "2028-03-01"),
        ("month", "2026-12-31T23:59:59", "2026-12-01", "2027-01-01"),
        ("month", "2027-01-31T00:00:00", "2027-01-01", "2027-02-01"),
        ("day", "2028-02-29T00:00:00", "2028-02-29", "2028-03-01"),
        ("week", "2026-11-21T10:00:00", "2026-11-16", "2026-11-23"),
        ("week", "2027-01-01T10:00:00", "2026-12-28", "2027-01-04"),
        ("hour", "2026-11-21T10:59:59", "2026-11-21T10:00:00", "2026-11-21T11:00:00"),
        ("minute", "2026-11-21T10:59:59", "2026-11-21T10:59:00", "2026-11-21T11:00:00"),
    ],
)
def test_windows_follow_the_calendar(per, moment, start, end):
    """Month ends, leap days, ISO weeks across a year."""
    assert window(per, "UTC", utc(moment)) == Window(utc(start), utc(end))


def test_total_never_ends():
    """One window for all time."""
    assert window("total", "UTC", 5) == Window(0, NEVER)


def test_remembered_windows_are_dropped_when_they_end():
    """The memory answers as the calendar does, on both sides of midnight and back again."""
    windows = Windows()
    midnight = utc("2026-11-22")
    for moment in (midnight - 1, midnight - 0.1, midnight, midnight + 1, midnight - 1):
        assert windows.at("day", "UTC", moment) == window("day", "UTC", moment)
