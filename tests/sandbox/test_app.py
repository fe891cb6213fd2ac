"""The door: keys, URLs, headers, Azure's paths, the call log and the switches."""

import pytest

from tests.sandbox.kit import KEY, NOW, Caller, chat_body


@pytest.fixture
def api():
    return Caller()


def test_no_key_is_a_401_without_a_code(api):
    """And with the long explanation."""
    answer = api.post("/v1/chat/completions", chat_body("gpt-4.1"), headers={})
    assert answer.status == 401
    assert answer.error["code"] is None
    assert answer.error["message"].startswith("You didn't provide an API key.")


def test_a_wrong_key_is_a_401_that_shows_only_its_ends():
    """invalid_api_key; which keys are wrong can be switched."""
    api = Caller(reject_keys=frozenset({"sk-wrong-0123456789abcd"}))
    answer = api.post(
        "/v1/chat/completions", chat_body("gpt-4.1"), {"authorization": "Bearer sk-wrong-0123456789abcd"}
    )
    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    assert "sk-wrong***********abcd" in answer.error["message"]
    api.post("/sandbox/control", {"accept_keys": ["other"]})
    assert api.chat().status == 401
    api.post("/sandbox/control", {"accept_keys": None, "reject_keys": []})
    assert api.chat().status == 200


def test_unknown_urls_and_methods_are_refused_by_name(api):
    """404 Invalid URL with code null; 405 where only the method is wrong."""
    answer = api.post("/v1/engines", {})
    assert answer.status == 404
    assert answer.error["message"] == "Invalid URL (POST /v1/engines)"
    assert answer.error["code"] is None
    assert api.send("PUT", "/v1/chat/completions").status == 405
    assert api.send("PUT", "/v1/models/gpt-5").status == 405


@pytest.mark.parametrize("status", [200, 400, 404])
def test_every_answer_carries_the_providers_headers(api, status):
    """Including the cookie that must not travel further."""
    answer = {200: api.chat(), 400: api.chat(foo=1), 404: api.chat("nope")}[status]
    assert answer.status == status
    for name in (
        "x-request-id",
        "openai-processing-ms",
        "openai-version",
        "openai-organization",
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-requests",
        "set-cookie",
    ):
        assert answer.header(name), name
    assert answer.header("content-type") == "application/json"


def test_request_ids_differ_though_answers_do_not(api):
    """The same body twice."""
    assert api.chat().header("x-request-id") != api.chat().header("x-request-id")


def test_azure_paths_name_the_model_in_the_url(api):
    """And take the key in `api-key`."""
    path = "/openai/deployments/my-gpt-4.1-mini/chat/completions?api-version=2024-10-21"
    body = chat_body(..., "hi")
    answer = api.post(path, body, {"api-key": "azure-key"})
    assert answer.json["model"] == "gpt-4.1-mini-2025-04-14"
    assert (api.last.key, api.last.query) == ("azure-key", "api-version=2024-10-21")


def test_the_log_holds_what_came_in_and_how_it_ended(api):
    """Headers, body, model, tokens, cost; readable and clearable over HTTP."""
    api.chat("gpt-5", "hi", user="u1")
    api.chat("nope")
    first, second = api.send("GET", "/sandbox/calls").json
    assert first["body"]["user"] == "u1"
    assert first["headers"]["authorization"] == KEY["authorization"]
    assert (first["asked"], first["served"]) == ("gpt-5", "gpt-5-2025-08-07")
    assert (first["outcome"], first["status"], first["billed"]) == ("answered", 200, True)
    assert first["bill"]["output"] > first["bill"]["reasoning"] > 0
    assert first["at"] == NOW
    assert (second["outcome"], second["error_code"], second["billed"]) == (
        "refused",
        "model_not_found",
        False,
    )
    assert len(api.send("GET", f"/sandbox/calls?since={first['n']}").json) == 1
    assert api.send("GET", "/sandbox/calls?path=/v1/embeddings").json == []
    api.send("DELETE", "/sandbox/calls")
    assert api.send("GET", "/sandbox/calls").json == []
    assert api.send("GET", "/sandbox/totals").json.get("calls", 0) == 0


def test_the_log_is_a_ring_but_totals_go_on():
    """Bounded memory, complete sums."""
    api = Caller(log_size=2)
    for _ in range(3):
        api.chat()
    assert len(api.send("GET", "/sandbox/calls").json) == 2
    assert api.send("GET", "/sandbox/totals").json["calls"] == 3


@pytest.mark.parametrize(
    "wish",
    [{"moon": 1}, {"today": "soon"}, {"doubts": ["everything"]}, {"time_scale": "x"}, {"revive": 5}],
    ids=str,
)
def test_a_switch_that_does_not_exist_is_refused(api, wish):
    """By name."""
    assert api.post("/sandbox/control", wish).status == 400
    assert api.send("GET", "/sandbox/control").json["revive"] == []


def test_the_control_desk_has_its_own_404_and_refuses_broken_json(api):
    """Nothing is silently ignored."""
    assert api.send("GET", "/sandbox/nothing").status == 404
    assert api.send("POST", "/sandbox/faults", b"{").status == 400
    assert api.send("GET", "/sandbox/calls?since=x").status == 400
