"""Files and batches: multipart in, bytes out, one answer per line."""

import json

import pytest

from tests.sandbox.kit import KEY, Caller, chat_body


@pytest.fixture
def api():
    return Caller()


def form(*parts, kind="multipart/form-data; boundary=XYZ"):
    """(name, filename or None, content) parts."""
    out = b""
    for name, filename, content in parts:
        named = f'; filename="{filename}"' if filename else ""
        out += (
            f'--XYZ\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode()
            + content
            + b"\r\n"
        )
    return out + b"--XYZ--\r\n", {**KEY, "content-type": kind}


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


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{}", {**KEY, "content-type": "application/json"}),
        (b"nothing", {**KEY, "content-type": "multipart/form-data; boundary=XYZ"}),
        (b"--XYZ\r\nbroken\r\n--XYZ--\r\n", {**KEY, "content-type": "multipart/form-data; boundary=XYZ"}),
        form(("purpose", None, b"batch")),
        form(("file", "a", b"x")),
        form(("purpose", None, b"fun"), ("file", "a", b"x")),
    ],
    ids=["json", "no parts", "broken part", "no file", "no purpose", "odd purpose"],
)
def test_a_broken_upload_is_a_400(api, body, headers):
    """Never a crash."""
    assert api.send("POST", "/v1/files", body, headers).status == 400


def batch(api, *lines, endpoint="/v1/chat/completions"):
    held = upload(api, b"\n".join(json.dumps(line).encode() for line in lines)).json["id"]
    return api.post("/v1/batches", {"input_file_id": held, "endpoint": endpoint, "completion_window": "24h"})


def line(name, **fields):
    return {
        "custom_id": name,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": chat_body("gpt-4.1", **fields),
    }


def test_a_batch_answers_each_line_and_puts_refusals_apart(api):
    """validating, then completed with an output file and an error file."""
    made = batch(api, line("a"), line("b", foo=1), {"odd": 1}).json
    assert made["status"] == "validating"
    done = api.send("GET", f"/v1/batches/{made['id']}").json
    assert done["status"] == "completed"
    assert done["request_counts"] == {"total": 3, "completed": 1, "failed": 2}
    out = json.loads(api.send("GET", f"/v1/files/{done['output_file_id']}/content").body)
    assert (out["custom_id"], out["response"]["body"]["object"]) == ("a", "chat.completion")
    errors = api.send("GET", f"/v1/files/{done['error_file_id']}/content").body.splitlines()
    assert json.loads(errors[0])["response"]["status_code"] == 400
    assert api.send("GET", "/v1/batches").json["data"][0]["id"] == made["id"]


def test_a_waiting_batch_can_be_cancelled_and_a_finished_one_cannot(api):
    """409 afterwards."""
    made = batch(api, line("a")).json["id"]
    assert api.send("POST", f"/v1/batches/{made}/cancel").json["status"] == "cancelled"
    assert api.send("POST", f"/v1/batches/{made}/cancel").status == 409
    assert api.send("GET", "/v1/batches/batch_none").status == 404


@pytest.mark.parametrize("wrong", [{"endpoint": "/v1/moon"}, {"completion_window": "1h"}, {"input_file_id": "file-none"}, {"endpoint": None}], ids=str)  # fmt: skip
def test_a_wrong_batch_is_refused(api, wrong):
    """By what is wrong with it."""
    held = upload(api, b"{}").json["id"]
    body = {"input_file_id": held, "endpoint": "/v1/responses", "completion_window": "24h", **wrong}
    assert api.post("/v1/batches", body).status in (400, 404)
    vision = upload(api, b"{}", b"vision").json["id"]
    assert (
        api.post(
            "/v1/batches",
            {**body, "endpoint": "/v1/responses", "completion_window": "24h", "input_file_id": vision},
        ).status
        == 400
    )
