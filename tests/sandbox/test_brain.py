"""What the simulated model says, without any endpoint around it."""

import json

import pytest

from proxy.sandbox.brain import REFUSAL, reasoning_tokens, reply
from proxy.sandbox.talk import Choice, Conversation, Tool, ToolCall, Turn

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def talk(text, *more, names=(), **fields):
    tools = tuple(Tool(name, SCHEMA) for name in names)
    return Conversation((Turn("user", text), *more), tools=tools, **fields)


def called(conversation):
    return [call.name for call in reply(conversation).calls]


@pytest.mark.parametrize(
    ("text", "names", "called_names"),
    [
        ("call beta and alpha", ("alpha", "beta"), ["beta", "alpha"]),
        ("call beta then alpha", ("alpha", "beta"), ["beta"]),
        ("how is the weather", ("get_weather", "book"), ["get_weather"]),
        ("search it", ("searchFlights",), ["searchFlights"]),
        ("nothing of the kind", ("get_weather",), []),
        ("alphabet", ("alpha",), ["alpha"]),
    ],
)
def test_tools_are_chosen_by_what_the_text_mentions(text, names, called_names):
    """Exact names first, telling parts of names otherwise."""
    assert called(talk(text, names=names)) == called_names


@pytest.mark.parametrize(
    ("choice", "called_names"),
    [
        (Choice("none"), []),
        (Choice("required"), ["alpha"]),
        (Choice("named", ("beta",)), ["beta"]),
        (Choice("required", ("beta",)), ["beta"]),
        (Choice("auto", ("beta",)), []),
    ],
)
def test_the_choice_forces_or_forbids(choice, called_names):
    """Whatever the text says."""
    assert called(talk("hello", names=("alpha", "beta"), choice=choice)) == called_names


def test_a_loop_goes_on_from_the_calls_already_made():
    """Counted since the last user turn; results end up in the text."""
    first = reply(talk("call alpha then beta", names=("alpha", "beta"))).calls
    so_far = (Turn("assistant", calls=first), Turn("tool", "one", call_id=first[0].id))
    second = reply(talk("call alpha then beta", *so_far, names=("alpha", "beta"))).calls
    assert [call.name for call in second] == ["beta"]
    both = (*so_far, Turn("assistant", calls=second), Turn("tool", "two"))
    assert (
        reply(talk("call alpha then beta", *both, names=("alpha", "beta"))).text == "The tools say: one; two."
    )


def test_orders_decide_what_is_said():
    """say, words, refuse, filter."""
    assert reply(talk("[[sandbox:say=exactly this]]")).text == "exactly this"
    assert len(reply(talk("[[sandbox:words=5]]")).text.split()) == 5
    assert reply(talk("[[sandbox:refuse]]")).refusal == REFUSAL
    assert reply(talk("[[sandbox:filter]]")).filtered


def test_json_is_json():
    """An object when any will do, the schema's value when there is one."""
    assert "answer" in json.loads(reply(talk("json", json_object=True)).text)
    assert json.loads(reply(talk("in Rome", schema=SCHEMA)).text) == {"city": "Rome"}


def test_variants_of_one_question_differ():
    """For n > 1."""
    assert reply(talk("hi"), 0) != reply(talk("hi"), 1)


def test_custom_tools_get_text():
    """Not JSON."""
    conversation = Conversation((Turn("user", "use shell"),), tools=(Tool("shell", custom=True),))
    (call,) = reply(conversation).calls
    assert isinstance(call, ToolCall)
    assert (call.custom, call.arguments) == (True, "input for shell")


def test_thought_costs_steps_of_64():
    """None and minimal cost nothing."""
    for seed in range(5):
        assert reasoning_tokens(seed, "none") == reasoning_tokens(seed, "minimal") == 0
        costs = [reasoning_tokens(seed, effort) for effort in ("low", "medium", "high", "xhigh", "max")]
        assert costs == sorted(costs)
        assert all(cost % 64 == 0 and cost for cost in costs)
