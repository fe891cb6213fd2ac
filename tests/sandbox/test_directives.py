"""Orders hidden in prompts."""

import pytest

from proxy.sandbox.directives import Directive, directives, without


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain", {}),
        ("a [[sandbox:429]] b", {"429": Directive("429", "")}),
        ("[[sandbox:cut:3]]", {"cut": Directive("cut", "3")}),
        ("[[sandbox:say=one, two] three]]", {"say": Directive("say", "one, two] three")}),
        (
            "[[sandbox:500 times=1 model=gpt-5]]",
            {"500": Directive("500", "", (("times", "1"), ("model", "gpt-5")))},
        ),
        ("[[sandbox:hang]] [[sandbox:gzip]]", {"hang": Directive("hang", ""), "gzip": Directive("gzip", "")}),
        ("[[sandbox:words=1]] [[sandbox:words=2]]", {"words": Directive("words", "2")}),
        ("[[sandbox:", {}),
        ("[[sandbox:]]", {}),
    ],
)
def test_orders_are_found_with_value_and_options(text, found):
    """Several in one text; of two alike the last."""
    assert directives(text) == found


def test_a_text_without_its_orders_is_the_rest():
    """So that they do not count as mentions."""
    assert without("call [[sandbox:say=alpha]]beta") == "call beta"
    assert without("plain") == "plain"
