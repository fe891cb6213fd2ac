"""The simulated API's refusals, in its own words: status, message, type, param and code exactly as the real one says them."""

import json

INVALID = "invalid_request_error"


class Refusal(Exception):
    """An error answer: `{"error": {message, type, param, code}}` with an HTTP status and extra headers."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = INVALID,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.param = param
        self.code = code
        self.headers = headers or {}

    def error(self) -> dict[str, str | None]:
        return {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}

    def body(self) -> bytes:
        return json.dumps({"error": self.error()}, indent=2).encode()


def bad(message: str, param: str | None = None, code: str | None = None) -> Refusal:
    return Refusal(400, message, param=param, code=code)


def unsupported_parameter(name: str, hint: str = "") -> Refusal:
    """`hint` is the sentence that follows, e.g. "Use 'max_completion_tokens' instead."."""
    tail = f" {hint}" if hint else ""
    message = f"Unsupported parameter: '{name}' is not supported with this model.{tail}"
    return bad(message, name, "unsupported_parameter")


def only_default(name: str, value: object, default: object) -> Refusal:
    message = (
        f"Unsupported value: '{name}' does not support {value} with this model. "
        f"Only the default ({default}) value is supported."
    )
    return bad(message, name, "unsupported_value")


def unsupported_value(name: str, value: object, allowed: tuple[str, ...]) -> Refusal:
    message = (
        f"Unsupported value: '{name}' does not support '{value}' with this model. "
        f"Supported values are: {spelled(allowed)}."
    )
    return bad(message, name, "unsupported_value")


def invalid_value(name: str, value: object, allowed: tuple[str, ...]) -> Refusal:
    return bad(f"Invalid value: '{value}'. Supported values are: {spelled(allowed)}.", name, "invalid_value")


def spelled(values: tuple[str, ...]) -> str:
    """'a', 'b', and 'c'."""
    quoted = [f"'{value}'" for value in values]
    if len(quoted) < 3:
        return " and ".join(quoted)
    return ", ".join(quoted[:-1]) + ", and " + quoted[-1]


def missing(name: str) -> Refusal:
    return bad(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")


def wrong_type(name: str, expected: str, value: object) -> Refusal:
    message = f"Invalid type for '{name}': expected {expected}, but got {described(value)} instead."
    return bad(message, name, "invalid_type")


def described(value: object) -> str:
    """A JSON value's kind with its article, as the API names it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names: tuple[tuple[type, str], ...] = (
        (int, "an integer"),
        (float, "a decimal"),
        (str, "a string"),
        (list, "an array"),
        (dict, "an object"),
    )
    return next((said for kind, said in names if isinstance(value, kind)), "an unknown value")


def beyond(name: str, kind: str, side: str, limit: float, value: object) -> Refusal:
    """`kind` integer | decimal; `side` above | below."""
    sign, bound = ("<=", "maximum") if side == "above" else (">=", "minimum")
    got = f"Expected a value {sign} {limit}, but got {value} instead."
    return bad(
        f"Invalid '{name}': {kind} {side} {bound} value. {got}", name, f"{kind}_{side}_{_edge(side)}_value"
    )


def _edge(side: str) -> str:
    return "max" if side == "above" else "min"


def empty_array(name: str) -> Refusal:
    message = f"Invalid '{name}': empty array. Expected an array with minimum length 1, but got an empty array instead."
    return bad(message, name, "empty_array")


def array_too_long(name: str, most: int, got: int) -> Refusal:
    message = (
        f"Invalid '{name}': array too long. Expected an array with maximum length {most}, "
        f"but got an array with length {got} instead."
    )
    return bad(message, name, "array_above_max_length")


def no_such_model(name: str) -> Refusal:
    message = f"The model `{name}` does not exist or you do not have access to it."
    return Refusal(404, message, code="model_not_found")


def retired_model(name: str) -> Refusal:
    message = f"The model `{name}` has been deprecated, learn more here: https://platform.openai.com/docs/deprecations"
    return Refusal(404, message, code="model_not_found")


def invalid_url(method: str, path: str) -> Refusal:
    return Refusal(404, f"Invalid URL ({method} {path})")


def wrong_method(method: str, path: str) -> Refusal:
    return Refusal(405, f"Not allowed to {method} on {path}.", code="method_not_supported")


def no_key() -> Refusal:
    message = (
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
        "auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're "
        "accessing the API from your browser and are prompted for a username and password. You can obtain an API "
        "key from https://platform.openai.com/account/api-keys."
    )
    return Refusal(401, message)


def wrong_key(key: str) -> Refusal:
    shown = key if len(key) < 12 else key[:8] + "*" * (len(key) - 12) + key[-4:]
    message = (
        f"Incorrect API key provided: {shown}. "
        "You can find your API key at https://platform.openai.com/account/api-keys."
    )
    return Refusal(401, message, code="invalid_api_key")


def not_json() -> Refusal:
    return bad(
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
        "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you "
        "have trouble figuring out how to fix this, please contact us through our help center at help.openai.com.)"
    )
