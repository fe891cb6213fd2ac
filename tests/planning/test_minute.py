"""The memo of one minute forgets when the minute is over, when it is full, and when the clock is set back."""

from proxy.planning.minute import Minute


def test_what_was_kept_is_found_until_the_minute_is_over():
    """Minutes are those of the clock, not sixty seconds from the first question."""
    memo = Minute()
    assert memo.keep("model", 1, 119.0) == 1
    assert memo.get("model", 60.0) == 1
    assert memo.get("model", 120.0) is None


def test_a_clock_that_is_set_back_finds_nothing():
    """What holds in one minute need not hold in an earlier one."""
    memo = Minute()
    memo.keep("model", 1, 120.0)
    assert memo.get("model", 119.0) is None


def test_an_entry_of_another_minute_ends_all_before_it():
    """There is one minute at a time."""
    memo = Minute()
    memo.keep("old", 1, 0.0)
    memo.keep("new", 2, 60.0)
    assert memo.get("old", 60.0) is None
    assert memo.get("new", 60.0) == 2


def test_it_never_holds_more_than_it_may():
    """A full memo starts again, so that nobody fills the memory with names."""
    memo = Minute(most=2)
    for name in "abc":
        memo.keep(name, 1, 0.0)
    assert [name for name in "abc" if memo.get(name, 0.0)] == ["c"]
