"""How values and lists are spelled in refusals."""

import pytest

from proxy.sandbox.refusals import bad, described, spelled, wrong_key


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "null"),
        (True, "a boolean"),
        (1, "an integer"),
        (1.5, "a decimal"),
        ("x", "a string"),
        ([], "an array"),
        ({}, "an object"),
        (b"", "an unknown value"),
    ],
)
def test_values_are_named_with_their_article(value, said):
    """As in "but got an integer instead"."""
    assert described(value) == said


def test_lists_are_spelled_with_and():
    """An Oxford comma from three on."""
    assert spelled(("a",)) == "'a'"
    assert spelled(("a", "b")) == "'a' and 'b'"
    assert spelled(("a", "b", "c")) == "'a', 'b', and 'c'"


def test_an_envelope_has_all_four_keys():
    """Also those that are null."""
    assert bad("x").error() == {"message": "x", "type": "invalid_request_error", "param": None, "code": None}


def test_short_keys_are_shown_whole_and_long_ones_masked():
    """The real API does the same."""
    assert "sk-1." in wrong_key("sk-1").message
    assert "0123" in wrong_key("sk-abcdefgh0123").message
    assert "abcdefgh" not in wrong_key("sk-abcdefgh0123").message
