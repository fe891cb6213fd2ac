"""404 model_not_found: gone, or only not for this key."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.models.missing import UNSUSPECTED, Event, State, Verdict, is_gone, step


def play(*events):
    """Run (event, now, credential, passthrough) through the machine; the last sighting and all verdicts."""
    sighting, verdicts = UNSUSPECTED, []
    for event, now_s, credential, passthrough in events:
        sighting, verdict = step(sighting, event, now_s, credential, passthrough=passthrough)
        verdicts.append(verdict)
    return sighting, verdicts


NOT_FOUND, LISTED, UNLISTED = Event.NOT_FOUND, Event.LISTED, Event.UNLISTED


def test_a_404_is_checked_with_the_same_credential_before_it_counts():
    """The fresh list lacks the model: that same request goes to the successor."""
    sighting, verdicts = play((NOT_FOUND, 0, "a", False), (UNLISTED, 1, "a", False))
    assert verdicts == [Verdict.CHECK, Verdict.SUCCEED]
    assert is_gone(sighting, 1)


def test_a_listed_model_lives_and_its_404_was_about_the_key():
    """The caller gets the provider's own 404."""
    sighting, verdicts = play((NOT_FOUND, 0, "a", False), (LISTED, 1, "a", False))
    assert verdicts == [Verdict.CHECK, Verdict.FORWARD]
    assert sighting.state is State.ALIVE


def test_a_key_without_access_does_not_make_us_poll_for_every_request():
    """After a check the next 404s are passed on for a while."""
    _, verdicts = play(
        (NOT_FOUND, 0, "a", False),
        (LISTED, 1, "a", False),
        (NOT_FOUND, 2, "a", False),
        (NOT_FOUND, 60, "a", False),
    )
    assert verdicts[2:] == [Verdict.FORWARD, Verdict.CHECK]


def test_two_credentials_are_enough():
    """Two of ours, or one of ours and a caller's."""
    assert play((NOT_FOUND, 0, "a", False), (NOT_FOUND, 1, "b", False))[1][-1] is Verdict.SUCCEED
    assert play((NOT_FOUND, 0, "g", True), (NOT_FOUND, 1, "a", False))[1][-1] is Verdict.SUCCEED


def test_a_callers_own_key_proves_nothing_alone():
    """Whoever lacks access to a model must not move everybody else's traffic, however many keys they hold."""
    sighting, verdicts = play(*[(NOT_FOUND, i, f"g{i}", True) for i in range(5)], (UNLISTED, 6, "g1", True))
    assert set(verdicts) == {Verdict.FORWARD}
    assert not is_gone(sighting, 6)


def test_the_list_of_another_credential_proves_nothing():
    """Keys see different models."""
    assert play((NOT_FOUND, 0, "a", False), (UNLISTED, 1, "b", False))[1][-1] is Verdict.FORWARD


def test_gone_is_forgotten_when_listed_again_and_after_five_minutes():
    """No restart is needed to get a model back."""
    gone = ((NOT_FOUND, 0, "a", False), (UNLISTED, 1, "a", False))
    assert play(*gone, (LISTED, 2, "z", False))[0].state is State.ALIVE
    sighting, _ = play(*gone)
    assert is_gone(sighting, 300.9)
    assert not is_gone(sighting, 301)
    assert step(sighting, NOT_FOUND, 302, "a")[1] is Verdict.CHECK


def test_a_gone_model_is_not_hammered():
    """Requests that were on their way go to the successor without another check."""
    _, verdicts = play(
        (NOT_FOUND, 0, "a", False),
        (UNLISTED, 1, "a", False),
        (NOT_FOUND, 2, "a", False),
        (UNLISTED, 3, "c", False),
    )
    assert verdicts[2:] == [Verdict.SUCCEED, Verdict.SUCCEED]


@given(
    st.lists(
        st.tuples(st.sampled_from(Event), st.floats(0, 1e4), st.sampled_from("ab"), st.booleans()),
        max_size=20,
    )
)
def test_nothing_is_gone_without_one_of_our_own_credentials(events):
    """Whatever happens in whatever order."""
    sighting, _ = play(*sorted(events, key=lambda event: event[1]))
    if sighting.state is State.GONE:
        assert sighting.own
