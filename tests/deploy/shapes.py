"""A small schema checker for manifests: what must be there, what may be there, nothing else.

A shape is a type, a predicate, a list of one shape (each item), or a dict of shapes; a key that ends in `?` is optional.
`Each(shape)` is a mapping with any keys. Misspelled keys are what hand-written YAML gets wrong, hence: nothing else.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Each:
    shape: Any


def faults(value: Any, shape: Any, at: str = "") -> Iterator[str]:
    """Every place where `value` is not of this shape."""
    match shape:
        case Each(shape=inner):
            if not isinstance(value, dict):
                yield f"{at}: not a mapping"
                return
            for key, item in value.items():
                yield from faults(item, inner, f"{at}.{key}")
        case dict():
            yield from _record(value, shape, at)
        case [inner]:
            if not isinstance(value, list) or not value:
                yield f"{at}: not a list with something in it"
                return
            for index, item in enumerate(value):
                yield from faults(item, inner, f"{at}[{index}]")
        case type():
            if not isinstance(value, shape) or (shape is int and isinstance(value, bool)):
                yield f"{at}: {value!r} is not {shape.__name__}"
        case _ if callable(shape):
            if not shape(value):
                yield f"{at}: {value!r} is refused"
        case _:
            if value != shape:
                yield f"{at}: {value!r} is not {shape!r}"


def _record(value: Any, shape: dict, at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at}: not a mapping"
        return
    known = {key.rstrip("?"): inner for key, inner in shape.items()}
    for key in value.keys() - known.keys():
        yield f"{at}.{key}: unknown key"
    for key, inner in shape.items():
        name = key.rstrip("?")
        if name in value:
            yield from faults(value[name], inner, f"{at}.{name}")
        elif not key.endswith("?"):
            yield f"{at}.{name}: missing"


def one_of(*values: object):
    """A predicate: the value is one of these."""
    return lambda value: value in values
