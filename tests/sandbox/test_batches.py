"""Batches: one answer per line, refusals apart, and an end that stays."""

import json

import pytest

from tests.sandbox.kit import Caller, chat_body, form


@pytest.fixture
def api():
    return Caller()


def upload(api, content, purpose=b"batch"):
    return api.send("POST", "/v1/files", *form(("purpose", None, purpose), ("file", "in.jsonl", content)))


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
