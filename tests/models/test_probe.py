"""What a move changes is found by translating one request of each kind."""

from proxy.app.blueprint import Blueprint
from proxy.app.configuration import read_configuration
from proxy.models.probe import probes


def found(source, target, effort=""):
    catalogue = read_configuration(Blueprint(), {}).catalogue
    return {each.what: each for each in probes(catalogue.get(source), catalogue.get(target), effort)}


def test_what_every_call_has_in_common_is_told_once():
    """The effort is set for all; who sends `stop` reads of that alone."""
    seen = found("gpt-4.1-mini", "gpt-6-luna", "none")
    assert seen["any chat call"].changes == ("reasoning_effort:none",)
    assert seen["stop"].changes == ("stop:emulated",)
    assert seen["max_tokens"].changes == ("max_tokens->max_completion_tokens",)
    assert "temperature" not in seen
    assert "reasoning_effort" not in seen


def test_who_cannot_be_moved_is_named_with_the_reason():
    """A model that thinks has no logprobs: such calls stay where they are."""
    seen = found("o4-mini", "gpt-6.1-terra")
    assert seen["logprobs"].stays == "logprobs"
    assert seen["tools"].changes == ("endpoint:responses",)


def test_between_a_model_and_itself_nothing_changes():
    """No row at all."""
    assert found("gpt-6-luna", "gpt-6-luna") == {}
