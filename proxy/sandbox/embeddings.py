"""POST /v1/embeddings: unit vectors drawn from the text's digest, as floats or base64 of little-endian float32."""

import base64
import math
import struct
from typing import Any

from proxy.sandbox import fields as f
from proxy.sandbox.answers import Answer, json_answer
from proxy.sandbox.billing import Bill
from proxy.sandbox.catalogue import Model, served_name
from proxy.sandbox.desk import Desk, Request
from proxy.sandbox.refusals import bad, missing
from proxy.sandbox.tokens import count, digest, number_list

FIELDS: dict[str, f.Check] = {
    "input": f.anything,
    "model": f.string,
    "encoding_format": f.one_of("float", "base64"),
    "dimensions": f.integer(1),
    "user": f.string,
}
DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}
MAX_INPUTS = 2048
MAX_TOTAL_TOKENS = 300_000


def create_embeddings(desk: Desk, request: Request) -> Answer:
    """Raises `Refusal` for odd input, too many or too long texts, or more dimensions than the model has."""
    body = request.json_object()
    f.check_arguments(body, FIELDS)
    model = desk.model(request, body.get("model"))
    f.check_fields(body, FIELDS)
    inputs = _inputs(body.get("input"))
    size = _size(body, model)
    sizes = [len(item) if isinstance(item, list) else count(item) for item in inputs]
    if max(sizes) > model.window:
        message = (
            f"This model's maximum context length is {model.window} tokens, however you requested {max(sizes)} tokens "
            f"({max(sizes)} in your prompt; 0 for the completion). Please reduce your prompt; or completion length."
        )
        raise bad(message)
    if sum(sizes) > MAX_TOTAL_TOKENS:
        raise bad(
            f"Requested {sum(sizes)} tokens, max {MAX_TOTAL_TOKENS} tokens per request",
            code="max_tokens_per_request",
        )
    base64_asked = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(_vector(item, size), base64_asked)}
        for index, item in enumerate(inputs)
    ]
    bill = Bill(prompt=sum(sizes))
    usage = {"prompt_tokens": bill.prompt, "total_tokens": bill.prompt}
    out: dict[str, Any] = {
        "object": "list",
        "data": data,
        "model": served_name(body["model"], model),
        "usage": usage,
    }
    if request.quirks.usage == "missing":
        del out["usage"]
    return json_answer(out, model=model, bill=bill)


def _inputs(given: Any) -> list[Any]:
    """Texts or token lists, at least one."""
    if given is None:
        raise missing("input")
    if isinstance(given, str):
        given = [given]
    if number_list(given):
        given = [given]
    if not isinstance(given, list) or not given:
        raise bad(
            "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference."
        )
    if len(given) > MAX_INPUTS:
        raise bad(
            f"Invalid 'input': array too long. Expected at most {MAX_INPUTS} items.",
            "input",
            "array_above_max_length",
        )
    texts = all(isinstance(item, str) for item in given)
    if not texts and not all(number_list(item) for item in given):
        raise bad(
            "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference."
        )
    if any(item == "" for item in given):
        raise bad("'$.input' is invalid: input cannot be an empty string.")
    return given


def _size(body: dict[str, Any], model: Model) -> int:
    most = DIMENSIONS[model.name]
    size = body.get("dimensions") or most
    if size > most:
        raise bad(f"Invalid value for 'dimensions' = {size}. Must be less than or equal to {most}.")
    return int(size)


def _vector(item: Any, size: int) -> list[float]:
    seed = digest(item if isinstance(item, str) else repr(item))
    raw = []
    for _ in range(size):
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        raw.append((seed >> 11) / 2**52 - 1)
    length = math.sqrt(sum(value * value for value in raw)) or 1.0
    return [value / length for value in raw]


def _packed(vector: list[float], as_base64: bool) -> list[float] | str:
    if not as_base64:
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
