"""Counts by hour, latencies and decisions as the page shows them: whole numbers stay whole, the many become few."""

from proxy.console import tallies
from proxy.nouns import Reason
from proxy.store.rollups import SpendLine
from tests.metrics.rows import row


def line(model="gpt-4.1-mini", task="chat", key="web", **counts):
    return SpendLine(key=key, team="search", model=model, task=task, counts=counts)


def test_every_hour_has_its_place_in_every_series():
    """A model that was quiet for an hour has a zero there, so that bars stand over their hours."""
    hours = {7: [line(requests=2, cost=30)], 8: [], 9: [line("o4-mini", requests=5, errors=1)]}
    assert tallies.by_name(hours, "model") == [
        {"name": "o4-mini", "requests": [0, 0, 5], "errors": [0, 0, 1], "cost": [0, 0, 0]},
        {"name": "gpt-4.1-mini", "requests": [2, 0, 0], "errors": [0, 0, 0], "cost": [30, 0, 0]},
    ]


def test_the_many_share_one_series_and_nothing_is_lost():
    """Forty models make eight series whose sum is the sum of all."""
    hours = {1: [line(f"model-{n}", requests=n, cost=n * 10) for n in range(1, 41)]}
    series = tallies.by_name(hours, "model")
    assert [each["name"] for each in series][-1] == "other" and len(series) == 8
    assert (
        sum(each["requests"][0] for each in series) == sum(range(1, 41)) == tallies.totals(hours)["requests"]
    )


def test_who_asks_for_an_ended_model_counts_as_its_caller():
    """The ledger's hours know who answered; the newest rows know what was asked for. Neither is counted twice."""
    hours = {1: [line("gpt-6.1-terra", requests=9)]}
    found = tallies.callers(hours, [("o4-mini", "web"), ("o4-mini", "web"), ("gpt-6.1-terra", "web")])
    assert found == {"gpt-6.1-terra": {"web": 9}, "o4-mini": {"web": 2}}


def test_latency_is_of_answers_and_not_of_refusals():
    """What was refused took no time at a provider; it would make the provider look fast."""
    rows = [
        row(at=200.0, duration_ms=900.0),
        row(at=150.0, status=503, duration_ms=1.0),
        row(at=100.0, duration_ms=300.0),
    ]
    found = tallies.latencies(rows)
    assert (found["count"], found["since"]) == (2, 100.0)
    assert found["models"][0]["p50_ms"] == 900.0
    assert [point["p50_ms"] for point in found["points"]] == [300.0, 900.0]
    assert tallies.latencies([])["points"] == []


def test_every_reason_is_told_in_words():
    """A new reason without a sentence would leave the operator with a code."""
    for reason in Reason:
        assert tallies.decisions([row(reason=reason.value)])[0]["why"]


def test_a_refusal_says_that_no_model_was_chosen():
    """Its reason is empty; the page does not make one up."""
    shown = tallies.decisions([row(served="", provider="", reason="", status=401, finish="refused")])[0]
    assert shown["why"] == "It was refused before a model was chosen."


def test_a_request_refused_for_money_was_served_by_nobody():
    """The model it was meant for is in the sentence, not where the model that answered stands."""
    shown = tallies.decisions([row(reason="task", status=429, finish="refused")])[0]
    assert shown["served"] == "" and shown["why"] == "It was refused before it was sent to gpt-4.1-mini."
