"""Conversations stay on their model: recomputed from the request alone, priced by the lost prefix, never inside a loop."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.routing.stickiness import Costs, Talk, asking_of, decide, opening_of, talk_of


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


SYSTEM = {"role": "system", "content": "Be brief."}
CALL = {
    "role": "assistant",
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "42"}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"messages": []},
        {"messages": "no list"},
        {"messages": [user("a")]},
        {"messages": [SYSTEM, user("a")]},
        {"messages": [SYSTEM, user("a"), user("b")]},
        {"messages": [SYSTEM, assistant("a")]},
        {"input": "a question"},
        {"input": [{"type": "function_call_output", "call_id": "c", "output": "1"}]},
    ],
)
def test_a_first_question_continues_nothing(fields):
    """Only an answer or a tool's result between questions makes a conversation."""
    assert talk_of(fields) is None


def test_the_opening_is_the_first_turn_as_it_was_sent():
    """Cut off behind the first question, with the same tools and answer form, it is judged as it was judged then."""
    first = {"messages": [SYSTEM, user("a")], "tools": [1], "response_format": {"type": "json_object"}}
    later = {**first, "messages": [*first["messages"], assistant("b"), user("c")], "model": "auto", "seed": 1}
    talk = talk_of(later)
    assert {key: value for key, value in talk.opening.items() if value is not None} == first
    assert talk.asking["messages"] == later["messages"]
    assert not talk.in_tool_loop


@pytest.mark.parametrize("turns", [0, 1])
def test_every_step_of_a_tool_loop_has_the_same_asking(turns):
    """However many calls and results follow, opening, asking and figures stay those of the question: so does the decision."""
    base = [SYSTEM, user("a"), *[assistant("b" * 4000), user("c")] * turns]
    steps = [talk_of({"messages": [*base, *[CALL, RESULT] * count]}) for count in (1, 2, 5)]
    assert all(step.in_tool_loop for step in steps)
    assert len({json.dumps([s.opening, s.asking, s.prefix_tokens, s.question_tokens]) for s in steps}) == 1


def test_responses_items_are_understood_alike():
    """Function calls and their outputs are a tool loop on /v1/responses too."""
    items = [
        user("a"),
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "1"},
    ]
    talk = talk_of({"input": items})
    assert talk.in_tool_loop
    assert talk.opening["input"] == items[:1]


@pytest.mark.parametrize("head", [[], [SYSTEM], [SYSTEM, SYSTEM]], ids=["bare", "system", "two"])
def test_how_a_conversation_began_is_the_same_at_every_turn(head):
    """Whatever stands before the first question, and however it goes on."""
    said, seen = [*head, user("a")], []
    for turn in range(4):
        seen.append(opening_of({"messages": said}))
        said = [*said, *([CALL, RESULT] * turn), assistant("b"), user(f"c{turn}")]
    assert seen == [[*head, user("a")]] * 4


def test_a_bare_text_is_its_users_first_message():
    """So that a client that sends a list from the second turn on is where it was; what is no conversation is taken whole."""
    assert opening_of({"input": "a"}) == opening_of({"input": [user("a"), assistant("b"), user("c")]})
    assert opening_of({"input": ["one", "two"]}) == ["one", "two"]
    assert opening_of({"prompt": "a"}) == []


def test_the_request_that_begins_a_tool_loop_has_the_asking_of_its_steps():
    """By which a step finds what was noted when the loop began."""
    shape = {"tools": [{"type": "function"}], "tool_choice": "auto"}
    first = {**shape, "messages": [SYSTEM, user("a")], "stream": True}
    for steps in (1, 3):
        step = {**shape, "messages": [SYSTEM, user("a"), *[CALL, RESULT] * steps], "temperature": 0}
        assert asking_of(first) == talk_of(step).asking == asking_of(step)


def talk(prefix_tokens=10_000):
    return Talk({}, {}, prefix_tokens, 50, in_tool_loop=False)


def test_moving_must_save_more_than_the_cached_prefix_is_worth():
    """At equal saving the conversation stays: moving back would cost it again."""
    assert decide(talk(), True, False, Costs(staying=100, moving=60, moving_cached=30)).moves
    assert not decide(talk(), True, False, Costs(staying=60, moving=60, moving_cached=30)).moves
    assert not decide(talk(), True, False, Costs(staying=40, moving=60, moving_cached=30)).moves


def test_the_decision_says_its_figures():
    """Both sides of the comparison and the length of the prefix are in the sentence."""
    said = decide(
        talk(), True, False, Costs(staying=40_000_000, moving=60_000_000, moving_cached=30_000_000)
    ).why
    assert "0.01 USD" in said
    assert "10000 tokens" in said
    assert "0.03" in said


def test_a_question_that_needs_reasoning_may_always_leave_a_model_that_does_none():
    """A capability is no matter of price, and the decision says so."""
    stance = decide(talk(), False, True, Costs(staying=1, moving=100, moving_cached=50))
    assert stance.moves
    assert "reasoning" in stance.why


def test_without_prices_a_conversation_stays():
    """Nothing says that moving would save anything."""
    assert not decide(talk(), True, False, None).moves


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "type", "content", "text", "output", "user"]), inner, max_size=3
        )
    ),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["messages", "input", "tools", "instructions"]), anything, max_size=4))
def test_no_body_can_make_it_raise(fields):
    """Nothing has been validated yet when a conversation is looked at."""
    talk_of(fields)
    opening_of(fields)
    asking_of(fields)
