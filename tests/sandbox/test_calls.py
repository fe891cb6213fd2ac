"""The call log: records, ring, totals."""

from proxy.sandbox.billing import Bill
from proxy.sandbox.calls import CallLog, CallRecord


def record(number, **fields):
    return CallRecord(number, f"req_{number}", 0.0, "POST", "/v1/responses", "", {}, b"\xff", "k", **fields)


def test_a_body_that_is_no_json_is_shown_as_text():
    """Undecodable bytes replaced."""
    shown = record(1).told()
    assert shown["body"] == "\ufffd"
    assert shown["billed"] is False


def test_totals_count_each_call_once_when_it_ends():
    """By outcome and status, money only when billed."""
    log = CallLog(5)
    first, second = (
        record(1, outcome="answered", status=200, bill=Bill(prompt=3, output=4), cost_nano=9),
        record(2),
    )
    for item in (first, second):
        log.open(item)
    log.close(first)
    assert log.told_totals()["open"] == 1
    assert (log.totals["cost_nano"], log.totals["billed_calls"]) == (9, 1)
    second.outcome, second.client_closed = "client_closed", True
    log.close(second)
    assert (log.totals["open"], log.totals["early_closed"], log.totals["billed_calls"]) == (0, 1, 1)


def test_clearing_keeps_count_of_what_still_runs():
    """Or it would go below zero."""
    log = CallLog(5)
    item = record(1)
    log.open(item)
    log.clear()
    log.close(item)
    assert (log.totals["open"], item.outcome) == (0, "aborted")
    assert log.records() == []
