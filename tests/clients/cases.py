"""What every client is asked: the models, the prompts, the tools, a picture. Nothing here knows a client."""

import os

import pytest

LIVING, RETIRED, ROUTED = "gpt-4.1-mini", "o4-mini", "auto"
SUCCESSOR = "gpt-6.1-terra"
"""Who answers for RETIRED. Tools with reasoning reach it over /v1/responses only."""

HELLO = "Say hello."
STEPS = "Call add then multiply then subtract on 6 and 7."
ORDER = ["add", "multiply", "subtract"]
PERSON = "Extract the person: Ada Lovelace is 36 years old."
ENDLESS = "[[sandbox:words=4000]][[sandbox:pace=0.01]] Tell a story."
LIMITED = "[[sandbox:429 retry_after=9]] hi"
ONCE_LIMITED = "[[sandbox:429 times=2 retry_after_ms=20]] hi"
BROKE = "[[sandbox:quota]] hi"
BREAKS = ("cut:3", "close:3", "error_inside:3")
"""Ways a stream dies after its third event: reset, orderly close, an error frame."""

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def broken(how: str) -> str:
    """A prompt whose streamed answer dies."""
    return f"[[sandbox:{how}]][[sandbox:words=40]] hi"


def bridged() -> bool:
    """Whether this run carries every chat call for LIVING over /v1/responses (`make bridged`)."""
    return os.environ.get("SWITCHYARD_BRIDGED") == "1"


TARGETS = (LIVING, RETIRED, ROUTED)
each_target = pytest.mark.parametrize("model", TARGETS)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def subtract(a: int, b: int) -> int:
    """Subtract the second number from the first."""
    return a - b


FUNCTIONS = {"add": add, "multiply": multiply, "subtract": subtract}
_NUMBERS = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
    "additionalProperties": False,
}
CHAT_TOOLS = [
    {"type": "function", "function": {"name": name, "description": function.__doc__, "parameters": _NUMBERS}}
    for name, function in FUNCTIONS.items()
]
RESPONSES_TOOLS = [{"type": "function", **tool["function"], "strict": True} for tool in CHAT_TOOLS]
