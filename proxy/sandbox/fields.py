"""Checks of single values, in the API's own words; each takes the value and the name the API would call it by.

A check returns nothing and raises `Refusal`. JSON null counts as absent everywhere the API says "optional".
"""

from collections.abc import Callable, Mapping
from typing import Any

from proxy.sandbox.refusals import array_too_long, bad, beyond, empty_array, invalid_value, wrong_type

Check = Callable[[Any, str], None]


def anything(_value: Any, _name: str) -> None:
    """Checked elsewhere, with its neighbours."""


def boolean(value: Any, name: str) -> None:
    if not isinstance(value, bool):
        raise wrong_type(name, "a boolean", value)


def string(value: Any, name: str) -> None:
    if not isinstance(value, str):
        raise wrong_type(name, "a string", value)


def an_object(value: Any, name: str) -> None:
    if not isinstance(value, dict):
        raise wrong_type(name, "an object", value)


def integer(low: int | None = None, high: int | None = None) -> Check:
    def check(value: Any, name: str) -> None:
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not whole:
            raise wrong_type(name, "an integer", value)
        _bounded(value, name, "integer", low, high)

    return check


def decimal(low: float, high: float) -> Check:
    def check(value: Any, name: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong_type(name, "a decimal", value)
        _bounded(value, name, "decimal", low, high)

    return check


def _bounded(value: float, name: str, kind: str, low: float | None, high: float | None) -> None:
    if low is not None and value < low:
        raise beyond(name, kind, "below", low, value)
    if high is not None and value > high:
        raise beyond(name, kind, "above", high, value)


def one_of(*allowed: str) -> Check:
    def check(value: Any, name: str) -> None:
        string(value, name)
        if value not in allowed:
            raise invalid_value(name, value, allowed)

    return check


def array(*, least: int = 0, most: int | None = None, of: Check | None = None) -> Check:
    def check(value: Any, name: str) -> None:
        if not isinstance(value, list):
            raise wrong_type(name, "an array", value)
        if len(value) < least:
            raise empty_array(name)
        if most is not None and len(value) > most:
            raise array_too_long(name, most, len(value))
        for index, item in enumerate(value):
            if of is not None:
                of(item, f"{name}[{index}]")

    return check


def stop(value: Any, name: str) -> None:
    """A string or up to four of them."""
    if not isinstance(value, str):
        if not isinstance(value, list):
            raise wrong_type(name, "one of a string or array of strings", value)
        array(least=1, most=4, of=string)(value, name)


def metadata(value: Any, name: str) -> None:
    """Up to 16 string pairs, keys of 64 and values of 512 characters."""
    an_object(value, name)
    if len(value) > 16:
        raise bad(
            f"Invalid '{name}': too many properties. Expected an object with at most 16 properties, "
            f"but got an object with {len(value)} properties instead.",
            name,
            "object_above_max_properties",
        )
    for key, item in value.items():
        string(item, f"{name}.{key}")
        if len(key) > 64:
            raise too_long(name, 64, len(key))
        if len(item) > 512:
            raise too_long(f"{name}.{key}", 512, len(item))


def too_long(name: str, most: int, got: int) -> Exception:
    message = (
        f"Invalid '{name}': string too long. Expected a string with maximum length {most}, "
        f"but got a string with length {got} instead."
    )
    return bad(message, name, "string_above_max_length")


def short_string(most: int) -> Check:
    def check(value: Any, name: str) -> None:
        string(value, name)
        if len(value) > most:
            raise too_long(name, most, len(value))

    return check


def logit_bias(value: Any, name: str) -> None:
    an_object(value, name)
    for key, bias in value.items():
        if not key.lstrip("-").isdigit():
            raise bad(
                f"Invalid key in '{name}': {key}. You should only be submitting non-negative integers.", name
            )
        decimal(-100, 100)(bias, f"{name}.{key}")


def check_arguments(body: Mapping[str, Any], known: Mapping[str, Check]) -> None:
    """Refuse names the endpoint does not know, all of them in one message."""
    unknown = [name for name in body if name not in known]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        raise bad(f"Unrecognized request argument{plural} supplied: {', '.join(unknown)}")


def check_fields(body: Mapping[str, Any], table: Mapping[str, Check]) -> None:
    """Run the table over the fields present and not null."""
    for name, check in table.items():
        value = body.get(name)
        if value is not None:
            check(value, name)
