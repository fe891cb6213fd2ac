"""Which way a request goes: pins and exclusions first, then its tool loop, then its bucket."""

from dataclasses import dataclass, replace

import pytest

from proxy.migration.assignment import bucket, key_unit, talk_unit, user_unit
from proxy.migration.roads import LOOP_S, Road, Traveller, newest, state_for
from proxy.migration.state import Event, State, Status, moved, percent

STATE = State("leave", "old-model", "new-model@low", (10, 60, 100))


def at(*events, state=STATE, now=1000.0):
    for event in events:
        state = moved(state, event, now=now, who="", why="")
    return state


RUNNING = at(Event.START, Event.PROMOTE)


def road(state=RUNNING, sticky="user", pins=None, exclude=()):
    return Road("leave", "", "new-model", "low", sticky, pins or {}, frozenset(exclude), state)


def traveller(user="", key="web", opening=b"hello", begun=None):
    return Traveller(key, key, user, lambda: opening, begun or {})


def user_in(low, high):
    """A user whose bucket is in [low, high) percent."""
    names = (f"u{i}" for i in range(100_000))
    return next(n for n in names if low * 100 <= bucket("leave", user_unit("web", n)) < high * 100)


EARLY, MIDDLE, LATE = user_in(0, 10), user_in(10, 60), user_in(60, 100)


def test_the_bucket_decides_and_what_it_decided_is_measured():
    """At 60 %: the first two users are new, the last is old; each says why and belongs to the share's version."""
    forks = {name: road().fork(traveller(name)) for name in (EARLY, MIDDLE, LATE)}
    assert [fork.side for fork in forks.values()] == ["new", "new", "old"]
    arm = forks[MIDDLE].arm
    assert (arm.migration, arm.side, arm.version) == ("leave", "new", RUNNING.share_version)
    assert arm.unit == user_unit("web", MIDDLE)
    assert "of 100, of which 60 are on the new model" in forks[LATE].why


@pytest.mark.parametrize(
    ("sticky", "user", "opening", "unit"),
    [
        ("user", "bob", b"hello", user_unit("web", "bob")),
        ("user", "", b"hello", talk_unit("web", b"hello")),
        ("user", "", b"", key_unit("web")),
        ("conversation", "bob", b"hello", talk_unit("web", b"hello")),
        ("conversation", "bob", b"", key_unit("web")),
        ("key", "bob", b"hello", key_unit("web")),
    ],
)
def test_who_stays_on_a_side_is_a_user_else_a_conversation_else_a_key(sticky, user, opening, unit):
    """Whatever the request does not say falls back to what is coarser, never to chance."""
    assert road(sticky=sticky).unit(traveller(user, opening=opening)) == unit


def test_pinned_and_excluded_keys_go_where_that_says_and_are_not_measured():
    """Nobody drew their side by lot, so they are no part of the comparison."""
    told = road(pins={"web": "from", "bot": "to"}, exclude=["batch"])
    assert (told.fork(traveller(EARLY)).side, told.fork(traveller(EARLY)).arm) == ("old", None)
    assert (told.fork(traveller(LATE, "bot")).side, told.fork(traveller(LATE, "bot")).arm) == ("new", None)
    assert (told.fork(traveller(EARLY, "batch")).side, told.fork(traveller(EARLY, "batch")).arm) == (
        "old",
        None,
    )


def test_before_the_start_all_are_old_and_measured_and_at_the_end_all_are_new_and_not():
    """What is measured while it waits is the baseline; once it is finished there is nobody to compare with."""
    waiting, finished = road(STATE).fork(traveller(EARLY)), road(at(Event.DEADLINE)).fork(traveller(LATE))
    assert (waiting.side, waiting.arm.side) == ("old", "old")
    assert (finished.side, finished.arm) == ("new", None)


def test_after_a_rollback_nobody_is_on_the_new_model_pinned_or_not():
    """A pin to a model that was found wanting would keep its key there."""
    back = at(Event.ROLLBACK, state=RUNNING)
    fork = road(back, pins={"web": "to"}).fork(traveller(EARLY))
    assert (fork.side, fork.arm) == ("old", None)
    assert road(back).is_open(1000.0 + LOOP_S - 1)
    assert not road(back).is_open(1000.0 + LOOP_S)


def test_only_units_that_the_last_change_moved_can_have_a_loop_elsewhere():
    """10 → 60 % moved the middle one; for an hour its loops may be on the old side; nobody else is asked about."""
    assert road().unsettled(traveller(MIDDLE), 1001.0) == "old"
    assert road().unsettled(traveller(MIDDLE), 1000.0 + LOOP_S) is None
    assert road().unsettled(traveller(EARLY), 1001.0) is None
    assert road().unsettled(traveller(LATE), 1001.0) is None
    assert road(exclude=["web"]).unsettled(traveller(MIDDLE), 1001.0) is None
    back = at(Event.ROLLBACK, state=RUNNING, now=2000.0)
    assert road(back).unsettled(traveller(EARLY), 2001.0) == "new"


def test_a_loop_ends_on_the_side_it_began_on_and_is_not_measured_there():
    """It says nothing of the side its unit is on now."""
    fork = road().fork(traveller(MIDDLE, begun={"leave": "old"}))
    assert (fork.side, fork.arm) == ("old", None)
    assert "tool loop" in fork.why
    same = road().fork(traveller(MIDDLE, begun={"leave": "new"}))
    assert (same.side, same.arm.side) == ("new", "new")


@dataclass
class Written:
    """A migration as settings spell it."""

    name = "leave"
    source = "old-model"
    target = "new-model@low"
    stages = (5, 100)


def test_a_name_that_now_leads_elsewhere_waits_again_with_a_later_version():
    """An edited `to:` must not inherit the share of the old target; its start is later than all that was."""
    other = Written()
    other.target = "third-model"
    state = state_for(other, {"leave": RUNNING})
    assert (state.status, percent(state), state.target) == (Status.WAITING, 0, "third-model")
    assert moved(state, Event.START, now=1.0, who="", why="").version == RUNNING.version + 1


def test_edited_stages_count_from_the_next_start():
    """A stage under way keeps the stages it was started with."""
    assert state_for(Written(), {"leave": RUNNING}) == RUNNING
    back = at(Event.ROLLBACK, state=RUNNING)
    again = moved(state_for(Written(), {"leave": back}), Event.START, now=1.0, who="", why="")
    assert (percent(again), again.version) == (5, back.version + 1)
    assert percent(state_for(Written(), {})) == 0


def test_of_two_copies_the_later_stands_whoever_has_it():
    """By version alone; what only one of them has is kept."""
    early, late = at(Event.START), RUNNING
    only = replace(STATE, name="other", version=1)
    assert newest({"leave": early, "other": only}, {"leave": late}) == {"leave": late, "other": only}
    assert newest({"leave": late}, {"leave": early}) == {"leave": late}
