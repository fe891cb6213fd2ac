"""JSON schemas: refuse what strict mode refuses, and write a value that satisfies the rest.

Strict mode (structured outputs): every object says `additionalProperties: false` and requires all its properties.
Values are made from a seed and from hints (words and numbers of the prompt), smallest choice first, so that they are
valid, varied and the same every time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from proxy.sandbox.tokens import digest

MAX_DEPTH = 12
_FORMATS = {
    "date": "2026-11-20",
    "date-time": "2026-11-20T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "ada@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "9a1c2f0e-52a3-4b1f-8f57-0d9f6f1e2a3b",
}


_KINDS: dict[str, tuple[type, ...]] = {
    "properties": (dict,),
    "$defs": (dict,),
    "definitions": (dict,),
    "required": (list,),
    "enum": (list,),
    "anyOf": (list,),
    "oneOf": (list,),
    "allOf": (list,),
    "items": (dict, bool),
    "$ref": (str,),
    "format": (str,),
    "type": (str, list),
    "additionalProperties": (dict, bool),
}
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_COUNTS = ("minItems", "maxItems", "minLength", "maxLength")
TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})


def malformed(schema: Any) -> str | None:
    """What makes a schema no schema at all, or None."""
    if isinstance(schema, bool):
        return None
    if not isinstance(schema, dict):
        return f"{schema!r} is not of type 'object', 'boolean'."
    for name, kinds in _KINDS.items():
        if name in schema and not isinstance(schema[name], kinds):
            return f"{schema[name]!r} is not valid under '{name}'."
    for name in (*_NUMBERS, *_COUNTS):
        value = schema.get(name, 1)
        whole = name in _NUMBERS or (isinstance(value, int) and 0 <= value <= 10_000)
        if isinstance(value, bool) or not isinstance(value, int | float) or not whole or abs(value) > 2**53:
            return f"{value!r} is not valid under '{name}'."
    if schema.get("multipleOf", 1) <= 0 or schema.get("enum", [1]) == []:
        return "'multipleOf' must be positive and 'enum' must not be empty."
    kinds_named = schema.get("type", "object")
    for kind in [kinds_named] if isinstance(kinds_named, str) else kinds_named:
        if kind not in list(TYPES):
            return f"{kind!r} is not valid under any of the given schemas."
    if not all(isinstance(name, str) for name in schema.get("required", ())):
        return "'required' must be a list of names."
    return next((fault for inner in _inner(schema) if (fault := malformed(inner))), None)


def _inner(schema: dict[str, Any]) -> Iterator[Any]:
    for name in ("properties", "$defs", "definitions"):
        yield from schema.get(name, {}).values()
    for name in ("anyOf", "oneOf", "allOf"):
        yield from schema.get(name, ())
    if "items" in schema:
        yield schema["items"]


def strict_faults(schema: Any) -> Iterator[str]:
    """What strict mode objects to, in the API's words, first fault first."""
    if not isinstance(schema, dict):
        yield "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'."
        return
    if schema.get("type") != "object" and "$ref" not in schema:
        kind = schema.get("type")
        yield f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
        return
    yield from _walk_strict(schema, ())


def _walk_strict(schema: Any, path: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    where = "(" + ", ".join(f"'{step}'" for step in path) + (",)" if len(path) == 1 else ")")
    if schema.get("type") == "object" or "properties" in schema:
        if schema.get("additionalProperties") is not False:
            yield f"In context={where}, 'additionalProperties' is required to be supplied and to be false."
        names = list(schema.get("properties") or {})
        required = schema.get("required") or []
        for name in names:
            if name not in required:
                yield (
                    f"In context={where}, 'required' is required to be supplied and to be an array including every "
                    f"key in properties. Missing '{name}'."
                )
    for name, inner in (schema.get("properties") or {}).items():
        yield from _walk_strict(inner, (*path, "properties", name))
    for keyword in ("$defs", "definitions"):
        for name, inner in (schema.get(keyword) or {}).items():
            yield from _walk_strict(inner, (*path, keyword, name))
    for index, inner in enumerate(schema.get("anyOf") or ()):
        yield from _walk_strict(inner, (*path, "anyOf", str(index)))
    if isinstance(schema.get("items"), dict):
        yield from _walk_strict(schema["items"], (*path, "items"))


@dataclass(slots=True)
class Writer:
    """Writes values for one root schema. `words` and `numbers` are hints taken from the prompt, used in order."""

    root: Any
    seed: int
    words: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    def value(self, schema: Any, path: str = "", depth: int = 0) -> Any:
        """A value valid for `schema`; beyond `MAX_DEPTH` the shortest one."""
        schema = self._resolved(schema)
        if not isinstance(schema, dict):
            return self._string({}, path)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][self._pick(path, len(schema["enum"]))]
        for keyword in ("anyOf", "oneOf"):
            if schema.get(keyword):
                return self._one_of(schema[keyword], path, depth)
        if schema.get("allOf"):
            return self.value(_merged(schema), path, depth)
        return self._typed(schema, self._type(schema, path, depth), path, depth)

    def _resolved(self, schema: Any) -> Any:
        hops = 0
        while isinstance(schema, dict) and isinstance(schema.get("$ref"), str) and hops < MAX_DEPTH:
            target: Any = self.root
            for step in schema["$ref"].lstrip("#").strip("/").split("/"):
                if step:
                    target = target.get(step, {}) if isinstance(target, dict) else {}
            schema, hops = target, hops + 1
        return schema

    def _one_of(self, options: list[Any], path: str, depth: int) -> Any:
        if depth >= MAX_DEPTH:
            return self.value(min(options, key=lambda option: len(str(self._resolved(option)))), path, depth)
        return self.value(options[self._pick(path, len(options))], path, depth + 1)

    def _type(self, schema: dict[str, Any], path: str, depth: int) -> str:
        kinds = schema.get("type")
        if isinstance(kinds, list) and kinds:
            return (
                "null" if depth >= MAX_DEPTH and "null" in kinds else str(kinds[self._pick(path, len(kinds))])
            )
        if isinstance(kinds, str):
            return kinds
        return "object" if "properties" in schema else "array" if "items" in schema else "string"

    def _typed(self, schema: dict[str, Any], kind: str, path: str, depth: int) -> Any:
        if kind == "object":
            return self._object(schema, path, depth)
        if kind == "array":
            least = int(schema.get("minItems", 0))
            wanted = max(least, 0 if depth >= MAX_DEPTH else min(2, int(schema.get("maxItems", 2))))
            items = schema.get("items", {"type": "string"})
            return [self.value(items, f"{path}/{index}", depth + 1) for index in range(wanted)]
        if kind in ("integer", "number"):
            return self._number(schema, kind, path)
        if kind == "boolean":
            return bool(self._pick(path, 2))
        return None if kind == "null" else self._string(schema, path)

    def _object(self, schema: dict[str, Any], path: str, depth: int) -> dict[str, Any]:
        if depth > 2 * MAX_DEPTH:
            return {}  # a schema that requires itself has no finite value
        properties = schema.get("properties") or {}
        required = set(schema.get("required") or ())
        wanted = [name for name in properties if name in required or depth < 3]
        wanted += [name for name in required if name not in properties]
        return {name: self.value(properties.get(name, {}), f"{path}/{name}", depth + 1) for name in wanted}

    def _number(self, schema: dict[str, Any], kind: str, path: str) -> int | float:
        low, high = _bounds(schema, kind)
        step = schema.get("multipleOf", 1)
        if self.numbers and low <= self.numbers[0] <= high and self.numbers[0] % step == 0:
            return self.numbers.pop(0)
        span = int(min(high - low, 99) // step)
        value = (-(-low // step) + self._pick(path, max(span, 0) + 1)) * step
        if value > high:
            value = low
        return int(value) if float(value).is_integer() else value

    def _string(self, schema: dict[str, Any], path: str) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        name = path.rsplit("/", 1)[-1] or "value"
        text = self.words.pop(0) if self.words else f"{name} {self._pick(path, 1000)}"
        least = int(schema.get("minLength", 0))
        return text.ljust(least, "x")[: int(schema.get("maxLength", len(text) + least))]

    def _pick(self, path: str, options: int) -> int:
        return digest(str(self.seed), path) % options


def _bounds(schema: dict[str, Any], kind: str) -> tuple[float, float]:
    unit = 1 if kind == "integer" else 0.5
    low = schema.get("minimum", schema["exclusiveMinimum"] + unit if "exclusiveMinimum" in schema else None)
    high = schema.get("maximum", schema["exclusiveMaximum"] - unit if "exclusiveMaximum" in schema else None)
    if low is None:
        low = 1 if high is None or high >= 1 else high - 100
    return low, (low + 1_000_000 if high is None else high)


def _merged(schema: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        for key, value in part.items():
            if key == "properties":
                out["properties"] = {**out.get("properties", {}), **value}
            elif key == "required":
                out["required"] = [*out.get("required", []), *value]
            else:
                out[key] = value
    return out
