"""Where a migration stands: one table, versions that only rise, and what is refused says what can be done."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.migration.state import Event, Refused, State, Status, at_last_stage, moved, percent

FRESH = State("leave", "old", "new", (1, 25, 100))
E, S = Event, Status


def walk(*events, state=FRESH, at=100.0):
    for i, event in enumerate(events):
        state = moved(state, event, now=at + i, who="ann", why=f"step {i}")
    return state


@pytest.mark.parametrize(
    ("events", "status", "share"),
    [
        ([], S.WAITING, 0),
        ([E.START], S.RUNNING, 1),
        ([E.START, E.PROMOTE], S.RUNNING, 25),
        ([E.START, E.PROMOTE, E.PAUSE], S.PAUSED, 25),
        ([E.START, E.PROMOTE, E.PAUSE, E.RESUME, E.PROMOTE], S.RUNNING, 100),
        ([E.START, E.PROMOTE, E.PROMOTE, E.PROMOTE], S.FINISHED, 100),
        ([E.START, E.PROMOTE, E.ROLLBACK], S.ROLLED_BACK, 0),
        ([E.START, E.PROMOTE, E.ROLLBACK, E.START], S.RUNNING, 1),
        ([E.START, E.PAUSE, E.ROLLBACK], S.ROLLED_BACK, 0),
        ([E.DEADLINE], S.FINISHED, 100),
        ([E.START, E.ROLLBACK, E.DEADLINE], S.FINISHED, 100),
        ([E.START, E.PAUSE, E.DEADLINE], S.FINISHED, 100),
        ([E.DEADLINE, E.ROLLBACK], S.ROLLED_BACK, 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_each_way_ends_where_the_table_says(events, status, share):
    """Status and share after each way through the table."""
    after = walk(*events)
    assert (after.status, percent(after)) == (status, share)


@pytest.mark.parametrize(
    ("events", "event", "says"),
    [
        ([], E.PROMOTE, "leave is waiting, so it cannot promote; it can: start"),
        ([], E.ROLLBACK, "leave is waiting, so it cannot rollback; it can: start"),
        ([E.START], E.START, "leave is running, so it cannot start; it can: promote, pause, rollback"),
        ([E.START, E.PAUSE], E.PROMOTE, "leave is paused, so it cannot promote; it can: resume, rollback"),
        ([E.START, E.ROLLBACK], E.RESUME, "leave is rolled back, so it cannot resume; it can: start"),
        ([E.DEADLINE], E.START, "leave is finished, so it cannot start; it can: rollback"),
    ],
)
def test_what_is_not_in_the_table_is_refused_with_what_can_be_done(events, event, says):
    """Stages out of order, twice the same, things after the end."""
    with pytest.raises(Refused) as refused:
        walk(event, state=walk(*events))
    assert str(refused.value) == says


def test_what_is_measured_belongs_to_a_share_and_not_to_an_event():
    """Pausing and resuming keep the version and the time of the share; every change of it begins anew."""
    running = walk(E.START, E.PROMOTE)
    assert (running.share_version, running.share_before, running.since) == (2, 1, 101.0)
    resumed = walk(E.PAUSE, E.RESUME, state=running, at=500.0)
    assert (resumed.version, resumed.share_version, resumed.share_before, resumed.since) == (4, 2, 1, 101.0)
    back = walk(E.ROLLBACK, state=resumed, at=600.0)
    assert (back.share_version, back.share_before, back.since) == (5, 25, 600.0)
    assert (back.started, back.who, back.why, back.changed) == (100.0, "ann", "step 0", 600.0)


def test_a_start_begins_anew_even_with_the_share_it_had():
    """A single stage of 100 %, rolled back and started again: the first stage, with a time and a version of its own."""
    state = replace(FRESH, stages=(100,))
    again = walk(E.START, E.ROLLBACK, E.START, state=state)
    assert (percent(again), again.share_version, again.since, at_last_stage(again)) == (100, 3, 102.0, True)


@given(st.lists(st.sampled_from(list(Event)), max_size=30))
def test_whatever_happens_versions_rise_by_one_and_shares_are_stages(events):
    """Any sequence: what is refused changes nothing, what is not raises the version by one; the share is 0, a stage or 100."""
    state = FRESH
    for event in events:
        try:
            after = moved(state, event, now=1.0, who="", why="")
        except Refused:
            continue
        assert after.version == state.version + 1
        assert after.share_version <= after.version
        assert percent(after) in {0, 1, 25, 100}
        assert percent(after) == percent(state) or after.share_version == after.version
        state = after
