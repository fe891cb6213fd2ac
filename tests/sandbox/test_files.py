"""Files: bytes out as they came in, lists, deletion."""

import pytest

from tests.sandbox.kit import Caller, form


@pytest.fixture
def api():
    return Caller()


def upload(api, content, purpose=b"batch"):
    return api.send("POST", "/v1/files", *form(("purpose", None, purpose), ("file", "in.jsonl", content)))


def test_a_file_comes_back_as_it_went(api):
    """Bytes that look like boundaries and newlines included."""
    content = b"line\r\n--XY\r\n\x00\xff"
    about = upload(api, content).json
    assert about["bytes"] == len(content)
    assert about["filename"] == "in.jsonl"
    answer = api.send("GET", f"/v1/files/{about['id']}/content")
    assert answer.body == content
    assert answer.header("content-type") == "application/octet-stream"
    assert api.send("GET", f"/v1/files/{about['id']}").json == about


def test_files_are_listed_newest_first_and_can_be_deleted(api):
    """With purpose, limit and after."""
    ids = [upload(api, name).json["id"] for name in (b"a", b"b", b"c")]
    listed = api.send("GET", "/v1/files?limit=2").json
    assert ([item["id"] for item in listed["data"]], listed["has_more"]) == ([ids[2], ids[1]], True)
    assert [item["id"] for item in api.send("GET", f"/v1/files?after={ids[1]}").json["data"]] == [ids[0]]
    assert api.send("GET", "/v1/files?purpose=vision").json["data"] == []
    assert api.send("DELETE", f"/v1/files/{ids[0]}").json["deleted"] is True
    assert api.send("GET", f"/v1/files/{ids[0]}").status == 404
