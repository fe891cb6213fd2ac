"""Items become turns: what is merged, what is skipped, what is refused."""

import pytest

from proxy.sandbox.catalogue import MODELS
from proxy.sandbox.refusals import Refusal
from proxy.sandbox.responses_items import check_reasoning, read_input, turns_of

SEALED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA-sandbox-1"}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
OUT = {"type": "function_call_output", "call_id": "c", "output": "ok"}


def turns(*items):
    return turns_of(read_input(list(items)), MODELS["gpt-5"])


def test_an_assistants_text_and_calls_are_one_turn():
    """As chat has them in one message; reasoning is not said aloud."""
    made = turns(
        {"role": "user", "content": "x"}, SEALED, {"role": "assistant", "content": "well"}, CALL, OUT
    )
    assert [turn.rank for turn in made] == ["user", "assistant", "tool"]
    assert (made[1].text, made[1].calls[0].name) == ("well", "f")


def test_a_text_input_is_a_user_turn():
    """And nothing at all is no turn."""
    assert turns_of(read_input("hi"), MODELS["gpt-5"])[0].text == "hi"
    assert read_input(None) == ()


@pytest.mark.parametrize(
    "item",
    [
        5,
        {"type": 5},
        {"role": "user", "content": 5},
        {"role": "user", "content": ["x"]},
        {"role": "user", "content": [{"type": "input_text", "text": 5}]},
        {"role": "user", "content": [{"type": "input_text"}]},
        {"role": "user", "content": [{}]},
        {"role": "user", "content": [{"type": "input_image"}]},
        {"role": "user", "content": [{"type": "input_image", "image_url": "ftp://x"}]},
        {"role": "user", "content": [{"type": "input_image", "image_url": "https://x", "detail": "odd"}]},
        {"role": "user", "content": [{"type": "input_audio"}]},
        {"type": "function_call", "call_id": "c", "name": "f"},
        {"type": "reasoning", "id": "rs_1"},
    ],
    ids=str,
)
def test_an_odd_item_is_refused(item):
    """Always as a refusal, never as a crash."""
    with pytest.raises(Refusal) as refused:
        turns(item)
    assert refused.value.status == 400


def test_an_odd_output_is_refused():
    """Neither text nor parts."""
    with pytest.raises(Refusal):
        turns(CALL, {**OUT, "output": 5})


def test_items_of_hosted_tools_pass_through():
    """Their calls are nobody's to answer."""
    assert len(turns({"role": "user", "content": "x"}, {"type": "web_search_call", "id": "ws_1"})) == 1


def test_reasoning_needs_a_seal_or_a_memory():
    """Ours, not another's."""
    loose = {key: value for key, value in SEALED.items() if key != "encrypted_content"}
    check_reasoning((SEALED,), lambda _name: None)
    check_reasoning((loose,), lambda _name: loose)
    for item in (loose, {**SEALED, "encrypted_content": "x"}):
        with pytest.raises(Refusal):
            check_reasoning((item,), lambda _name: None)
