"""Embeddings: both encodings, every kind of input, sizes, and refusals."""

import base64
import math
import struct

import pytest

from tests.sandbox.kit import Caller


@pytest.fixture
def api():
    return Caller()


def embed(api, **fields):
    return api.post("/v1/embeddings", {"model": "text-embedding-3-small", "input": "hi", **fields})


def test_base64_and_floats_are_the_same_vector(api):
    """Little-endian float32; unit length; always the same."""
    floats = embed(api).json["data"][0]["embedding"]
    packed = base64.b64decode(embed(api, encoding_format="base64").json["data"][0]["embedding"])
    assert struct.unpack("<1536f", packed) == pytest.approx(floats, rel=1e-6)
    assert math.isclose(sum(value * value for value in floats), 1, rel_tol=1e-9)


@pytest.mark.parametrize(
    ("given", "size"), [("a", 1), (["a", "b"], 2), ([1, 2, 3], 1), ([[1], [2, 3]], 2)], ids=str
)
def test_texts_and_tokens_in_any_number(api, given, size):
    """A string, strings, a token list, token lists."""
    out = embed(api, input=given).json
    assert [item["index"] for item in out["data"]] == list(range(size))
    assert out["usage"]["prompt_tokens"] == out["usage"]["total_tokens"] > 0


def test_dimensions_shorten_the_vector(api):
    """Up to the model's own."""
    assert len(embed(api, dimensions=7).json["data"][0]["embedding"]) == 7
    assert len(embed(api, model="text-embedding-3-large").json["data"][0]["embedding"]) == 3072
    assert embed(api, dimensions=1537).status == 400


@pytest.mark.parametrize(
    "fields",
    [{"input": None}, {"input": ""}, {"input": []}, {"input": ["a", 1]}, {"input": ["a"] * 2049}, {"input": {}},
     {"encoding_format": "hex"}, {"foo": 1}, {"input": "x" * 40_000}, {"input": ["x" * 32_000] * 40}],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_wrong_input_is_refused(api, fields):
    """400 each."""
    assert embed(api, **fields).status == 400


def test_the_bill_counts_input_only(api):
    """And the log knows it even when the answer hides it."""
    embed(api, input="[[sandbox:no_usage]]")
    assert (api.last.bill.output, api.last.cost_nano) == (0, api.last.bill.prompt * 20)
