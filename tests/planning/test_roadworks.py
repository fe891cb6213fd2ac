"""What only the catalogue can tell is wrong with a migration: each mistake with its line and what to write instead."""

import pytest

from proxy.app.blueprint import Blueprint
from proxy.app.configuration import read_configuration
from proxy.settings import SettingsError

HEAD = "migrations:\n"
LUNA = "gpt-6-luna@none"


def mistakes(*lines, more=""):
    text = HEAD + "".join(f"  - {{{line}}}\n" for line in lines) + more
    with pytest.raises(SettingsError) as refused:
        read_configuration(Blueprint("switchyard.yaml", text), {})
    return [str(each) for each in refused.value.mistakes]


def accepted(*lines, more=""):
    text = HEAD + "".join(f"  - {{{line}}}\n" for line in lines) + more
    return read_configuration(Blueprint("switchyard.yaml", text), {}).settings.migrations


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (
            [f"name: a, from: gpt-4.1-mini, to: {LUNA}", f"name: b, from: gpt-4.1-mini-2025-04-14, to: {LUNA}"],
            ['switchyard.yaml:3: migrations[1].from: "a" already leaves gpt-4.1-mini as gpt-4.1-mini; let one finish, or remove it'],
        ),
        (
            ["name: a, from: gpt-4.1-mini, to: gpt-4.1-mini-2025-04-14"],
            ["switchyard.yaml:2: migrations[0].to: gpt-4.1-mini-2025-04-14 is gpt-4.1-mini, the same model as from"],
        ),
        (
            ["name: a, from: gpt-4o, to: gpt-4.1", "name: b, from: gpt-4.1-2025-04-14, to: gpt-4o"],
            ["switchyard.yaml:3: migrations[1].to: goes round in a circle: gpt-4.1 → gpt-4o → gpt-4.1; point each migration at the final model"],
        ),
        (
            [f"name: a, from: 'ft:gpt-4.1-mini:acme::x1', to: {LUNA}"],
            ["switchyard.yaml:2: migrations[0].from: a fine-tuned model is left by changing the name in the application, not by a migration"],
        ),
        (
            ["name: a, from: gpt-4o, to: o4-mini"],
            ["switchyard.yaml:2: migrations[0].to: o4-mini has been shut down; write to: gpt-6.1-terra"],
        ),
        (
            ["name: a, from: gpt-4.1-mini, to: gpt-6.1-terra"],
            ["switchyard.yaml:2: migrations[0].to: gpt-6.1-terra costs 2.86 times the price of gpt-4.1-mini, above 1.5; write lifecycle: {allow_dearer: true} to agree, or choose a cheaper model"],
        ),
        (
            ["name: a, from: gpt-4.1-mini, to: gpt-4.1-mini"],
            ["switchyard.yaml:2: migrations[0].to: the same model as from"],
        ),
    ],
    ids=["two spellings", "itself", "circle", "fine-tuned", "target ended", "dearer", "the same name"],
)  # fmt: skip
def test_each_mistake_has_its_line_and_says_what_to_write(lines, says):
    """By what a name means, not by how it is spelled."""
    assert mistakes(*lines) == says


def test_unknown_models_and_stages_out_of_order_are_named_together():
    """A typing error is answered with the likely name, stages with the list in order."""
    found = mistakes(
        "name: a, from: gpt-4.1-mini, to: gpt-6-lunna",
        "name: b, from: gpt-4o, to: gpt-6-luna, stages: [10, 5, 100]",
        "name: c, from: gpt-4.1, to: gpt-6-luna, shadow: {share: 0.1}",
    )
    assert any("stages must rise; write stages: [5, 10, 100]" in each for each in found)
    assert any("shadow.usd" in each and "missing" in each for each in found)
    assert any('unknown model "gpt-6-lunna"; did you mean "gpt-6-luna"?' in each for each in mistakes("name: a, from: gpt-4.1-mini, to: gpt-6-lunna"))  # fmt: skip


def test_a_dearer_target_is_agreed_to_in_writing():
    """Before the day, not at midnight."""
    (found,) = accepted(
        "name: a, from: gpt-4.1-mini, to: gpt-6.1-terra", more="lifecycle: {allow_dearer: true}\n"
    )
    assert found.target.model == "gpt-6.1-terra"


def test_what_has_no_price_is_not_agreed_to_either():
    """Nobody could say what moving will cost."""
    text = "models:\n  mine: {family: open, context: 1000, max_output: 1000, unpriced: ours, deployments: [{provider: openai}]}\n"
    (found,) = mistakes("name: a, from: gpt-4.1-mini, to: mine", more=text)
    assert "the price of mine is not known" in found


def test_a_model_that_nobody_here_serves_cannot_be_moved_to():
    """Named with what to add."""
    text = "providers: {claude: {kind: litellm, litellm_provider: anthropic, api_key: k}}\n"
    found = mistakes(f"name: a, from: claude-sonnet-4-5, to: {LUNA}", more=text)
    assert found == [
        "switchyard.yaml:2: migrations[0].to: no provider here serves gpt-6-luna; add one under providers, or models.gpt-6-luna"
    ]


def test_migrations_beyond_this_machine_need_a_store_that_replicas_share():
    """An embedded store on each of two machines would move each user twice."""
    text = "server: {host: 0.0.0.0}\nauth: {mode: passthrough}\n"
    (found,) = mistakes(f"name: a, from: gpt-4.1-mini, to: {LUNA}", more=text)
    assert "migrations on 0.0.0.0 need redis.url" in found
    assert accepted(
        f"name: a, from: gpt-4.1-mini, to: {LUNA}", more=text + "redis: {embedded: single-node}\n"
    )
