"""Who is on which side: the share of users is the share asked for, nobody flaps, and a growing share only adds."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from proxy.migration.assignment import BUCKETS, bucket, key_unit, side_of, talk_unit, user_unit

USERS = [f"user-{i}" for i in range(10_000)]


def new_ones(percent, migration="leave-4.1-mini"):
    units = {user: user_unit("web", user) for user in USERS}
    return {user for user, unit in units.items() if side_of(bucket(migration, unit), percent) == "new"}


def test_ten_thousand_users_move_by_the_share_and_nobody_flaps():
    """0 → 1 → 10 → 100 %: at each stage the share of users is within one point, each stage contains the one before, and a
    rollback leaves nobody."""
    stages = {percent: new_ones(percent) for percent in (0, 1, 10, 100, 0)}
    for percent, moved in stages.items():
        assert abs(len(moved) / len(USERS) * 100 - percent) <= 1
    for before, after in itertools.pairwise((0, 1, 10, 100)):
        assert stages[before] < stages[after], "whoever was moved stays moved"
    assert stages[0] == set()
    assert stages[100] == set(USERS)


def test_each_migration_deals_anew():
    """The first to move in one migration are not the first in the next: of 10 % about a tenth are in both."""
    one, other = new_ones(10, "one"), new_ones(10, "other")
    assert 50 < len(one & other) < 200


def test_a_unit_names_nobody_and_is_its_keys_own():
    """The same user under two keys is two units; a user, a conversation and a key never share one; no name shows."""
    units = [
        user_unit("a", "bob"),
        user_unit("b", "bob"),
        talk_unit("a", b"bob"),
        key_unit("a"),
        key_unit("b"),
    ]
    assert len(set(units)) == len(units)
    assert all("bob" not in unit and len(unit) == 20 for unit in units)


@given(st.text(max_size=40), st.integers(0, 100), st.integers(0, 100))
def test_a_larger_share_never_takes_anybody_back(user, one, other):
    """For any user and any two shares."""
    at = bucket("m", user_unit("k", user))
    assert 0 <= at < BUCKETS
    if side_of(at, min(one, other)) == "new":
        assert side_of(at, max(one, other)) == "new"
