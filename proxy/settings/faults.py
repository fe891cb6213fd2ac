"""What pydantic found, in our words: short, with the allowed values, never with the value of a secret."""

from collections.abc import Iterator

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from proxy.settings.mistakes import Finding, Path
from proxy.settings.schema import allowed_at
from proxy.settings.source import Source
from proxy.settings.values import MODEL_NAME

KEY = "[key]"
"""How pydantic marks that a mapping's key is at fault, not its value."""

MISSING = "missing"
EMPTY = "must not be empty"
UNKNOWN_KEY = "unknown key"
_SAYS = {
    "missing": MISSING,
    "model_type": "expected a mapping of keys",
    "model_attributes_type": "expected a mapping of keys",
    "dict_type": "expected a mapping of keys",
    "mapping_type": "expected a mapping of keys",
    "tuple_type": "expected a list",
    "string_type": "expected text",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_parsing_size": "expected a smaller whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "finite_number": "expected a number, not a NaN or infinity",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "string_too_short": EMPTY,
    "too_short": EMPTY,
    "string_pattern_mismatch": "not a usable name; use letters, digits, and . _ - between them",
}
_BOUNDS = {
    "greater_than": ("gt", "must be more than"),
    "greater_than_equal": ("ge", "must be at least"),
    "less_than": ("lt", "must be less than"),
    "less_than_equal": ("le", "must be at most"),
}


def findings(error: ValidationError, source: Source) -> Iterator[Finding]:
    """One finding for each error, without those at places that were reported while reading, and without a missing key
    where a misspelt one stands, or an empty list whose items were refused."""
    found = [_finding(detail, source) for detail in error.errors(include_url=False)]
    misspelt = {(*one.path[:-1], one.near) for one in found if one.message == UNKNOWN_KEY}
    above = {one.path[:-1] for one in found}
    for one in found:
        said = (one.message == MISSING and one.path in misspelt) or (
            one.message == EMPTY and one.path in above
        )
        if one.path not in source.faulty and not said:
            yield one


def _finding(detail: ErrorDetails, source: Source) -> Finding:
    kind, path, context = detail["type"], detail["loc"], detail.get("ctx", {})
    if context.get("at"):
        path = (*path, context["at"])
    if path and path[-1] == KEY:
        return _bad_key(kind, path[:-1])
    path = source.written(path)
    if kind == "extra_forbidden":
        return Finding(path, UNKNOWN_KEY, allowed_at(path[:-1]), str(path[-1]))
    if kind == "settings":
        return Finding(path, context["message"], tuple(context["allowed"]), context["given"])
    if kind in ("literal_error", "enum"):
        return Finding(path, "not one of the allowed values", allowed_at(path), source.text(path))
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return Finding(path, f"{words} {context[name]:g}")
    if context.get("pattern") == MODEL_NAME:
        return Finding(path, "expected a model's name, without spaces and without @effort")
    return Finding(path, _SAYS.get(kind, "not a usable value"))


def _bad_key(kind: str, path: Path) -> Finding:
    if kind in ("literal_error", "enum"):
        return Finding(path, "unknown name", allowed_at(path[:-1]), str(path[-1]))
    return Finding(path, _SAYS.get(kind, "not a usable name"))
