"""Whether a value fits a JSON schema, as far as structured outputs have keywords for it. Pure.

The keywords are those that strict mode takes (types, properties, items, enum, const, anyOf, $ref and the bounds on numbers, lengths and
counts), and `oneOf` and `allOf` of schemas that are not strict. One that is not known constrains nothing, so that a schema of tomorrow never makes a
good answer a bad one. Patterns and formats are not tried: a caller's expression could take for ever.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeGuard

_DEEPEST: Final = 64
_MOST_STEPS: Final = 50_000
"""Levels and comparisons looked at; beyond them everything fits: schemas are written by callers, and some by attackers."""


def fits(value: Any, schema: Any) -> bool:
    """Whether `value` fits. A schema that is none fits everything."""
    return _Fitting(schema).fits(value, schema, 0)


class _Fitting:
    """One look at one value: what references lead to, and how much has been looked at."""

    __slots__ = ("_root", "_steps")

    def __init__(self, root: Any) -> None:
        self._root = root
        self._steps = 0

    def fits(self, value: Any, schema: Any, depth: int) -> bool:
        self._steps += 1
        if depth > _DEEPEST or self._steps > _MOST_STEPS:
            return True
        if not isinstance(schema, dict):
            return schema is not False
        if isinstance(ref := schema.get("$ref"), str) and not self.fits(
            value, _found(self._root, ref), depth + 1
        ):
            return False
        return (
            self._is_one_of(value, schema)
            and self._fits_choices(value, schema, depth)
            and self._fits_kind(value, schema, depth)
        )

    def _fits_choices(self, value: Any, schema: Mapping[str, Any], depth: int) -> bool:
        for name, some in (("anyOf", any), ("oneOf", any), ("allOf", all)):
            choices = schema.get(name)
            if isinstance(choices, list) and not some(self.fits(value, each, depth + 1) for each in choices):
                return False
        return True

    def _fits_kind(self, value: Any, schema: Mapping[str, Any], depth: int) -> bool:
        if isinstance(value, dict):
            return _within(len(value), schema, "minProperties", "maxProperties") and self._fits_object(
                value, schema, depth
            )
        if isinstance(value, list):
            items = schema.get("items", True)
            return _within(len(value), schema, "minItems", "maxItems") and all(
                self.fits(each, items, depth + 1) for each in value
            )
        if isinstance(value, str):
            return _within(len(value), schema, "minLength", "maxLength")
        return isinstance(value, bool) or value is None or _number_fits(value, schema)

    def _fits_object(self, value: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> bool:
        known = schema.get("properties")
        known = known if isinstance(known, dict) else {}
        required = schema.get("required")
        if isinstance(required, list) and not all(
            name in value for name in required if isinstance(name, str)
        ):
            return False
        others = schema.get("additionalProperties", True)
        return all(self.fits(part, known.get(name, others), depth + 1) for name, part in value.items())

    def _is_one_of(self, value: Any, schema: Mapping[str, Any]) -> bool:
        kinds = schema.get("type")
        if isinstance(kinds, str):
            kinds = [kinds]
        if isinstance(kinds, list) and not any(
            _IS.get(kind, _anything)(value) for kind in kinds if isinstance(kind, str)
        ):
            return False
        allowed = schema.get("enum")
        if isinstance(allowed, list):
            self._steps += len(allowed)
            if not any(_same(value, each) for each in allowed):
                return False
        return "const" not in schema or _same(value, schema["const"])


def _number_fits(value: float, schema: Mapping[str, Any]) -> bool:
    step = schema.get("multipleOf")
    if value <= _bound(schema, "exclusiveMinimum", -math.inf) or value >= _bound(
        schema, "exclusiveMaximum", math.inf
    ):
        return False
    if isinstance(step, int) and not isinstance(step, bool) and step > 0 and value % step:
        return False
    return _within(value, schema, "minimum", "maximum")


def _within(amount: float, schema: Mapping[str, Any], least: str, most: str) -> bool:
    return _bound(schema, least, -math.inf) <= amount <= _bound(schema, most, math.inf)


def _bound(schema: Mapping[str, Any], name: str, absent: float) -> float:
    found = schema.get(name)
    return found if _is_number(found) else absent


def _found(root: Any, ref: str) -> Any:
    """What a reference within the schema names; one that leads nowhere constrains nothing."""
    place = root
    for step in ref.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(place, dict) or name not in place:
            return True
        place = place[name]
    return place if ref.startswith("#") else True


def _same(one: Any, other: Any) -> bool:
    """JSON's equality: 1 is 1.0, and neither is true."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _anything(_: Any) -> bool:
    return True


_IS: Final[Mapping[str, Callable[[Any], bool]]] = MappingProxyType(
    {
        "object": lambda value: isinstance(value, dict),
        "array": lambda value: isinstance(value, list),
        "string": lambda value: isinstance(value, str),
        "number": _is_number,
        "integer": lambda value: _is_number(value) and (isinstance(value, int) or value.is_integer()),
        "boolean": lambda value: isinstance(value, bool),
        "null": lambda value: value is None,
    }
)
