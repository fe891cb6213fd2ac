"""The catalogue by date: who answers today, who is listed, and what a retired name gets."""

from datetime import date

import pytest

from proxy.sandbox.catalogue import MODELS
from tests.sandbox.kit import Caller

GONE = "The model `{}` has been deprecated, learn more here: https://platform.openai.com/docs/deprecations"
SHUTDOWNS = {
    "o1": "2026-10-23",
    "o3-mini": "2026-10-23",
    "o4-mini": "2026-10-23",
    "gpt-4.1-nano": "2026-10-23",
    "gpt-4": "2026-10-23",
    "gpt-3.5-turbo": "2026-10-23",
    "o3": "2026-12-11",
    "gpt-5": "2026-12-11",
    "gpt-5-mini": "2026-12-11",
    "gpt-5-nano": "2026-12-11",
    "gpt-4.1": "2027-01-14",
    "gpt-4.1-mini": "2027-01-14",
    "gpt-4o": "2027-01-14",
    "gpt-4o-mini": "2027-01-14",
    "gpt-5.1": "2027-04-01",
    "gpt-5.4-nano": "2027-04-01",
}


@pytest.mark.parametrize(("model", "day"), SHUTDOWNS.items())
def test_a_model_answers_until_the_eve_and_is_gone_on_the_day(model, day):
    """00:00 UTC of the date; the snapshot goes with the name."""
    last = date.fromisoformat(day)
    eve = Caller(today=date.fromordinal(last.toordinal() - 1))
    assert eve.chat(model).status == 200
    for name in (model, MODELS[model].snapshot):
        answer = Caller(today=last).chat(name)
        assert answer.status == 404
        assert answer.error == {
            "message": GONE.format(name),
            "type": "invalid_request_error",
            "param": None,
            "code": "model_not_found",
        }


def test_the_clock_decides_unless_a_day_is_set():
    """On 2026-11-18 o4-mini is gone and gpt-5-mini is not; revived names answer again."""
    api = Caller()
    assert (api.chat("o4-mini").status, api.chat("gpt-5-mini").status) == (404, 200)
    assert api.post("/sandbox/control", {"today": "2026-12-12"}).json["today"] == "2026-12-12"
    assert api.chat("gpt-5-mini").status == 404
    api.post("/sandbox/control", {"revive": ["o4-mini"]})
    assert (api.chat("o4-mini").status, api.chat("o3-mini").status) == (200, 404)
    api.post("/sandbox/control", {"revive": True, "today": None})
    assert api.chat("o3-mini").status == 200


def test_every_model_has_its_shutdown_date_in_the_list():
    """YYYY-MM-DD or null; retired and hidden models are not listed; snapshots share the date."""
    api = Caller()
    listed = {item["id"]: item for item in api.send("GET", "/v1/models").json["data"]}
    assert listed["gpt-4.1-mini"]["shutdown_date"] == "2027-01-14"
    assert listed["gpt-4.1-mini-2025-04-14"]["shutdown_date"] == "2027-01-14"
    assert listed["gpt-6-luna"]["shutdown_date"] is None
    assert set(listed["gpt-6-luna"]) == {"id", "object", "created", "owned_by", "shutdown_date"}
    assert "o4-mini" not in listed
    api.post("/sandbox/control", {"hidden_models": ["gpt-6-luna"]})
    assert "gpt-6-luna" not in {item["id"] for item in api.send("GET", "/v1/models").json["data"]}
    assert api.chat("gpt-6-luna").error["code"] == "model_not_found"


def test_one_model_can_be_looked_up():
    """404 for the retired and the unknown."""
    api = Caller()
    assert api.send("GET", "/v1/models/gpt-5.6").json["id"] == "gpt-5.6"
    for name in ("o4-mini", "nope"):
        answer = api.send("GET", f"/v1/models/{name}")
        assert answer.status == 404
        assert answer.error["code"] == "model_not_found"


def test_an_unknown_model_is_a_404_with_its_name():
    """The sentence clients print."""
    answer = Caller().chat("gpt-99")
    assert answer.status == 404
    assert answer.error["message"] == "The model `gpt-99` does not exist or you do not have access to it."


@pytest.mark.parametrize(
    ("path", "model", "more"),
    [
        ("/v1/embeddings", "gpt-4.1", {"input": "x"}),
        ("/v1/chat/completions", "tts-1", {"messages": [{"role": "user", "content": "x"}]}),
        ("/v1/audio/speech", "gpt-4.1", {"input": "x", "voice": "alloy"}),
    ],
)
def test_a_model_on_the_wrong_endpoint_is_a_404(path, model, more):
    """With `model` as the parameter at fault."""
    answer = Caller().post(path, {"model": model, **more})
    assert (answer.status, answer.error["param"]) == (404, "model")
