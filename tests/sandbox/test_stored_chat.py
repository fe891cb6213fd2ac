"""Completions kept with `store: true`."""

import pytest

from tests.sandbox.kit import Caller


@pytest.fixture
def api():
    return Caller()


def test_a_stored_completion_can_be_fetched_listed_and_deleted(api):
    """Only with store: true."""
    kept, lost = api.chat(store=True).json["id"], api.chat(text="no").json["id"]
    assert api.send("GET", f"/v1/chat/completions/{kept}").json["id"] == kept
    assert api.send("GET", f"/v1/chat/completions/{lost}").status == 404
    assert [item["id"] for item in api.send("GET", "/v1/chat/completions").json["data"]] == [kept]
    assert api.post(f"/v1/chat/completions/{kept}", {"metadata": {"a": "b"}}).json["metadata"] == {"a": "b"}
    assert api.send("DELETE", f"/v1/chat/completions/{kept}").json["deleted"] is True
    assert api.send("GET", f"/v1/chat/completions/{kept}").status == 404
