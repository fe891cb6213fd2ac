"""Who serves a request for a model that has ended, at what price, and why not somebody else."""

from datetime import UTC, datetime

import pytest

from proxy.models.catalogue import SHIPPED_PATH, Catalogue, load
from proxy.models.lifecycle import is_retired
from proxy.models.succession import successors_of

CATALOGUE = load()
NOW = datetime(2026, 11, 20, tzinfo=UTC).timestamp()


def ended_at(now, *missing):
    return lambda row: row.name in missing or is_retired(row, "openai", now, margin_hours=24, published={})


@pytest.mark.parametrize(
    ("name", "model", "effort"),
    [
        ("o4-mini", "gpt-6.1-terra", "medium"),
        ("o4-mini-2025-04-16", "gpt-6.1-terra", "medium"),
        ("o3-mini", "gpt-6.1-terra", "medium"),
        ("gpt-4.1-mini", "gpt-6-luna", "none"),
        ("gpt-4.1-nano", "gpt-6-luna", "none"),
        ("gpt-5-mini", "gpt-6-luna", "medium"),
        ("gpt-5", "gpt-6-sol", "medium"),
        ("o3", "gpt-6-sol", "medium"),
    ],
)
def test_the_shipped_chains_lead_where_the_sources_say(name, model, effort):
    """The first living successor that is not much dearer."""
    first = successors_of(CATALOGUE, name, NOW, ended_at(NOW)).first
    assert (first.model, first.effort) == (model, effort)


def test_a_dearer_successor_waits_for_permission():
    """gpt-5.6-terra is 2.3 times o4-mini; with gpt-6.1-terra missing the next one is cheap enough."""
    ended = ended_at(NOW, "gpt-6.1-terra")
    assert successors_of(CATALOGUE, "o4-mini", NOW, ended).first.model == "gpt-5.4-mini"
    refused = successors_of(CATALOGUE, "o4-mini", NOW, ended_at(NOW, "gpt-6.1-terra", "gpt-5.4-mini"))
    assert refused.first is None
    assert "gpt-5.6-terra: 2.34 times dearer" in refused.why
    allowed = successors_of(CATALOGUE, "o4-mini", NOW, ended, allow_dearer=True)
    assert [step.model for step in allowed.living] == ["gpt-5.6-terra", "gpt-5.4-mini"]
    assert round(allowed.first.ratio, 2) == 2.34


def test_the_successors_of_a_successor_that_ended_are_tried():
    """A chain of retirements is followed to the living end, and the effort with it."""
    row = "{family: gpt-5.6, context: 9, max_output: 9, prices: {input: %s, output: 1}, successors: [%s]}"
    text = "models:\n" + "\n".join(
        f"  {name}: {row % rest}" for name, rest in (("a", (1, "b@low")), ("b", (1, "c")), ("c", (1, "")))
    )
    chain = successors_of(Catalogue.build(text), "a", NOW, lambda row: row.name == "b")
    assert [(step.model, step.effort) for step in chain.living] == [("c", "low")]
    assert [(step.model, step.skipped) for step in chain.skipped] == [("b", "has ended too")]


def test_a_fine_tuned_model_is_never_replaced_silently():
    """It is somebody's own."""
    chain = successors_of(CATALOGUE, "ft:o4-mini-2025-04-16:acme::x", NOW, ended_at(NOW))
    assert chain.first is None
    assert "fine-tuned" in chain.why


def test_models_without_a_successor_and_unknown_ones_say_so():
    """The refusal can be explained."""
    assert successors_of(CATALOGUE, "tts-1", NOW, ended_at(NOW)).why == "tts-1 has no successor"
    assert successors_of(CATALOGUE, "nobody", NOW, ended_at(NOW)).why == "unknown model"


def test_a_successor_without_a_price_needs_permission():
    """An unknown price may be any price."""
    text = SHIPPED_PATH.read_text(encoding="utf-8")
    row = {"family": "gpt-5.6", "context": 9000, "max_output": 900, "unpriced": "new"}
    catalogue = Catalogue.build(text, {"new": row, "o4-mini": {"successors": ["new@low"]}})
    assert successors_of(catalogue, "o4-mini", NOW, ended_at(NOW)).why == "new: its price is not known"
    assert successors_of(catalogue, "o4-mini", NOW, ended_at(NOW), allow_dearer=True).first.ratio is None


def test_every_shipped_model_that_has_ended_is_served_on_any_day():
    """Before, on and after each shutdown, the names apps use have somebody living behind them."""
    for day in range(0, 900, 7):
        now = NOW - 60 * 86_400 + day * 86_400
        for name in (
            "o4-mini",
            "o3-mini",
            "gpt-4.1-mini",
            "gpt-4.1",
            "gpt-5-mini",
            "gpt-5",
            "gpt-4o-mini",
            "gpt-5.1",
        ):
            if ended_at(now)(CATALOGUE.get(name)):
                assert successors_of(CATALOGUE, name, now, ended_at(now)).first is not None
