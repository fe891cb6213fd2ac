"""Schemas: what is none, what strict mode refuses, and values that satisfy the rest."""

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.sandbox.schema import Writer, malformed, strict_faults

LEAVES = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "minLength": 3, "maxLength": 5},
        {"type": "string", "format": "date"},
        {"type": "integer", "minimum": 3, "maximum": 9},
        {"type": "integer", "multipleOf": 5, "exclusiveMinimum": 0},
        {"type": "number", "exclusiveMaximum": 2},
        {"type": ["integer", "null"]},
        {"enum": ["a", 1, None]},
        {"const": "x"},
        {"type": "boolean"},
        {"type": "null"},
        {"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, {"required": ["a"]}]},
    ]
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(
            lambda item, least: {"type": "array", "items": item, "minItems": least}, inner, st.integers(0, 3)
        ),
        st.builds(lambda options: {"anyOf": options}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(
            lambda props: {
                "type": "object",
                "properties": props,
                "required": list(props),
                "additionalProperties": False,
            },
            st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
        ),
    ),
    max_leaves=8,
)


@given(SCHEMAS, st.integers(0, 2**64 - 1))
@settings(max_examples=150, deadline=None)
def test_a_written_value_satisfies_its_schema(schema, seed):
    """Whatever the shape; the same seed writes the same value."""
    value = Writer(schema, seed, ["Paris", "Rome"], [3, 70]).value(schema)
    jsonschema.validate(value, schema)
    assert value == Writer(schema, seed, ["Paris", "Rome"], [3, 70]).value(schema)
    assert malformed(schema) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": []},
        {"type": "text"},
        {"required": [1]},
        {"enum": []},
        {"minimum": "x"},
        {"minItems": -1},
        {"multipleOf": 0},
        {"properties": {"a": {"items": "x"}}},
        {"anyOf": [5]},
        [],
    ],
    ids=str,
)
def test_what_is_no_schema_is_found_out(schema):
    """At any depth."""
    assert malformed(schema)


OBJECT = {
    "type": "object",
    "properties": {"a": {"type": "object", "properties": {}}},
    "required": ["a"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        ({"type": "array"}, "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"array\"'."),
        (None, "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'."),
        (OBJECT, "In context=('properties', 'a'), 'additionalProperties' is required to be supplied and to be false."),
        ({**OBJECT, "required": []}, "In context=(), 'required' is required to be supplied and to be an array including every key in properties. Missing 'a'."),
    ],
)  # fmt: skip
def test_strict_mode_says_where_it_objects(schema, fault):
    """Root, nested, definitions and alternatives."""
    assert next(strict_faults(schema)) == fault


def test_a_schema_that_requires_itself_still_ends():
    """It has no finite value, but the sandbox must answer."""
    schema = {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}
    assert "a" in Writer(schema, 1).value(schema)
