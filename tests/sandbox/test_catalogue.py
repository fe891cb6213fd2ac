"""The table of models, and the names that lead to its rows."""

import pytest

from proxy.sandbox.catalogue import MODELS, find


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("o4-mini-2025-04-16", "o4-mini"),
        ("gpt-4.1-mini-2025-04-14", "gpt-4.1-mini"),
        ("gpt-5.6", "gpt-5.6-sol"),
        ("ft:gpt-4o-mini-2024-07-18:acme:name:id", "gpt-4o-mini"),
        ("ft:gpt-5.4:acme::id", None),
        ("ft:gpt-4.1", None),
    ],
)
def test_names_lead_to_their_model(name, base):
    """Snapshots, aliases and fine-tunes of models that can be tuned."""
    found = find(name)
    assert (found and found.name) == base


def test_every_priced_model_of_the_catalogue_has_a_family_window_and_date():
    """The table reads as it is meant to."""
    assert len(MODELS) > 40
    for model in MODELS.values():
        assert model.created > 1_600_000_000
        assert model.max_output <= model.window or not model.family.chat
