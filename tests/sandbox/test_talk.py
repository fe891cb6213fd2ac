"""A conversation in one shape: what its digest covers and what it does not."""

from proxy.sandbox.talk import Choice, Conversation, Tool, ToolCall, Turn

BASE = Conversation((Turn("user", "hi"),))


def test_the_digest_covers_what_is_said_and_asked_for():
    """Turns, ranks, tools, choice, schema, seed."""
    others = [
        Conversation((Turn("user", "ho"),)),
        Conversation((Turn("system", "hi"),)),
        Conversation((Turn("user", "hi"),), tools=(Tool("f"),)),
        Conversation((Turn("user", "hi"),), choice=Choice("none")),
        Conversation((Turn("user", "hi"),), schema={}),
        Conversation((Turn("user", "hi"),), seed="1"),
        Conversation((Turn("user", "hi", images=(("https://x", "auto"),)),)),
        Conversation((Turn("user", "hi", calls=(ToolCall("c", "f", "{}"),)),)),
    ]
    assert len({talk.digest() for talk in (BASE, *others)}) == len(others) + 1


def test_the_digest_leaves_out_call_ids_of_calls_but_not_of_results():
    """Ids made elsewhere must not change the answer's text, pairing must."""
    made = [Conversation((Turn("assistant", calls=(ToolCall(name, "f", "{}"),)),)) for name in ("a", "b")]
    assert made[0].digest() == made[1].digest()


def test_a_loop_begins_after_the_last_user_turn():
    """Or at the start when nobody asked."""
    talk = Conversation((Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c"), Turn("tool", "d")))
    assert (talk.last_user(), [turn.text for turn in talk.since_last_user()]) == ("c", ["d"])
    alone = Conversation((Turn("system", "s"),))
    assert (alone.last_user(), len(alone.since_last_user())) == ("", 1)


def test_every_part_costs_tokens():
    """Framing per message and tool included."""
    bare = BASE.text_tokens()
    assert Conversation((Turn("user", "hi"), Turn("assistant"))).text_tokens() == bare + 3
    assert Conversation((Turn("user", "hi"),), tools=(Tool("f"),)).text_tokens() > bare + 8
    assert Conversation((Turn("user", "hi"),), schema={"type": "object"}).text_tokens() > bare
