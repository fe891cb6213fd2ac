"""A value that no model takes is refused in the API's own words, the simulated API's among them, also where the parameter
would be dropped or emulated."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import BadRequest
from proxy.models.catalogue import load
from proxy.models.translate import translate
from proxy.models.validity import fault_of
from proxy.sandbox.catalogue import MODELS
from proxy.sandbox.chat_rules import read_chat
from proxy.sandbox.refusals import Refusal
from tests.models.shapes import ASK

CATALOGUE = load()
WRONG = [
    ("temperature", 5), ("temperature", -0.1), ("temperature", "hot"), ("temperature", True), ("top_p", 1.5),
    ("presence_penalty", 2.5), ("frequency_penalty", -3), ("logit_bias", {"5": 200}), ("logit_bias", [1]),
    ("logprobs", "yes"), ("top_logprobs", 21), ("stop", ["a"] * 5), ("stop", []), ("stop", 7), ("stop", ["a", 1]), ("n", 0),
    ("n", "2"), ("n", 1.5), ("seed", 0.5), ("seed", "x"), ("verbosity", "bogus"), ("parallel_tool_calls", "no"),
    ("prediction", "text"), ("prompt_cache_key", 3),
]  # fmt: skip


def words_of(name, value, model="gpt-4.1-mini"):
    """What the simulated API says to it."""
    body = {"model": model, "messages": ASK, name: value}
    if name == "top_logprobs":
        body["logprobs"] = True
    with pytest.raises(Refusal) as refused:
        read_chat(body, MODELS[model], frozenset())
    return refused.value.message, refused.value.code


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_what_the_named_model_would_have_refused_is_refused_for_its_successor(name, value):
    """Same message, same code, same param as the model in the request would have said."""
    body = {"model": "gpt-4.1-mini", "messages": ASK, name: value}
    with pytest.raises(BadRequest) as refused:
        translate(body, CATALOGUE.get("gpt-4.1-mini"), CATALOGUE.get("gpt-6-luna"))
    assert refused.value.param == name
    message, code = words_of(name, value)
    assert refused.value.message == message
    assert refused.value.code == code


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted({name for name, _ in WRONG})), st.one_of(
    st.none(), st.booleans(), st.integers(-200, 200), st.floats(-3, 3), st.text(max_size=3),
    st.lists(st.one_of(st.text(max_size=2), st.integers()), max_size=6),
    st.dictionaries(st.text("0123456789", min_size=1, max_size=3), st.one_of(st.integers(-200, 200), st.text(max_size=2)), max_size=2),
))  # fmt: skip
def test_no_value_that_the_api_takes_is_called_wrong(name, value):
    """Ours must never be stricter than the API."""
    body = {"model": "gpt-4.1-mini", "messages": ASK, name: value}
    if name == "top_logprobs":
        body["logprobs"] = True
    try:
        read_chat(body, MODELS["gpt-4.1-mini"], frozenset())
    except Refusal:
        return
    assert fault_of(name, value) is None


def test_a_request_for_the_model_it_names_is_not_judged():
    """Its provider does that."""
    row = CATALOGUE.get("gpt-4.1-mini")
    assert not translate({"model": row.name, "messages": ASK, "temperature": 5}, row, row).changes
