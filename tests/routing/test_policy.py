"""The order of candidates: money drops, preference sorts, slowness puts last; an unsure verdict goes by its side."""

import pytest

from proxy.nouns import Candidate, Reason
from proxy.routing.classifier import Verdict
from proxy.routing.policy import VISIBLE_TOKENS, Runner, Wishes, expected_output, lane, rank


def runner(model, **figures):
    return Runner(Candidate(model=model, provider="openai", reason=Reason.TASK), **figures)


def order(ranking):
    return [each.candidate.model for each in ranking.kept]


def test_without_wishes_the_written_order_stands():
    """`balanced` is the operator's order, whatever the figures say."""
    runners = [runner("dear", expected_nano=9, first_token_s=30), runner("cheap", expected_nano=1)]
    assert order(rank(runners, Wishes())) == ["dear", "cheap"]


def test_cheapest_sorts_by_expected_cost_and_trusts_no_missing_price():
    """A candidate whose price is not known comes behind all that have one; equals keep their order."""
    runners = [
        runner("unknown"),
        runner("b", expected_nano=5),
        runner("c", expected_nano=5),
        runner("a", expected_nano=1),
    ]
    assert order(rank(runners, Wishes(prefer="cheapest"))) == ["a", "b", "c", "unknown"]


def test_what_may_cost_more_than_the_cap_is_dropped_with_both_figures():
    """The reason names what it may cost and the cap; nobody is left out without one."""
    runners = [runner("dear", most_nano=60_000_000), runner("fits", most_nano=50_000_000), runner("endless")]
    ranking = rank(runners, Wishes(max_cost_nano=50_000_000))
    assert order(ranking) == ["fits"]
    assert [why for _, why in ranking.dropped] == [
        "it may cost 0.06 USD, more than 0.05",
        "nothing bounds what it may cost",
    ]


def test_late_candidates_go_behind_the_others_but_never_out():
    """A slow answer beats none; among the late ones the written order stands."""
    runners = [
        runner("slow", first_token_s=9),
        runner("quick", first_token_s=1),
        runner("slower", first_token_s=20),
    ]
    ranking = rank(runners, Wishes(max_first_token_s=8))
    assert order(ranking) == ["quick", "slow", "slower"]
    assert [each.candidate.model for each in ranking.late] == ["slow", "slower"]


def test_when_everybody_is_late_nobody_is_put_last():
    """Without a quicker one there is nothing to be behind of, so the first keeps its turn and needs no probe."""
    ranking = rank([runner("a", first_token_s=9), runner("b", first_token_s=10)], Wishes(max_first_token_s=8))
    assert order(ranking) == ["a", "b"]
    assert ranking.late == ()


def test_a_probe_keeps_its_turn():
    """Once a minute a slow one is tried where the operator wrote it."""
    runners = [runner("slow", first_token_s=9, probe=True), runner("quick", first_token_s=1)]
    assert order(rank(runners, Wishes(max_first_token_s=8))) == ["slow", "quick"]


@pytest.mark.parametrize(
    ("task", "p_reasoning", "unsure", "expected"),
    [
        ("math", 0.9, False, "math"),
        ("math", 0.1, False, "math"),
        ("math", 0.9, True, "math"),
        ("math", 0.3, True, ""),
        ("chat", 0.3, True, "chat"),
        ("chat", 0.6, True, "reasoning"),
    ],
)
def test_an_unsure_verdict_goes_by_its_side(task, p_reasoning, unsure, expected):
    """A sure verdict is taken at its word. An unsure one whose task lies on the other side than P(reasoning) says is
    served by that side, and the reason is told."""
    served, why = lane(Verdict(task, 0.3, p_reasoning, "medium", unsure))
    assert served == expected
    assert bool(why) == (served != task)


def test_hidden_thoughts_are_expected_within_the_callers_cap():
    """More effort means more tokens; a cap bounds thoughts and answer together."""
    assert expected_output("none", None) == VISIBLE_TOKENS
    assert expected_output("medium", None) == 4 * VISIBLE_TOKENS
    assert expected_output("high", 700) == 700
    assert expected_output("something new", None) == expected_output("medium", None)
