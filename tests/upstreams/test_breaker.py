"""The breaker's table, row by row, and how it orders candidates."""

from proxy.nouns import Candidate, Reason
from proxy.upstreams.breaker import FAILURES_IN_A_ROW, OPEN_S, WELL, Breakers, State, asked, failed, succeeded
from proxy.upstreams.retry import Failure

FIRST = Candidate("m", "first", Reason.PINNED)
SECOND = Candidate("m", "second", Reason.PINNED)


def broken(now_s=0.0):
    breaker = WELL
    for _ in range(FAILURES_IN_A_ROW):
        breaker = failed(breaker, now_s)
    return breaker


def ill(provider=FIRST, now_s=0.0):
    breakers = Breakers()
    for _ in range(FAILURES_IN_A_ROW):
        breakers.note(provider, Failure.OVERLOADED, now_s)
    return breakers


def test_four_failures_leave_it_closed_and_the_fifth_opens_it():
    """Only failures in a row count; one success starts anew."""
    breaker = WELL
    for _ in range(FAILURES_IN_A_ROW - 1):
        breaker = failed(breaker, 0)
    assert breaker.state is State.CLOSED
    assert failed(breaker, 0).state is State.OPEN
    assert failed(succeeded(breaker, 0), 0).failures == 1


def test_watchers_see_an_open_one_as_half_open_once_its_pause_is_over():
    """Whether or not anybody asks; after the next failure it is open again, and after a success it is not there."""
    breakers = ill()
    assert breakers.unwell(OPEN_S - 0.1) == [("first", "m", State.OPEN)]
    assert breakers.unwell(OPEN_S) == [("first", "m", State.HALF_OPEN)]
    breakers.note(FIRST, Failure.OVERLOADED, OPEN_S + 1)
    assert breakers.unwell(OPEN_S + 2) == [("first", "m", State.OPEN)]
    breakers.note(FIRST, None, OPEN_S + 3)
    assert breakers.unwell(OPEN_S + 3) == []


def test_after_the_pause_one_request_probes():
    """Of two requests after 30 s the first may come first, the second may not until the probe has said something."""
    breaker, may = asked(broken(), OPEN_S - 0.1)
    assert not may
    breaker, may = asked(breaker, OPEN_S)
    assert may
    assert breaker.state is State.HALF_OPEN
    assert not asked(breaker, OPEN_S + 1)[1]
    assert asked(breaker, 2 * OPEN_S)[1]  # the probe's client left: another may try


def test_the_probe_decides():
    """A good probe closes, a bad one opens for another pause."""
    half_open, _ = asked(broken(), OPEN_S)
    assert succeeded(half_open, OPEN_S).state is State.CLOSED
    again = failed(half_open, OPEN_S)
    assert again.state is State.OPEN
    assert again.since_s == OPEN_S


def test_an_open_deployment_is_tried_last_but_never_dropped():
    """With another candidate it comes second; alone it is still asked."""
    breakers = ill()
    assert breakers.in_order([FIRST, SECOND], 1) == [SECOND, FIRST]
    assert breakers.in_order([FIRST], 1) == [FIRST]


def test_the_probe_keeps_its_place_once():
    """After the pause one plan has the deployment first again, the next has not."""
    breakers = ill()
    assert breakers.in_order([FIRST, SECOND], OPEN_S) == [FIRST, SECOND]
    assert breakers.in_order([FIRST, SECOND], OPEN_S) == [SECOND, FIRST]


def test_the_callers_faults_and_our_key_do_not_count():
    """A lone deployment that answers 400, 401 or 404 is not cooled down for everybody."""
    breakers = Breakers()
    for failure in (Failure.CALLER, Failure.OUR_KEY, Failure.MODEL_GONE) * 5:
        assert breakers.note(FIRST, failure, 0) is None
    assert breakers.in_order([FIRST, SECOND], 1) == [FIRST, SECOND]


def test_a_change_of_state_is_told_once():
    """What metrics and the log hear: open at the fifth failure, closed at the first success after it."""
    breakers = Breakers()
    told = [breakers.note(FIRST, Failure.CUT, 0) for _ in range(FAILURES_IN_A_ROW + 1)]
    assert told == [None] * (FAILURES_IN_A_ROW - 1) + [State.OPEN, None]
    assert breakers.note(FIRST, None, 1) is State.CLOSED
    assert breakers.note(FIRST, None, 1) is None
