"""Model names against the catalogue."""

import pytest

from proxy.settings import SettingsError, load, models_named, validate

KNOWN = ("gpt-4.1-mini", "gpt-5.4-mini", "gpt-6-luna", "gpt-6.1-terra", "o4-mini")


def test_a_retired_name_without_a_successor_is_a_warning():
    """Its requests are answered 404; that is no reason not to start."""
    text = "routes: {auto: {default: [o4-mini, gpt-6-luna]}}\naliases: {a: openai/o4-mini@low, b: auto}"
    settings = load(text=text, env={})
    warnings = validate(settings, KNOWN, {"o4-mini": None, "gpt-6-luna": "gpt-6.1-terra"})
    assert [str(w) for w in warnings] == [
        'settings:1: routes.auto.default[0]: "o4-mini" has been shut down and has no living successor; requests get a 404',
        'settings:2: aliases.a: "openai/o4-mini" has been shut down and has no living successor; requests get a 404',
    ]
    assert validate(settings, KNOWN, {"o4-mini": "gpt-6.1-terra"}) == ()


def test_names_may_carry_a_provider_or_be_a_fine_tune_of_a_known_model():
    """provider/model and ft:BASE:… are known when their model is."""
    text = "routes: {auto: {default: [openai/gpt-6-luna@low, 'ft:gpt-4.1-mini:org::id', gpt-oss/x]}}"
    with pytest.raises(SettingsError) as caught:
        validate(load(text=text, env={}), KNOWN)
    assert [m.key_path for m in caught.value.mistakes] == ["routes.auto.default[2]"]


def test_a_full_row_makes_a_model_known():
    """A model of the operator's own may be routed to and aliased."""
    row = "{family: open, context: 1000, max_output: 500, usd_per_m: {input: 0, output: 0, free: true}}"
    text = f"models: {{mine: {row}}}\nroutes: {{auto: {{default: [mine]}}}}\naliases: {{m: mine}}"
    settings = load(text=text, env={}, known_models=KNOWN)
    assert validate(settings, KNOWN) == ()
    assert settings.model_rows()["mine"]["usd_per_m"] == {"input": "0", "output": "0", "free": "true"}


def test_the_shipped_route_names_only_models_of_the_catalogue():
    """A misspelt name in the shipped file is found as in any other."""
    assert validate(load(env={}), KNOWN) == ()
    with pytest.raises(SettingsError, match="unknown model"):
        validate(load(env={}), KNOWN[:2])


def test_the_models_a_configuration_names_are_listed_once_and_bare():
    """The catalogue looks up exactly these; names of routes and aliases are not models."""
    text = """
routes: {auto: {default: [openai/gpt-6-luna@low, gpt-6-luna], tasks: {code: [x]}}}
aliases: {a: auto, b: a, c: y@high}
budgets: [{name: z, scope: model, of: z, usd: 1, per: day, soft: 0.5, on_soft: {downgrade: w@none}}]
"""
    assert models_named(load(text=text, env={})) == ("gpt-6-luna", "x", "w", "y", "z")
