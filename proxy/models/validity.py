"""Which values a parameter may have at all, whatever the model: the API's own bounds, in the API's own words.

Two rooms need to know. A parameter that is dropped or emulated for a successor never reaches a provider who would refuse a
wrong value, so we do, as the model that was asked for would have. And a refusal of a wrong value teaches nothing.
Only parameters that may be dropped, renamed, emulated or mended are here; everything else the provider judges.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.errors import BadRequest


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a value: the message and the code the API would give."""

    message: str
    code: str

    def refusal(self, param: str) -> BadRequest:
        """The error to raise for it."""
        return BadRequest(self.message, param=param, code=self.code)


Check = Callable[[str, Any], Fault | None]


def fault_of(name: str, value: Any) -> Fault | None:
    """What is wrong with this value of a parameter; None for nothing, for null and for parameters not listed here."""
    check = _CHECKS.get(name)
    return check(name, value) if check is not None and value is not None else None


def refuse_faults(fields: Mapping[str, Any]) -> None:
    """Raises BadRequest for the first parameter of a request whose value no model takes."""
    for name in _CHECKS:
        fault = fault_of(name, fields[name]) if name in fields else None
        if fault is not None:
            raise fault.refusal(name)


def _number(low: float, high: float, kind: str = "decimal") -> Check:
    def check(name: str, value: Any) -> Fault | None:
        fits = isinstance(value, int) or (
            isinstance(value, float) and (kind == "decimal" or value.is_integer())
        )
        if isinstance(value, bool) or not fits:
            return wrong_type(name, f"{'a' if kind == 'decimal' else 'an'} {kind}", value)
        if value < low:
            return _beyond(f"'{name}': {kind} below minimum", f">= {low}", value, f"{kind}_below_min_value")
        if value > high:
            return _beyond(f"'{name}': {kind} above maximum", f"<= {high}", value, f"{kind}_above_max_value")
        return None

    return check


def one_of(*allowed: str) -> Check:
    """One of these strings."""

    def check(name: str, value: Any) -> Fault | None:
        if not isinstance(value, str):
            return wrong_type(name, "a string", value)
        if value in allowed:
            return None
        listed = ", ".join(f"'{each}'" for each in allowed[:-1])
        return Fault(
            f"Invalid value: '{value}'. Supported values are: {listed}, and '{allowed[-1]}'.", "invalid_value"
        )

    return check


def _of_type(kind: type, called: str) -> Check:
    def check(name: str, value: Any) -> Fault | None:
        return None if isinstance(value, kind) else wrong_type(name, called, value)

    return check


def _stop(name: str, value: Any) -> Fault | None:
    if isinstance(value, str):
        return None
    if not isinstance(value, list):
        return wrong_type(name, "one of a string or array of strings", value)
    if not value:
        return empty_array(name)
    if len(value) > _MOST_STOPS:
        return Fault(
            f"Invalid '{name}': array too long. Expected an array with maximum length {_MOST_STOPS}, "
            f"but got an array with length {len(value)} instead.",
            "array_above_max_length",
        )
    wrong = next((index for index, each in enumerate(value) if not isinstance(each, str)), None)
    return None if wrong is None else wrong_type(f"{name}[{wrong}]", "a string", value[wrong])


def _logit_bias(name: str, value: Any) -> Fault | None:
    if not isinstance(value, dict):
        return wrong_type(name, "an object", value)
    faults = (_BIAS(f"{name}.{key}", bias) for key, bias in value.items())
    return next((fault for fault in faults if fault is not None), None)


def _beyond(what: str, expected: str, value: Any, code: str) -> Fault:
    return Fault(f"Invalid {what} value. Expected a value {expected}, but got {value} instead.", code)


def empty_array(name: str) -> Fault:
    """An array that must have something in it has nothing."""
    return Fault(
        f"Invalid '{name}': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        "empty_array",
    )


def wrong_type(name: str, wanted: str, value: Any) -> Fault:
    """A value is not what is `wanted`, with its article."""
    return Fault(
        f"Invalid type for '{name}': expected {wanted}, but got {_called(value)} instead.", "invalid_type"
    )


def _called(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


_MOST_STOPS = 4
_BIAS = _number(-100, 100)
_CHECKS: Mapping[str, Check] = {
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
    "logit_bias": _logit_bias,
    "logprobs": _of_type(bool, "a boolean"),
    "top_logprobs": _number(0, 20, "integer"),
    "stop": _stop,
    "max_completion_tokens": _number(1, math.inf, "integer"),
    "max_tokens": _number(1, math.inf, "integer"),
    "n": _number(1, 128, "integer"),
    "seed": _number(-(2**63), 2**63 - 1, "integer"),
    "verbosity": one_of("low", "medium", "high"),
    "parallel_tool_calls": _of_type(bool, "a boolean"),
    "prediction": _of_type(dict, "an object"),
    "prompt_cache_key": _of_type(str, "a string"),
    "prompt_cache_options": _of_type(dict, "an object"),
    "prompt_cache_retention": one_of("in_memory", "in-memory", "24h"),
}
