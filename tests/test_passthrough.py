"""The endpoints that are passed through, over real sockets: bodies and answers arrive as they were sent, never gathered."""

import json
import os

import openai
import pytest


@pytest.fixture
def client(door):
    with openai.OpenAI(base_url=door.url, api_key="any", max_retries=0) as made:
        yield made


@pytest.fixture
def direct(upstream):
    with openai.OpenAI(base_url=f"{upstream.url}/v1", api_key="any", max_retries=0) as made:
        yield made


def test_speech_streams_down_as_it_was_said(client, direct):
    """A binary answer is upstream's byte for byte, with its content type."""
    wish = {"model": "tts-1", "voice": "alloy", "input": "Good morning to all of you. " * 20}
    said = client.audio.speech.create(**wish)
    assert said.content == direct.audio.speech.create(**wish).content
    assert said.response.headers["content-type"] == "audio/mpeg"
    assert "set-cookie" not in said.response.headers


def test_a_transcription_goes_up_as_the_form_it_was(client, direct):
    """The transcript depends on every byte of the file: it is the one upstream gives without us."""
    sound = os.urandom(300_000)
    asked = {"model": "whisper-1", "file": ("a.wav", sound), "language": "en"}
    heard = client.audio.transcriptions.create(**asked)
    assert heard.text == direct.audio.transcriptions.create(**asked).text
    assert client.audio.translations.create(model="whisper-1", file=("a.wav", sound)).text


def test_a_transcription_streams_its_events(client):
    """Server-sent events of a passed-through endpoint reach the client as events."""
    events = client.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=("a.wav", b"x" * 5000), stream=True
    )
    kinds = [event.type for event in events]
    assert kinds[-1] == "transcript.text.done"
    assert "transcript.text.delta" in kinds


def test_an_image_is_made(client, direct):
    """A JSON endpoint without token prices is passed through with its model named."""
    made = client.images.generate(model="gpt-image-1", prompt="a lighthouse")
    assert (
        made.data[0].b64_json
        == direct.images.generate(model="gpt-image-1", prompt="a lighthouse").data[0].b64_json
    )


def test_files_live_from_upload_to_deletion(client):
    """Upload, describe, list, download and delete, as an app does it."""
    content = b'{"a": 1}\n' * 1000
    made = client.files.create(file=("in.jsonl", content), purpose="batch")
    assert client.files.retrieve(made.id).bytes == len(content)
    assert made.id in [each.id for each in client.files.list()]
    downloaded = client.files.content(made.id)
    assert downloaded.content == content
    assert "in.jsonl" in downloaded.response.headers["content-disposition"]
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)


def test_a_batch_runs(client):
    """A batch is made from a file, listed, looked at, and its output read."""
    line = {
        "custom_id": "one",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Hi"}]},
    }
    made = client.files.create(file=("in.jsonl", json.dumps(line).encode()), purpose="batch")
    batch = client.batches.create(
        input_file_id=made.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert batch.id in [each.id for each in client.batches.list()]
    done = client.batches.retrieve(batch.id)
    assert b'"custom_id":"one"' in client.files.content(done.output_file_id).content
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(batch.id)


def test_a_stored_response_is_read_and_deleted(client):
    """Responses by id: read, list what was sent, cancel refused, delete."""
    made = client.responses.create(model="gpt-4.1-mini", input="Say hello.")
    assert client.responses.retrieve(made.id).output_text == made.output_text
    assert client.responses.input_items.list(made.id).data[0].content[0].text == "Say hello."
    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(made.id)
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_a_stored_chat_completion_is_read(client):
    """Chat completions kept with `store: true` can be listed and read."""
    made = client.chat.completions.create(
        model="gpt-4.1-mini", messages=[{"role": "user", "content": "Hi"}], store=True
    )
    assert client.chat.completions.retrieve(made.id).id == made.id
    assert made.id in [each.id for each in client.chat.completions.list()]
