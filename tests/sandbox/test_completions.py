"""The endpoint before chat."""

import pytest

from tests.sandbox.kit import Caller


@pytest.fixture
def api():
    return Caller()


def completion(api, **fields):
    return api.post(
        "/v1/completions",
        {"model": "gpt-3.5-turbo-instruct", "prompt": "[[sandbox:say=one two three]]", **fields},
    )


def test_the_older_completions_endpoint_still_answers(api):
    """Whole, streamed, several prompts, stop and cap."""
    out = completion(api).json
    assert (out["object"], out["choices"][0]["text"]) == ("text_completion", "one two three")
    assert completion(api, stop=" two").json["choices"][0]["text"] == "one"
    assert completion(api, max_tokens=1).json["choices"][0]["finish_reason"] == "length"
    assert len(completion(api, prompt=["a", "b"], n=2).json["choices"]) == 4
    assert completion(api, prompt=[1, 2]).status == completion(api, prompt=None).status == 200
    events = completion(api, stream=True, stream_options={"include_usage": True}).events
    assert "".join(event["choices"][0]["text"] for event in events[:-2]) == "one two three"
    assert events[-2]["usage"]["completion_tokens"] == 3
    assert events[-1] == "[DONE]"


def test_the_older_completions_endpoint_turns_chat_models_away(api):
    """404 that names the right endpoint."""
    answer = completion(api, model="gpt-4.1")
    assert answer.status == 404
    assert "v1/chat/completions" in answer.error["message"]
    for wrong in ({"foo": 1}, {"prompt": 5}, {"prompt": "x" * 40_000}, {"stream_options": {}}):
        assert completion(api, **wrong).status == 400
