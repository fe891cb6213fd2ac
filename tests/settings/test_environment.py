"""References to the environment."""

import pytest

from proxy.settings.environment import hide, show, substitute

ENV = {"A": "one", "EMPTY": "", "NASTY": "x: {y}\n#${A}"}


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("plain $A {A}", "plain $A {A}"),
        ("${A}", "one"),
        ("http://${A}:${A}/", "http://one:one/"),
        ("${NONE:-two}", "two"),
        ("${EMPTY:-two}", "two"),
        ("${NONE:-}", ""),
        ("${NONE:-http://h:1/v1?x}", "http://h:1/v1?x"),
        ("$${A}", "${A}"),
        ("${NASTY}", "x: {y}\n#${A}"),
    ],
)
def test_references_are_replaced_once(text, becomes):
    """What a variable holds is never read as YAML or as another reference."""
    assert substitute(text, ENV).text == becomes


@pytest.mark.parametrize("text", ["${NONE}", "${EMPTY}", "${}", "${1A}", "${A", "${A:+b}"])
def test_a_reference_that_means_nothing_is_a_fault(text):
    """An empty secret is an open door, so set-but-empty is a fault too."""
    assert substitute(text, ENV).faults


def test_hiding_keeps_columns_and_can_be_undone():
    """Places in messages are counted in the hidden text."""
    text = "a: {b: ${X:-{y, 'z'}, c: 1} # ${Z"
    assert len(hide(text)) == len(text)
    assert show(hide(text)) == text
    assert "${X" not in hide(text)
