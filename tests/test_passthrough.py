"""The endpoints that are passed through, over real sockets: bodies and answers arrive as they were sent, never gathered."""

import hashlib
import http.client
import json
import os
import re
import signal
import socket
import time
from pathlib import Path

import openai
import pytest
import town
from echo import MIB, echo

UP = "sk-provider-of-the-echo"
KEYS = {"all": "sk-all", "one": "sk-one", "poor": "sk-poor", "trusting": "sk-trusting", "chatty": "sk-chatty"}


def _line(name, more):
    digest = hashlib.sha256(KEYS[name].encode()).hexdigest()
    return f'  - {{name: {name}, hash: "sha256:{digest}"{more}}}\n'


CONFIG = (
    """
auth: {mode: keys}
server: {drain_seconds: 0}
providers:
  openai: {base_url: "${OPENAI_BASE_URL}", api_key: "${OPENAI_API_KEY}"}
  away: {base_url: "http://127.0.0.1:9/v1", api_key: up}
aliases: {hearing: gpt-4o-transcribe}
keys:
"""
    + _line("all", "")
    + _line("one", ", models: [hearing, whisper-1]")
    + _line("poor", ", budgets: [{usd: 1, per: day}]")
    + _line("trusting", ", budgets: [{usd: 1, per: day, unpriced: allow}]")
    + _line("chatty", ", endpoints: [chat]")
)


@pytest.fixture(scope="module")
def _echoing():
    with (
        echo() as (url, seen),
        town.proxy(None, CONFIG, {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": UP}) as door,
    ):
        yield door, seen


@pytest.fixture
def echoing(_echoing):
    """A keys-mode proxy in front of an upstream that takes anything."""
    door, seen = _echoing
    seen.requests.clear()
    seen.bodies.clear()
    return door, seen


def call(door, method, path, body=b"", key="all", headers=None):
    """(status, headers, body) of one raw call."""
    line = http.client.HTTPConnection("127.0.0.1", door.port, timeout=30)
    try:
        sent = {"authorization": f"Bearer {KEYS[key]}", "content-type": "application/json", **(headers or {})}
        line.request(method, path, body, sent)
        answer = line.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        line.close()


def form(*parts):
    """(body, headers) of a multipart form: (name, value) or (name, filename, content)."""
    out = b""
    for name, *rest in parts:
        file = f'; filename="{rest[0]}"' if len(rest) == 2 else ""
        head = f'--xyz\r\ncontent-disposition: form-data; name="{name}"{file}\r\n\r\n'
        out += head.encode() + rest[-1] + b"\r\n"
    return out + b"--xyz--\r\n", {"content-type": "multipart/form-data; boundary=xyz"}


def own(door, object_id, path="/v1/files"):
    """Make the key `all` the owner of an object of this id."""
    body, headers = form(("purpose", b"user_data"), ("file", "a", b"x"))
    if path != "/v1/files":
        body, headers = b"{}", {}
    assert call(door, "POST", path, body, headers={**headers, "idempotency-key": object_id})[0] == 200


def code(body):
    return json.loads(body)["error"]["code"]


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


def resident(door, what):
    """Memory of the proxy's worker in bytes: `VmRSS` now, `VmHWM` at its peak."""
    for folder in Path("/proc").iterdir():
        with_parent = folder / "status"
        try:
            text = with_parent.read_text() if folder.name.isdigit() else ""
            if f"PPid:\t{door.process.pid}\n" in text and b"proxy." in (folder / "cmdline").read_bytes():
                return int(re.search(rf"{what}:\s+(\d+)", text)[1]) * 1024
        except OSError:
            continue
    raise AssertionError("no worker")


def test_a_large_upload_and_download_need_little_memory(echoing):
    """200 MiB up and 200 MiB down, byte for byte, while the worker grows by less than 40 MB."""
    door, _ = echoing
    own(door, "big-200")
    before = resident(door, "VmRSS")
    head, tail = form(("purpose", b"user_data"), ("file", "a", b"\0"))[0].split(b"\0")
    count, digest = 200, hashlib.sha256(head)
    line = http.client.HTTPConnection("127.0.0.1", door.port, timeout=60)
    line.putrequest("POST", "/v1/files")
    line.putheader("authorization", f"Bearer {KEYS['all']}")
    line.putheader("content-type", "multipart/form-data; boundary=xyz")
    line.putheader("content-length", str(len(head) + count * len(MIB) + len(tail)))
    line.endheaders(head)
    for _ in range(count):
        line.send(MIB)
        digest.update(MIB)
    line.send(tail)
    digest.update(tail)
    made = json.loads(line.getresponse().read())
    assert made["sha"] == digest.hexdigest()
    line.request("GET", "/v1/files/big-200/content", headers={"authorization": f"Bearer {KEYS['all']}"})
    answer, got = line.getresponse(), hashlib.sha256()
    assert answer.getheader("content-length") == str(200 * len(MIB))
    while piece := answer.read(1 << 20):
        got.update(piece)
    line.close()
    assert got.hexdigest() == hashlib.sha256(MIB * 200).hexdigest()
    grown = resident(door, "VmHWM") - before
    print(grown)
    assert grown < 40e6


def test_a_download_that_breaks_off_shows_it(echoing):
    """A binary answer has no error frames: the connection is cut short of the length it announced."""
    door, _ = echoing
    own(door, "cut-3")
    with pytest.raises(http.client.IncompleteRead):
        call(door, "GET", "/v1/files/cut-3/content")
    assert door.wait_for(lambda line: line.get("error") == "ConnectionCut" and line.get("finish") == "error")


def test_a_client_that_leaves_takes_the_upstream_call_with_it(echoing):
    """Half-way through a download, the connection to the provider is closed and the row says why."""
    door, seen = echoing
    own(door, "hang-9")
    gone = seen.gone
    with socket.create_connection(("127.0.0.1", door.port)) as line:
        line.sendall(
            b"GET /v1/files/hang-9/content HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-all\r\n\r\n"
        )
        assert line.recv(10)
    assert door.wait_for(lambda line: line.get("finish") == "client_gone" and line["endpoint"] == "files")
    until(lambda: seen.gone > gone)


def test_a_client_that_leaves_an_upload_takes_the_upstream_call_with_it(echoing):
    """A form that is never finished is not left open at the provider."""
    door, seen = echoing
    with socket.create_connection(("127.0.0.1", door.port)) as line:
        line.sendall(
            b"POST /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-all\r\ncontent-length: 900000\r\n"
            b"content-type: multipart/form-data; boundary=xyz\r\n\r\n--xyz\r\n" + b"y" * 200_000
        )
        until(lambda: seen.requests)
    until(lambda: seen.bodies)
    assert door.wait_for(lambda line: line.get("finish") == "client_gone" and line.get("status") == 499)


def until(condition, timeout_s=10):
    """Poll what another thread or process tells."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def test_a_drain_cuts_a_download_visibly():
    """When patience ends, a binary answer is broken off, not completed."""
    with (
        echo() as (url, _),
        town.proxy(None, CONFIG, {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": UP}) as door,
    ):
        own(door, "hang-9")
        line = http.client.HTTPConnection("127.0.0.1", door.port, timeout=30)
        line.request("GET", "/v1/files/hang-9/content", headers={"authorization": "Bearer sk-all"})
        answer = line.getresponse()
        assert answer.read(1000)
        door.signal(signal.SIGTERM)
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            answer.read()
        line.close()
        assert door.wait_for(lambda line: line.get("finish") == "cut")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/uploads/up_1/cancel"),
        ("POST", "/v1/conversations/conv_1"),
        ("POST", "/v1/conversations/conv_1/items"),
        ("GET", "/v1/conversations/conv_1/items?limit=2"),
        ("DELETE", "/v1/conversations/conv_1/items/msg_1"),
        ("DELETE", "/v1/conversations/conv_1"),
        ("GET", "/v1/responses/resp_1?stream=true&starting_after=3"),
        ("POST", "/v1/responses/resp_1/cancel"),
    ],
)
def test_calls_about_stored_objects_go_up_as_they_are(echoing, method, path):
    """Path and query reach the provider byte for byte, with our key and not the caller's."""
    door, seen = echoing
    for made, where in (
        ("up_1", "/v1/uploads"),
        ("conv_1", "/v1/conversations"),
        ("resp_1", "/v1/conversations"),
    ):
        own(door, made, where)
    seen.requests.clear()
    assert call(door, method, path, b"{}" if method == "POST" else b"")[0] == 200
    assert [(method, path)] == [(how, where) for how, where, _ in seen.requests]
    assert seen.requests[0][2]["authorization"] == f"Bearer {UP}"


def test_an_id_that_a_caller_chose_takes_nothing_from_its_owner(echoing):
    """Some servers name an object as its maker wishes; the first maker keeps it."""
    door, _ = echoing
    own(door, "f_taken")
    body, headers = form(("purpose", b"user_data"), ("file", "a", b"x"))
    call(door, "POST", "/v1/files", body, "one", {**headers, "idempotency-key": "f_taken"})
    assert call(door, "GET", "/v1/files/f_taken", key="one")[0] == 404
    assert call(door, "GET", "/v1/files/f_taken")[0] == 200


def test_an_upload_in_parts_ends_in_a_file_of_ones_own(echoing):
    """Parts are forms; what completing makes belongs to the key."""
    door, _ = echoing
    own(door, "up_9", "/v1/uploads")
    body, headers = form(("data", "part", b"z" * 100_000))
    status, _, answer = call(door, "POST", "/v1/uploads/up_9/parts", body, headers=headers)
    assert (status, json.loads(answer)["sha"]) == (200, hashlib.sha256(body).hexdigest())
    done = json.loads(call(door, "POST", "/v1/uploads/up_9/complete", b'{"part_ids": []}')[2])
    assert call(door, "GET", f"/v1/files/{done['file']['id']}")[0] == 200
    assert call(door, "GET", f"/v1/files/{done['file']['id']}", key="one")[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "/v1/files/f_1%2Fcontent",
        "/v1/files/..%2Fmodels",
        "/v1/files/../models",
        "/v1/files/%66_1",
        "/v1//files/f_1",
        "/v1/files/f_1/",
        "/v1/files/f_1/content/more",
    ],
)
def test_a_crafted_path_reaches_nobody(echoing, path):
    """What is judged is what goes up: an escape or a dot cannot mean one object here and another there."""
    door, seen = echoing
    own(door, "f_1")
    seen.requests.clear()
    assert call(door, "GET", path)[0] == 404
    assert seen.requests == []


@pytest.mark.parametrize(
    "part", ["realtime", "assistants", "threads/t_1", "fine_tuning/jobs", "vector_stores"]
)
def test_what_is_left_out_says_so(echoing, part):
    """A 404 in OpenAI's shape that says it is on purpose."""
    door, seen = echoing
    status, _, body = call(door, "POST", f"/v1/{part}", b"{}")
    assert status == 404
    assert "on purpose" in json.loads(body)["error"]["message"]
    assert seen.requests == []


def test_another_method_is_a_405(echoing):
    """A path that exists, with a method it does not take."""
    door, _ = echoing
    status, _, body = call(door, "PUT", "/v1/files", b"{}")
    assert (status, code(body)) == (405, "method_not_supported")


def test_a_key_without_the_endpoint_is_turned_away(echoing):
    """`endpoints` of a key counts here as elsewhere, and so does having a key."""
    door, _ = echoing
    status, _, body = call(door, "GET", "/v1/files", key="chatty")
    assert (status, code(body)) == (403, "endpoint_not_allowed")
    assert call(door, "GET", "/v1/files", headers={"authorization": "Bearer nobody"})[0] == 401


SOUND = ("file", "a.wav", b"s" * 5000)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/images/generations", (b'{"model": "gpt-image-1", "prompt": "x"}', {})),
        ("/v1/audio/speech", (b'{"model": "tts-1", "input": "x", "voice": "alloy"}', {})),
        ("/v1/audio/transcriptions", form(("model", b"whisper-1"), SOUND)),
        ("/v1/batches", (b'{"endpoint": "/v1/responses"}', {})),
    ],
)
def test_what_cannot_be_bounded_is_refused_under_a_hard_budget(echoing, path, body):
    """403 `endpoint_not_budgeted`, unless the budget says `unpriced: allow`; without a budget it just works."""
    door, seen = echoing
    content, headers = body
    status, _, refused = call(door, "POST", path, content, "poor", headers)
    assert (status, code(refused)) == (403, "endpoint_not_budgeted")
    assert seen.requests == []
    assert call(door, "POST", path, content, "trusting", headers)[0] == 200
    assert call(door, "POST", path, content, "all", headers)[0] == 200


def test_files_cost_nothing(echoing):
    """A key under a hard budget may keep files."""
    door, _ = echoing
    body, headers = form(("purpose", b"user_data"), ("file", "a", b"x"))
    status, down, _ = call(door, "POST", "/v1/files", body, "poor", headers)
    assert status == 200
    assert down["x-switchyard-budget-remaining-usd"] == "1.000000000"


def test_a_key_limited_in_models_must_name_one_of_them(echoing):
    """The model of a form is found before or after its file; one that is not allowed never reaches the provider."""
    door, seen = echoing
    hear = "/v1/audio/transcriptions"
    for parts in ([("model", b"whisper-1"), SOUND], [SOUND, ("model", b"whisper-1")]):
        body, headers = form(*parts)
        status, _, answer = call(door, "POST", hear, body, "one", headers)
        assert (status, json.loads(answer)["sha"]) == (200, hashlib.sha256(body).hexdigest())
    seen.requests.clear()
    for parts in (
        [("model", b"gpt-4o-mini-transcribe"), SOUND],
        [("model", b"whisper-1"), ("model", b"tts-1"), SOUND],
        [SOUND],
        [("model", "m", b"whisper-1"), SOUND],
        [("Model", b"tts-1"), ("model", b"whisper-1"), SOUND],
    ):
        body, headers = form(*parts)
        assert call(door, "POST", hear, body, "one", headers)[0] in (400, 403)
    large = ("file", "a.wav", b"s" * 2_000_000)
    body, headers = form(large, ("model", b"whisper-1"))
    status, _, answer = call(door, "POST", hear, body, "one", headers)
    assert (status, "before the file" in json.loads(answer)["error"]["message"]) == (400, True)
    assert call(door, "POST", "/v1/images/generations", b'{"prompt": "x"}', "one")[0] == 400
    assert (
        call(door, "POST", "/v1/images/generations", b'{"prompt": "x", "model": "gpt-image-1"}', "one")[0]
        == 403
    )
    assert seen.requests == []


def test_a_second_model_behind_the_file_ends_the_call(echoing):
    """The rest of the form is watched while it passes: the provider never gets the end of it."""
    door, seen = echoing
    body, headers = form(("model", b"whisper-1"), ("file", "a.wav", b"s" * 3_000_000), ("model", b"tts-1"))
    assert call(door, "POST", "/v1/audio/transcriptions", body, "one", headers)[0] == 400
    until(lambda: len(seen.bodies) == len(seen.requests))
    assert not seen.bodies or seen.bodies[0] < len(body)


def test_an_alias_is_spelled_out_in_a_form(echoing):
    """The form's model is replaced where it stands, and the length with it."""
    door, _ = echoing
    body, headers = form(("model", b"hearing"), SOUND)
    answer = json.loads(call(door, "POST", "/v1/audio/transcriptions", body, headers=headers)[2])
    there = body.replace(b"hearing", b"gpt-4o-transcribe")
    assert (answer["bytes"], answer["sha"]) == (len(there), hashlib.sha256(there).hexdigest())


def test_an_upload_of_unknown_length_stays_one(echoing):
    """A chunked form goes up chunked, its bytes unchanged."""
    door, seen = echoing
    body, headers = form(("purpose", b"user_data"), ("file", "a", b"c" * 300_000))
    pieces = (body[start : start + 7000] for start in range(0, len(body), 7000))
    answer = json.loads(call(door, "POST", "/v1/files", pieces, headers=headers)[2])
    assert answer["sha"] == hashlib.sha256(body).hexdigest()
    assert seen.requests[-1][2]["transfer-encoding"] == "chunked"


def test_a_body_beyond_the_largest_file_is_refused_unread(echoing):
    """413 by its declared length, before a byte of it is taken."""
    door, seen = echoing
    with socket.create_connection(("127.0.0.1", door.port)) as line:
        line.sendall(
            b"POST /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-all\r\ncontent-length: 600000000\r\n"
            b"content-type: multipart/form-data; boundary=xyz\r\n\r\n"
        )
        assert line.recv(100).startswith(b"HTTP/1.1 413")
    assert seen.requests == []


def test_what_is_about_our_key_is_masked(client, door, upstream):
    """The provider's 401 is ours to mend: the client gets a 503 without a word of our key."""
    upstream.control(reject_keys=[town.PROVIDER_KEY])
    try:
        with pytest.raises(openai.InternalServerError) as met:
            client.files.list()
    finally:
        upstream.control(reject_keys=[])
    assert met.value.status_code == 503
    assert town.PROVIDER_KEY not in str(met.value.response.content)


def test_a_provider_that_quotes_our_key_is_not_quoted(echoing):
    """Its other errors pass as they are, with our credentials blotted out."""
    door, _ = echoing
    own(door, "quote")
    status, _, body = call(door, "GET", "/v1/files/quote")
    assert (status, json.loads(body)["error"]["type"]) == (400, "invalid_request_error")
    assert UP.encode() not in body


def test_each_call_leaves_a_row(client, door):
    """One final line with endpoint, status and no cost."""
    raw = client.files.with_raw_response.list()
    row = door.row(raw.headers["x-switchyard-request-id"])
    assert (row["endpoint"], row["status"], row["cost_nano"]) == ("files", 200, 0)


def test_a_provider_that_is_away_is_a_503(echoing):
    """Nobody listens where the provider should be: SDKs may try again."""
    door, _ = echoing
    body, headers = form(("model", b"away/whisper-1"), ("file", "a", b"x" * 500_000))
    status, down, answer = call(door, "POST", "/v1/audio/transcriptions", body, headers=headers)
    assert (status, down["retry-after"]) == (503, "1")
    assert json.loads(answer)["error"]["type"] == "server_error"


@pytest.mark.parametrize(
    ("path", "model", "up"),
    [
        ("/chat/completions", "gpt-4.1-mini", "/chat/completions"),
        ("/chat/completions", "o4-mini", "/responses"),
        ("/responses", "gpt-4.1-mini", "/responses"),
    ],
)
def test_a_query_goes_up_with_its_call(echoing, path, model, up):
    """As clients with a `default_query` send it, whichever endpoint answers in the end."""
    door, seen = echoing
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "input": "hi", "tools": [tool]}
    call(door, "POST", f"/v1{path}?version=7&x=%20y", json.dumps(body).encode())
    assert seen.requests[0][1] == f"/v1{up}?version=7&x=%20y"
