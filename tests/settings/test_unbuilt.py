"""The table of what is not built."""

import pytest

from proxy.settings.schema import allowed_at
from proxy.settings.unbuilt import NOT_BUILT, Unbuilt, unbuilt

DATA = {
    "migrations": [],
    "providers": {"a": {"kind": "azure"}, "b": {"kind": "openai"}},
    "keys": [{"name": "a"}, {"limits": {"rpm": "1"}}],
}


def paths(row):
    return [finding.path for finding in unbuilt(DATA, (row,))]


def test_a_row_refuses_what_it_names_and_nothing_else():
    """By key and by value; an empty list is as good as none."""
    assert paths(Unbuilt("migrations", "…")) == []
    assert paths(Unbuilt("providers.*.kind", "…", value="azure")) == [("providers", "a", "kind")]
    assert paths(Unbuilt("keys.*.limits", "…")) == [("keys", 1, "limits")]


@pytest.mark.parametrize("row", NOT_BUILT, ids=lambda row: f"{row.path}={row.value or 'any'}")
def test_every_row_names_a_key_of_the_schema(row):
    """A row for a key that was renamed would refuse nothing."""
    *above, last = row.path.split(".")
    keys = [allowed_at(tuple(item if part == "*" else part for part in above)) for item in ("x", 0)]
    assert any(last in each for each in keys)
    assert row.value is None or row.value in allowed_at((*("x" if p == "*" else p for p in above), last))
    assert row.instead
