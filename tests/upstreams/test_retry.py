"""The retry table: what a failure allows next, row by row, and how much of it there may be."""

import pytest

from proxy.upstreams.retry import MAX_WAIT_S, Advice, Failure, RetryAllowance, back_off_s, classify, judge

YES_YES, NO_YES, NO_NO = (
    Advice(same=True, next=True),
    Advice(same=False, next=True),
    Advice(same=False, next=False),
)


@pytest.mark.parametrize(
    ("status", "code", "failure"),
    [
        (408, "", Failure.OVERLOADED), (409, "", Failure.OVERLOADED), (500, "", Failure.OVERLOADED), (502, "", Failure.OVERLOADED),
        (503, "overloaded", Failure.OVERLOADED), (504, "", Failure.OVERLOADED), (529, "", Failure.OVERLOADED), (599, "", Failure.OVERLOADED),
        (429, "rate_limit_exceeded", Failure.RATE_LIMITED), (429, "", Failure.RATE_LIMITED), (429, "insufficient_quota", Failure.OUR_KEY),
        (401, "invalid_api_key", Failure.OUR_KEY), (401, "", Failure.OUR_KEY),
        (403, "unsupported_country_region_territory", Failure.OUR_KEY),
        (404, "model_not_found", Failure.MODEL_GONE), (404, "", Failure.CALLER),
        (400, "context_length_exceeded", Failure.CALLER), (413, "", Failure.CALLER), (415, "", Failure.CALLER), (422, "", Failure.CALLER),
    ],
)  # fmt: skip
def test_a_status_stands_for_a_failure(status, code, failure):
    """As the table of the design lists them."""
    assert classify(status, code) is failure


@pytest.mark.parametrize(
    ("failure", "advice"),
    [
        (Failure.UNREACHABLE, YES_YES), (Failure.OVERLOADED, YES_YES), (Failure.OUR_KEY, NO_YES), (Failure.MODEL_GONE, NO_YES),
        (Failure.CALLER, NO_NO), (Failure.TIMEOUT, NO_NO), (Failure.RATE_LIMITED, NO_YES), (Failure.UNREADABLE, NO_YES),
    ],
)  # fmt: skip
def test_every_failure_has_its_row(failure, advice):
    """Without a retry-after, and with a route that fails on timeouts."""
    assert judge(failure, retry_after_s=None, next_on_timeout=False) == advice


@pytest.mark.parametrize(
    ("wait_s", "same"),
    [(0.0, True), (0.02, True), (MAX_WAIT_S, True), (MAX_WAIT_S + 0.001, False), (60.0, False)],
)
def test_a_rate_limit_is_waited_for_when_it_is_short(wait_s, same):
    """Longer waits are the next candidate's, or the caller's."""
    assert judge(Failure.RATE_LIMITED, retry_after_s=wait_s, next_on_timeout=False) == Advice(
        same=same, next=True
    )


@pytest.mark.parametrize("wait_s", [MAX_WAIT_S + 1, 60.0, float("inf")])
def test_nobody_waits_long_for_an_overloaded_provider(wait_s):
    """A 503 that asks for a minute is the next candidate's matter, or the caller's."""
    assert judge(Failure.OVERLOADED, retry_after_s=wait_s, next_on_timeout=False) == NO_YES


def test_a_timeout_goes_on_only_where_the_route_says_so():
    """The silent candidate may be working for money; it is never asked twice."""
    assert judge(Failure.TIMEOUT, retry_after_s=None, next_on_timeout=True) == NO_YES


def test_retries_stay_a_tenth_of_traffic():
    """After what was saved up is spent, ten requests buy one retry, however many fail."""
    allowance = RetryAllowance()
    spent = 0
    for _ in range(1000):
        allowance.earn()
        spent += allowance.spend()
    assert spent <= 1000 * RetryAllowance.SHARE + RetryAllowance.MOST_SAVED
    assert spent >= 1000 * RetryAllowance.SHARE


def test_saved_retries_are_bounded():
    """A quiet night does not buy a storm in the morning."""
    allowance = RetryAllowance()
    for _ in range(10_000):
        allowance.earn()
    assert sum(allowance.spend() for _ in range(100)) == RetryAllowance.MOST_SAVED


def test_back_off_is_what_upstream_asks_or_a_short_random_wait():
    """So that clients of one outage do not come back together."""
    assert back_off_s(0.5, 1.5) == 1.5
    assert back_off_s(0.0, None) == 0.2
    assert back_off_s(0.999, None) < 0.4
