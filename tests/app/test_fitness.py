"""What is written well and cannot be used: each with its line, and what goes on working."""

import pytest

from proxy.app.blueprint import Blueprint
from proxy.app.configuration import read_configuration
from proxy.settings import SettingsError


def read(text, env=None):
    return read_configuration(Blueprint("switchyard.yaml", text), env or {})


def mistakes(text, env=None):
    with pytest.raises(SettingsError) as refused:
        read(text, env)
    return [str(each) for each in refused.value.mistakes]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("routes: {auto: {default: [gpt-4.1-mini@high]}}",
         '1: routes.auto.default[0]: "gpt-4.1-mini" takes no effort; leave out @high'),
        ("routes:\n  auto:\n    default: [gpt-6-luna]\n    tasks: {code: [gpt-6-luna@low, openai/gpt-4.1@low]}",
         '4: routes.auto.tasks.code[1]: "openai/gpt-4.1" takes no effort; leave out @low'),
        ("aliases:\n  fast: gpt-4.1@low", '2: aliases.fast: "gpt-4.1" takes no effort; leave out @low'),
        ("migrations:\n  - {name: m, from: gpt-4.1, to: gpt-4.1-mini@low}",
         '2: migrations[0].to: "gpt-4.1-mini" takes no effort; leave out @low'),
        ("budgets: [{name: b, scope: global, usd: 9, per: day, soft: 0.5, on_soft: {downgrade: gpt-4.1-nano@low}}]",
         '1: budgets[0].on_soft.downgrade: "gpt-4.1-nano" takes no effort; leave out @low'),
    ],
    ids=["route", "task", "alias", "migration", "downgrade"],
)  # fmt: skip
def test_an_effort_for_a_model_that_takes_none_is_a_mistake(text, says):
    """Whoever wrote it counts on a model that thinks, and nothing would think."""
    assert mistakes(text) == [f"switchyard.yaml:{says}"]


@pytest.mark.parametrize(
    "text",
    [
        "routes: {auto: {default: [gpt-4.1-mini@none, gpt-6-luna@max]}}",
        "aliases: {a: auto@high, b: gpt-6-luna@high}",
        "providers: {claude: {kind: litellm, litellm_provider: anthropic}}\nroutes: {auto: {default: [claude-haiku-4-5@low]}}",
    ],
    ids=["none and neighbours", "a route's", "another provider's"],
)
def test_efforts_that_mean_something_are_accepted(text):
    """None at all, one that has a neighbour, one for whatever a route chooses, and models that litellm's map may not know yet."""
    assert read(text)


@pytest.mark.parametrize(
    ("source", "target", "says"),
    [
        ("gpt-4.1-mini", "text-embedding-3-small",
         '"text-embedding-3-small" is a model for embeddings, and "gpt-4.1-mini" one for chat'),
        ("text-embedding-3-large", "gpt-6-luna",
         '"gpt-6-luna" is a model for chat, and "text-embedding-3-large" one for embeddings'),
    ],
)  # fmt: skip
def test_a_migration_leads_to_a_model_of_the_same_kind(source, target, says):
    """Else everything that moved would be answered by an error."""
    text = f"lifecycle: {{allow_dearer: true}}\nmigrations:\n  - {{name: m, from: {source}, to: {target}}}"
    assert mistakes(text) == [f"switchyard.yaml:3: migrations[0].to: {says}"]


def test_chat_models_are_of_one_kind_whether_on_chat_or_responses():
    """Each is asked in the words of the other."""
    text = "lifecycle: {allow_dearer: true}\nmigrations: [{name: m, from: gpt-4.1-mini, to: gpt-5-pro}]"
    assert read(text)


def test_what_a_variable_supplied_is_in_no_message():
    """As in every other mistake."""
    said = mistakes("routes: {auto: {default: ['${S}']}}", {"S": "gpt-4.1-mini@high"})
    assert said == [
        "switchyard.yaml:1: routes.auto.default[0]: the value from the environment takes no effort; leave out @high"
    ]
