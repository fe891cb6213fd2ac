"""Checks of single values: each takes what it should and refuses with the API's code."""

import pytest

from proxy.sandbox import fields as f
from proxy.sandbox.refusals import Refusal


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (f.boolean, True),
        (f.string, ""),
        (f.an_object, {}),
        (f.integer(1, 5), 5),
        (f.integer(1, 5), 5.0),
        (f.decimal(0, 2), 2),
        (f.one_of("a", "b"), "b"),
        (f.array(least=1, most=2, of=f.string), ["a", "b"]),
        (f.stop, "x"),
        (f.stop, ["a"] * 4),
        (f.metadata, {"k" * 64: "v" * 512}),
        (f.short_string(3), "abc"),
        (f.logit_bias, {"1": -100, "2": 100}),
        (f.anything, object()),
    ],
)
def test_a_good_value_passes(check, value):
    """At the edge of what is allowed."""
    check(value, "x")


@pytest.mark.parametrize(
    ("check", "value", "code"),
    [
        (f.boolean, 1, "invalid_type"),
        (f.string, 1, "invalid_type"),
        (f.an_object, [], "invalid_type"),
        (f.integer(1, 5), 6, "integer_above_max_value"),
        (f.integer(1, 5), 0, "integer_below_min_value"),
        (f.integer(), True, "invalid_type"),
        (f.integer(), 1.5, "invalid_type"),
        (f.decimal(0, 2), True, "invalid_type"),
        (f.decimal(0, 2), 2.01, "decimal_above_max_value"),
        (f.one_of("a"), "b", "invalid_value"),
        (f.one_of("a"), 1, "invalid_type"),
        (f.array(), {}, "invalid_type"),
        (f.array(least=1), [], "empty_array"),
        (f.array(most=1), [1, 2], "array_above_max_length"),
        (f.array(of=f.string), ["a", 1], "invalid_type"),
        (f.stop, ["a"] * 5, "array_above_max_length"),
        (f.stop, [], "empty_array"),
        (f.metadata, {"k" * 65: ""}, "string_above_max_length"),
        (f.metadata, {"k": "v" * 513}, "string_above_max_length"),
        (f.metadata, {"k": 1}, "invalid_type"),
        (f.short_string(3), "abcd", "string_above_max_length"),
        (f.logit_bias, {"1": 101}, "decimal_above_max_value"),
    ],
)
def test_a_bad_value_is_refused_with_its_code(check, value, code):
    """One step beyond the edge."""
    with pytest.raises(Refusal) as refused:
        check(value, "x")
    assert refused.value.code == code


def test_null_counts_as_absent():
    """The table is run over what is present."""
    f.check_fields({"a": None, "b": True}, {"a": f.string, "b": f.boolean, "c": f.string})
