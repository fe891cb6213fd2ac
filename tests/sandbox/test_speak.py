"""What fits: thought first, then pieces until a cap, a stop or the end."""

from proxy.sandbox.speak import Limits, speak
from proxy.sandbox.talk import Choice, Conversation, Tool, Turn

SCHEMA = {"type": "object", "properties": {"a": {"const": "some longer text"}}, "required": ["a"]}


def said(text="[[sandbox:say=one two three]]", room=1000, names=(), choice="auto", **limits):
    tools = tuple(Tool(name, SCHEMA) for name in names)
    named = Choice(choice, names if choice == "named" else ())
    talk = Conversation((Turn("user", text),), tools=tools, choice=named)
    return speak(talk, Limits("none", room, **limits))


def test_the_earliest_stop_wins_and_empty_ones_are_ignored():
    """As if the model had stopped there."""
    assert "".join(said(stops=("three", " two", "")).text) == "one"


def test_a_cap_cuts_text_and_arguments():
    """finish length; a forced call that is complete ends with stop."""
    assert (said(room=2).finish, said(room=2).output) == ("length", 2)
    call = said("call f", room=4, names=("f",))
    assert (call.finish, call.output) == ("length", 4)
    assert said("call f", names=("f",), choice="named").finish == "stop"


def test_a_cap_can_leave_no_room_for_a_second_call():
    """The first is all there is."""
    whole = said("call f and g", names=("f", "g"))
    room = 1 + len(whole.calls[0][1])
    cut = said("call f and g", room=room, names=("f", "g"))
    assert ([call.name for call, _ in cut.calls], cut.finish) == (["f"], "length")


def test_thought_can_use_up_the_cap():
    """Nothing visible remains."""
    talk = Conversation((Turn("user", "x"),))
    spent = speak(talk, Limits("high", 100))
    assert (spent.text, spent.reasoning, spent.output, spent.finish) == ((), 100, 100, "length")


def test_a_filler_is_as_long_as_ordered():
    """For huge answers, beyond any cap."""
    assert said(filler=5000).output == 5000


def test_predictions_are_compared_piece_by_piece():
    """What was guessed wrong is billed, up to a limit."""
    hit = said(prediction="one two four")
    assert (hit.accepted, hit.rejected, hit.output) == (2, 1, 4)
