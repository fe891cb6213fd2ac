"""What is left of a faulty configuration."""

import pytest
from pydantic import ValidationError

from proxy.settings.root import Settings
from proxy.settings.salvage import salvage
from proxy.settings.source import Source, read_source


def refused(source):
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(source.data)
    return salvage(source, caught.value)


def test_only_the_faulty_parts_are_cut_and_the_rest_keeps_its_places():
    """The second key becomes the first, and still knows that it stands on line 4."""
    good = "{name: b, hash: 'sha256:" + "a" * 64 + "'}"
    source = read_source(f"server: {{port: x, workers: 2}}\nkeys:\n  - {{name: a}}\n  - {good}\n", "f", {})
    settings, rest = refused(source)
    assert (settings.server.port, settings.server.workers) == (4000, 2)
    assert [key.name for key in settings.keys] == ["b"]
    assert rest.places[("keys", 0)].line == 4
    assert rest.moved[("keys", 0, "name")] == ("keys", 1, "name")


def test_faults_that_show_only_after_others_are_cut_too():
    """A record is judged as a whole once its fields are sound."""
    source = read_source(
        "budgets: [{name: a, scope: team, usd: 1, per: day, soft: x}]\nserver: {port: 1}", "f", {}
    )
    settings, _ = refused(source)
    assert settings.budgets == ()
    assert settings.server.port == 1


def test_nothing_is_salvaged_when_nothing_has_a_place():
    """Then only the shape's own mistakes are reported."""
    assert refused(Source("f", data={"server": {"port": "x"}})) is None
