"""First-token times: live figures over priors, one outlier says little, and who has recovered comes back."""

from proxy.routing.pace import ENOUGH, KEPT, PROBE_EVERY_S, TOO_OLD_S, Pace

WAY = ("openai", "m", "none")


def noted(*seconds, at=1000.0):
    pace = Pace()
    for each in seconds:
        pace.note(WAY, each, at)
    return pace


def test_without_live_figures_the_prior_counts():
    """A model nobody has called yet is as fast as the catalogue says."""
    assert Pace().first_token_s(WAY, 4.0, 1000.0) == 4.0


def test_a_few_times_can_only_better_the_prior():
    """One slow answer of a model thought quick proves nothing; one quick answer of a model thought slow is believed."""
    assert noted(30.0).first_token_s(WAY, 1.0, 1000.0) == 1.0
    assert noted(0.5).first_token_s(WAY, 22.0, 1000.0) == 0.5


def test_enough_live_times_replace_the_prior_in_both_directions():
    """From five on the measured 95 % count, and a single outlier among them does not."""
    assert noted(*[9.0] * ENOUGH).first_token_s(WAY, 1.0, 1000.0) == 9.0
    assert noted(*[1.0] * ENOUGH).first_token_s(WAY, 22.0, 1000.0) == 1.0
    assert noted(*[1.0] * 19, 60.0).first_token_s(WAY, 1.0, 1000.0) == 1.0


def test_old_times_are_forgotten():
    """After ten minutes without traffic the prior counts again, and the memory of one way is bounded."""
    pace = noted(*[9.0] * (2 * KEPT))
    assert pace.first_token_s(WAY, 1.0, 1000.0 + TOO_OLD_S) == 9.0
    assert pace.first_token_s(WAY, 1.0, 1001.0 + TOO_OLD_S) == 1.0


def test_a_clock_that_is_set_back_keeps_no_times_of_the_future():
    """They would count for as long as it was set back by."""
    pace = noted(*[9.0] * ENOUGH)
    pace.note(WAY, 0.5, 1000.0 - 3600.0)
    assert pace.first_token_s(WAY, 1.0, 1000.0 - 3600.0) == 0.5


def test_a_slow_model_is_due_a_minute_after_it_was_put_last():
    """Not at once, then once a minute."""
    pace = noted(*[9.0] * ENOUGH)
    assert not pace.due(WAY, 1000.0)
    pace.put_last(WAY, 1000.0)
    pace.put_last(WAY, 1030.0)
    assert not pace.due(WAY, 1000.0 + PROBE_EVERY_S - 1)
    assert pace.due(WAY, 1000.0 + PROBE_EVERY_S)
    pace.probe(WAY, 8.0, 1060.0)
    assert not pace.due(WAY, 1061.0)


def test_a_quick_probe_brings_a_model_back_and_a_slow_one_does_not():
    """What was slow before the probe is forgotten only when the probe kept to the limit."""
    for probe_s, expected in ((2.0, 2.0), (9.5, 9.0)):
        pace = noted(*[9.0] * 20)
        pace.put_last(WAY, 1000.0)
        pace.probe(WAY, 8.0, 1060.0)
        pace.note(WAY, probe_s, 1062.0)
        assert pace.first_token_s(WAY, 4.0, 1062.0) == expected


def test_callers_cannot_fill_the_memory():
    """An effort is the caller's word: ten thousand of them leave a bounded number of records."""
    pace = Pace()
    for number in range(10_000):
        pace.note(("openai", "m", str(number)), 1.0, 1000.0)
    assert len(pace._records) <= 1024
