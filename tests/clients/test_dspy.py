"""DSPy: predictors and a ReAct loop, over litellm."""

import dspy
import pytest
from cases import HELLO, LIMITED, LIVING, PERSON, PIXEL, each_target
from litellm.exceptions import RateLimitError


class Extract(dspy.Signature):
    """Extract the person."""

    text: str = dspy.InputField()
    name: str = dspy.OutputField()
    age: int = dspy.OutputField()


@pytest.fixture
def lm(door):
    """Makes a language model for a name: no cache, no retries."""

    def make(model, **wishes):
        known = {"api_base": door.url, "api_key": "any", "cache": False, "num_retries": 0}
        return dspy.LM(f"openai/{model}", **known, **wishes)

    return make


@each_target
@pytest.mark.parametrize("kind", ["chat", "responses"])
def test_call(lm, model, kind):
    """A plain question; usage is in the history."""
    made = lm(model, model_type=kind)
    assert made(HELLO)[0]
    assert made.history[-1]["usage"]["total_tokens"] > 0


@each_target
def test_predict(lm, model):
    """A signature's fields, asked for as a JSON schema."""
    with dspy.context(lm=lm(model), adapter=dspy.JSONAdapter()):
        done = dspy.Predict(Extract)(text='[[sandbox:say={"name":"Ada","age":36}]] ' + PERSON)
    assert isinstance(done.age, int)
    assert done.name


@each_target
def test_images(lm, model):
    """A picture as an input field."""
    with dspy.context(lm=lm(model), adapter=dspy.JSONAdapter()):
        ask = dspy.Predict("picture: dspy.Image, wish: str -> caption: str")
        done = ask(picture=dspy.Image(PIXEL), wish='[[sandbox:say={"caption":"A dot"}]]')
    assert done.caption


def test_limited(lm):
    """A limit comes out as litellm's class."""
    with pytest.raises(Exception) as refused:
        lm(LIVING)(LIMITED)
    assert isinstance(refused.value, RateLimitError) or "Rate limit reached" in str(refused.value)
