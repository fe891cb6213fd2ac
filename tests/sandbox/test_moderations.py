"""Moderations."""

import pytest

from tests.sandbox.kit import Caller


@pytest.fixture
def api():
    return Caller()


def test_moderation_flags_by_plain_words(api):
    """Each text on its own; parts together."""
    out = api.post("/v1/moderations", {"input": ["I will kill you", "hello"]}).json
    assert [result["flagged"] for result in out["results"]] == [True, False]
    parts = [{"type": "text", "text": "gore"}, {"type": "image_url", "image_url": {"url": "https://x"}}]
    (result,) = api.post("/v1/moderations", {"input": parts}).json["results"]
    assert result["category_applied_input_types"]["violence/graphic"] == ["text", "image"]
    assert api.post("/v1/moderations", {}).status == 400
    assert api.post("/v1/moderations", {"input": 5}).status == 400
