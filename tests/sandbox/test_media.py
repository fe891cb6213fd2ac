"""Speech, transcription and images."""

import base64

import pytest

from tests.sandbox.kit import Caller, form


@pytest.fixture
def api():
    return Caller()


def speech(api, **fields):
    return api.post(
        "/v1/audio/speech", {"model": "gpt-4o-mini-tts", "input": "hello there", "voice": "alloy", **fields}
    )


def test_speech_is_binary_and_comes_in_pieces(api):
    """A real WAV; the content type follows the format asked for."""
    answer = speech(api)
    assert answer.header("content-type") == "audio/mpeg"
    assert answer.body.startswith(b"RIFF")
    assert len(answer.writes) > 2
    assert speech(api, response_format="wav").header("content-type") == "audio/wav"
    events = speech(api, stream_format="sse").events
    assert events[-1]["type"] == "speech.audio.done"
    assert base64.b64decode(events[0]["audio"]).startswith(b"RIFF")


@pytest.mark.parametrize("wrong", [{"input": None}, {"voice": "robot"}, {"input": "x" * 4097}, {"speed": 9}, {"foo": 1}, {"model": None}], ids=lambda value: str(value)[:20])  # fmt: skip
def test_wrong_speech_is_refused(api, wrong):
    """400 each."""
    assert speech(api, **wrong).status == 400


def transcription(api, *more, model=b"whisper-1", sound=b"RIFFxxxx"):
    parts = form(("model", None, model), ("file", "a.wav", sound), *more)
    return api.send("POST", "/v1/audio/transcriptions", *parts)


def test_a_transcript_comes_as_asked(api):
    """JSON with usage, plain text, subtitles, or events."""
    out = transcription(api).json
    assert out["text"].startswith("Transcript")
    assert out["usage"]["type"] == "duration"
    assert transcription(api, model=b"gpt-4o-transcribe").json["usage"]["type"] == "tokens"
    text = transcription(api, ("response_format", None, b"text"))
    assert text.header("content-type").startswith("text/plain")
    assert transcription(api, ("response_format", None, b"srt")).body.startswith(b"1\n00:00")
    assert transcription(api, ("response_format", None, b"verbose_json")).json["segments"] == []
    events = transcription(api, ("stream", None, b"true"), model=b"gpt-4o-transcribe").events
    assert "".join(event["delta"] for event in events[:-1]) == events[-1]["text"]


def test_a_wrong_transcription_is_refused(api):
    """No file, empty file, odd format, format the model lacks."""
    assert api.send("POST", "/v1/audio/transcriptions", *form(("model", None, b"whisper-1"))).status == 400
    assert transcription(api, sound=b"").status == 400
    assert transcription(api, ("response_format", None, b"pdf")).status == 400
    assert transcription(api, ("response_format", None, b"srt"), model=b"gpt-4o-transcribe").status == 400


def test_images_are_png_and_counted(api):
    """As many as asked for."""
    out = api.post("/v1/images/generations", {"model": "gpt-image-1", "prompt": "a train", "n": 2}).json
    assert [base64.b64decode(item["b64_json"])[:4] for item in out["data"]] == [b"\x89PNG"] * 2
    assert out["usage"]["total_tokens"] == out["usage"]["input_tokens"] + out["usage"]["output_tokens"]
    assert api.post("/v1/images/generations", {"prompt": None}).status == 400
    assert api.post("/v1/images/generations", {"prompt": "x", "n": 11}).status == 400
