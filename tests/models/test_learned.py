"""A refusal teaches what may be mended, where, and for how long."""

import json

import pytest

from proxy.models.learned import (
    MAX_ENTRIES,
    MENDABLE,
    REMEMBER_S,
    Learned,
    Mend,
    Place,
    apply,
    mend_for,
    packed,
    unpacked,
)

PLACE = Place("openai", "gpt-6-luna", "chat", "none", tools=False)


def refusal(param, code="unsupported_parameter"):
    return json.dumps(
        {"error": {"message": "no", "type": "invalid_request_error", "param": param, "code": code}}
    ).encode()


@pytest.mark.parametrize(
    ("param", "fields", "mend"),
    [
        ("temperature", {"temperature": 0.2}, Mend("temperature")),
        ("max_tokens", {"max_tokens": 5}, Mend("max_tokens", "max_completion_tokens")),
        ("max_completion_tokens", {"max_completion_tokens": 5}, Mend("max_completion_tokens", "max_tokens")),
        ("max_tokens", {"max_tokens": 5, "max_completion_tokens": 5}, Mend("max_tokens")),
        ("verbosity", {"verbosity": "low"}, Mend("verbosity")),
        ("parallel_tool_calls", {"parallel_tool_calls": True}, Mend("parallel_tool_calls")),
        ("parallel_tool_calls", {"parallel_tool_calls": False}, None),
        ("temperature", {}, None),
    ],
)
def test_a_named_parameter_is_renamed_or_dropped(param, fields, mend):
    """Only one that was sent; `parallel_tool_calls: false` means something and stays."""
    assert mend_for(400, refusal(param), fields) == mend


@pytest.mark.parametrize(
    "param",
    [
        *(
            "messages",
            "tools",
            "tool_choice",
            "response_format",
            "stop",
            "n",
            "logprobs",
            "top_logprobs",
            "modalities",
        ),
        *(
            "reasoning_effort",
            "reasoning.effort",
            "store",
            "service_tier",
            "safety_identifier",
            "stream",
            "model",
        ),
        *(
            "previous_response_id",
            "input",
            "functions",
            "user",
            "metadata",
            "text.format",
            "tools[0].strict",
            None,
            "",
        ),
    ],
)
def test_what_changes_the_meaning_is_never_mended(param):
    """Whatever a provider says about it, the caller decides."""
    assert param not in MENDABLE
    assert mend_for(400, refusal(param), {param: "x"}) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, refusal("temperature")),
        (403, refusal("temperature")),
        (400, refusal("temperature", "invalid_value")),
        (400, refusal("temperature", None)),
        (400, b"<html>"),
        (400, b"{}"),
        (400, b'{"error": 3}'),
        (400, b'{"error": {"param": 3}}'),
    ],
)
def test_other_refusals_teach_nothing(status, body):
    """Only the two codes, only a 400, only OpenAI's shape."""
    assert mend_for(status, body, {"temperature": 1}) is None


def test_what_is_learned_holds_for_its_place_until_it_expires():
    """Another effort, endpoint or tools is another place."""
    memory = Learned()
    memory.remember(PLACE, Mend("temperature"), 100.0)
    assert memory.mends(PLACE, 100.0 + REMEMBER_S - 1) == (Mend("temperature"),)
    assert memory.mends(PLACE, 100.0 + REMEMBER_S) == ()
    assert memory.mends(Place("openai", "gpt-6-luna", "chat", "low", tools=False), 100.0) == ()
    assert [lesson.mend.parameter for lesson in memory.lessons(100.0)] == ["temperature"]


def test_what_was_told_replaces_what_was_known():
    """A copy without a lesson has forgotten it; expired ones, and those of single callers, are not others' business."""
    told = []
    memory = Learned(told.append)
    own = PLACE._replace(owner="k1")
    memory.remember(PLACE, Mend("temperature"), 0.0)
    memory.remember(own, Mend("seed"), 0.0)
    assert [lesson.place for lesson in told] == [PLACE]
    texts = [packed(lesson)[1] for lesson in (*told, *memory.lessons(0.0))]
    other = Learned()
    other.take_up(unpacked([*texts, b"{", b"[]"]), 1.0)
    assert [(one.place, one.mend) for one in other.lessons(1.0)] == [(PLACE, Mend("temperature"))]
    late = Learned()
    late.take_up(told, REMEMBER_S)
    assert not list(late.lessons(0.0))
    memory.take_up([], 1.0)
    assert memory.mends(PLACE, 1.0) == ()
    assert memory.mends(own, 1.0) == (Mend("seed"),)


def test_what_a_caller_makes_up_teaches_nothing():
    """A value that no model takes and an effort that does not exist say nothing about the parameter."""
    for name, wrong in {
        "verbosity": "bogus", "temperature": 9, "top_p": "x", "logit_bias": [], "prompt_cache_retention": "1h",
        "seed": 0.5, "presence_penalty": -3, "parallel_tool_calls": "yes",
    }.items():  # fmt: skip
        assert mend_for(400, refusal(name, "unsupported_value"), {name: wrong}) is None, name
    memory = Learned()
    memory.remember(PLACE._replace(effort="made up"), Mend("seed"), 0.0)
    assert not list(memory.lessons(0.0))


def test_the_newer_of_two_contrary_refusals_counts():
    """Renaming there and back again would cost an attempt for ever."""
    memory = Learned()
    memory.remember(PLACE, Mend("max_completion_tokens", "max_tokens"), 0.0)
    memory.remember(PLACE, Mend("max_tokens", "max_completion_tokens"), 1.0)
    assert memory.mends(PLACE, 2.0) == (Mend("max_tokens", "max_completion_tokens"),)


def test_the_memory_is_bounded_and_makes_room_for_the_living():
    """A client cannot fill it; expired lessons leave."""
    memory = Learned()
    for i in range(MAX_ENTRIES + 5):
        memory.remember(Place("p", f"m{i}", "chat", "none", tools=False), Mend("top_p"), 0.0)
    assert len(list(memory.lessons(1.0))) == MAX_ENTRIES
    memory.remember(PLACE, Mend("top_p"), REMEMBER_S + 1)
    assert [lesson.place for lesson in memory.lessons(REMEMBER_S + 1)] == [PLACE]


def test_applying_lists_each_difference():
    """A drop may lose meaning, a rename does not; what was not sent is not touched."""
    mends = (Mend("temperature"), Mend("max_tokens", "max_completion_tokens"), Mend("seed"))
    edits, changes = apply(mends, {"temperature": 0.1, "max_tokens": 5})
    assert edits == {"temperature": b"", "max_tokens": b"", "max_completion_tokens": b"5"}
    assert [(change.token, change.loss) for change in changes] == [
        ("temperature:dropped (learned)", True), ("max_tokens->max_completion_tokens (learned)", False)]  # fmt: skip
