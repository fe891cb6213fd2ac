"""What one key stores does not exist for another: two keys cross everywhere they can, with the SDK and with crafted calls."""

import hashlib
import json
import urllib.request
from urllib.error import HTTPError

import openai
import pytest
import town

A, B, FEW = "sk-tenant-a", "sk-tenant-b", "sk-tenant-few"
CONFIG = """
auth: {mode: keys}
providers:
  openai: {base_url: "${OPENAI_BASE_URL}", api_key: "${OPENAI_API_KEY}"}
keys:
"""


def keys(*lines):
    return CONFIG + "".join(lines)


TWO = """
auth: {mode: keys}
providers:
  openai: {base_url: "${OPENAI_BASE_URL}", api_key: "${OPENAI_API_KEY}"}
  other: {base_url: "${OTHER_URL}", api_key: other}
keys:
"""


def key(name, secret, more=""):
    digest = hashlib.sha256(secret.encode()).hexdigest()
    return f'  - {{name: {name}, hash: "sha256:{digest}"{more}}}\n'


@pytest.fixture(scope="module")
def house():
    with (
        town.sandbox() as upstream,
        town.proxy(
            upstream, keys(key("a", A), key("b", B), key("few", FEW, ", models: [gpt-4.1-mini]"))
        ) as door,
        openai.OpenAI(base_url=door.url, api_key=A, max_retries=0) as ours,
        openai.OpenAI(base_url=door.url, api_key=B, max_retries=0) as theirs,
    ):
        yield upstream, ours, theirs


@pytest.fixture
def upstream(house):
    house[0].forget()
    return house[0]


@pytest.fixture
def ours(house):
    return house[1]


@pytest.fixture
def theirs(house):
    return house[2]


def missing(call, *args, **named):
    """The 404 that a call meets."""
    with pytest.raises(openai.NotFoundError) as met:
        call(*args, **named)
    return met.value


def test_a_response_belongs_to_the_key_that_made_it(ours, theirs, upstream):
    """Read, items, cancel, delete and continue: nothing of it works with another key, and the maker loses nothing."""
    made = ours.responses.create(model="gpt-4.1-mini", input="Remember the word amber.")
    upstream.forget()
    for call in (theirs.responses.retrieve, theirs.responses.input_items.list, theirs.responses.cancel):
        assert made.id in missing(call, made.id).message
    missing(theirs.responses.delete, made.id)
    refused = missing(theirs.responses.create, model="gpt-4.1-mini", input="?", previous_response_id=made.id)
    assert refused.code == "previous_response_not_found"
    assert upstream.calls() == []
    assert ours.responses.retrieve(made.id).id == made.id
    assert ours.responses.create(model="gpt-4.1-mini", input="And?", previous_response_id=made.id).id
    ours.responses.delete(made.id)


def test_a_streamed_response_is_its_makers_too(ours, theirs):
    """The id is learnt from the first event."""
    events = list(ours.responses.create(model="gpt-4.1-mini", input="Hi", stream=True))
    made = events[-1].response
    assert ours.responses.retrieve(made.id).id == made.id
    missing(theirs.responses.retrieve, made.id)


def test_items_of_a_response_are_its_makers(ours, theirs):
    """An item reference is a way into somebody's conversation like any other."""
    for stream in (False, True):
        made = ours.responses.create(model="gpt-4.1-mini", input="Hi", stream=stream)
        made = list(made)[-1].response if stream else made
        asked = {
            "model": "gpt-4.1-mini",
            "input": [{"type": "item_reference", "id": made.output[0].id}, {"role": "user", "content": "?"}],
        }
        assert ours.responses.create(**asked).id
        missing(theirs.responses.create, **asked)


def test_files_and_their_lists_are_the_makers(ours, theirs, upstream):
    """Another key cannot describe, download, delete or name a file, and does not see it in its list."""
    mine = [ours.files.create(file=(f"{n}.txt", b"x" * n), purpose="user_data").id for n in (1, 2, 3)]
    other = theirs.files.create(file=("o.txt", b"o"), purpose="user_data").id
    upstream.forget()
    for call in (theirs.files.retrieve, theirs.files.content, theirs.files.delete):
        missing(call, mine[0])
    assert upstream.calls() == []
    assert [each.id for each in theirs.files.list()] == [other]
    assert [each.id for each in ours.files.list()] == mine[::-1]
    assert [each.id for each in ours.files.list(limit=1)] == mine[::-1]
    page = ours.files.list(limit=2)
    assert (page.first_id, page.last_id, page.has_more) == (mine[2], mine[1], True)
    missing(theirs.files.list, after=mine[0])
    for content in (
        {"type": "input_file", "file_id": mine[0]},
        {"type": "input_image", "file_id": mine[0], "detail": "auto"},
    ):
        asked = [{"role": "user", "content": [content, {"type": "input_text", "text": "?"}]}]
        missing(theirs.responses.create, model="gpt-4.1-mini", input=asked)
    asked = [{"role": "user", "content": [{"type": "file", "file": {"file_id": mine[0]}}]}]
    missing(theirs.chat.completions.create, model="gpt-4.1-mini", messages=asked)


def test_batches_and_their_output_are_the_makers(ours, theirs):
    """A batch over a foreign file is refused; one's own, its output file included, is nobody else's."""
    line = {"custom_id": "one", "method": "POST", "url": "/v1/chat/completions",
            "body": {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Hi"}]}}  # fmt: skip
    made = ours.files.create(file=("in.jsonl", json.dumps(line).encode()), purpose="batch")
    asked = {"input_file_id": made.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    assert made.id in missing(theirs.batches.create, **asked).message
    batch = ours.batches.create(**asked)
    missing(theirs.batches.retrieve, batch.id)
    missing(theirs.batches.cancel, batch.id)
    assert [each.id for each in theirs.batches.list()] == []
    assert [each.id for each in ours.batches.list()] == [batch.id]
    done = ours.batches.retrieve(batch.id)
    assert ours.files.content(done.output_file_id).content
    missing(theirs.files.content, done.output_file_id)


def test_stored_chat_completions_are_the_makers(ours, theirs):
    """Whole and streamed alike; without `store` nothing is kept."""
    asked = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Hi"}], "store": True}
    whole = ours.chat.completions.create(**asked).id
    streamed = next(iter(ours.chat.completions.create(**asked, stream=True))).id
    for each in {whole, streamed}:
        assert ours.chat.completions.retrieve(each).id == each
        missing(theirs.chat.completions.retrieve, each)
        missing(theirs.chat.completions.delete, each)
    assert theirs.chat.completions.list().data == []


def test_what_never_was_is_answered_like_what_is_anothers(ours, theirs):
    """Nobody can find out whether an id exists under another key."""
    made = ours.responses.create(model="gpt-4.1-mini", input="Hi")
    foreign = missing(theirs.responses.retrieve, made.id)
    unknown = missing(theirs.responses.retrieve, "resp_" + "0" * 48)
    assert foreign.message.replace(made.id, "X") == unknown.message.replace("resp_" + "0" * 48, "X")
    assert (foreign.status_code, foreign.code, foreign.param) == (
        unknown.status_code,
        unknown.code,
        unknown.param,
    )


def post(client, path, body):
    """Status of one call with a body written by hand."""
    headers = {"authorization": f"Bearer {client.api_key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{client.base_url}{path}", body.encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


def test_a_crafted_body_does_not_get_past_the_search(ours, theirs, upstream):
    """Escaped keys, keys written twice, objects in odd places: nothing of another key's is reached."""
    file = ours.files.create(file=("secret.txt", b"s"), purpose="user_data").id
    made = ours.responses.create(model="gpt-4.1-mini", input="Hi")
    mine = theirs.files.create(file=("own.txt", b"o"), purpose="user_data").id
    upstream.forget()
    start = '{"model": "gpt-4.1-mini", "input": '
    part = '[{"role": "user", "content": [{"type": "input_file", %s}]}]'
    for body in (
        start + part % f'"file_\\u0069d": "{file}"' + "}",
        start + part % f'"file_id": "{file}", "file_id": "{mine}"' + "}",
        start + part % f'"file_id": "{mine}", "file_id": "{file}"' + "}",
        start + f'"?", "previous_response_id": "{made.id}"' + "}",
        start + f'"?", "previous\\u005fresponse_id": "{made.id}"' + "}",
        start + f'"?", "previous_response_id": null, "previous_response_id": "{made.id}"' + "}",
        start + f'[{{"id": "{made.output[0].id}"}}]' + "}",
        start + f'[{{"type": "item_reference", "id": "{made.output[0].id}"}}]' + "}",
        start + f'[{{"type": "reasoning", "id": "{made.output[0].id}", "summary": []}}]' + "}",
        start + f'"?", "conversation": {{"id": "{made.id}"}}' + "}",
        start + f'"?", "tools": [{{"type": "code_interpreter", "container": {{"type": "auto", "file_ids": ["{file}"]}}}}]' + "}",
        start + '"?", "tools": [{"type": "code_interpreter", "container": "cntr_1"}]}',
    ):  # fmt: skip
        for path in ("responses", "responses/input_tokens"):
            assert post(theirs, path, body) in (400, 404), body
    assert upstream.calls() == []


def test_what_only_looks_like_an_id_is_left_alone(theirs):
    """Schemas, metadata and tool calls may have fields of such names; they name no object."""
    schema = {"type": "object", "properties": {"file_id": {"type": "string"}}, "required": ["file_id"],
              "additionalProperties": False}  # fmt: skip
    tool = {"type": "function", "name": "open_file", "parameters": schema, "strict": True}
    asked = [
        {"role": "user", "content": "Open it."},
        {"type": "function_call", "call_id": "c1", "name": "open_file", "arguments": '{"file_id": "file-x"}'},
        {"type": "function_call_output", "call_id": "c1", "output": '{"file_id": "file-x"}'},
    ]
    made = theirs.responses.create(
        model="gpt-4.1-mini", input=asked, tools=[tool], metadata={"file_id": "file-x", "container": "c"}
    )
    assert made.id


def test_a_batch_file_may_not_name_what_its_maker_may_not(ours, theirs, upstream):
    """Lines are read before the batch is made: another key's response or file in one of them refuses it."""
    made = ours.responses.create(model="gpt-4.1-mini", input="Hi")
    body = {"model": "gpt-4.1-mini", "input": "?", "previous_response_id": made.id}
    plain = {"model": "gpt-4.1-mini", "input": "?"}
    for last, allowed in ((plain, True), (body, False)):
        lines = [
            json.dumps({"custom_id": str(n), "method": "POST", "url": "/v1/responses", "body": each})
            for n, each in enumerate([plain, plain, last])
        ]
        file = theirs.files.create(file=("in.jsonl", "\n".join(lines).encode()), purpose="batch")
        asked = {"input_file_id": file.id, "endpoint": "/v1/responses", "completion_window": "24h"}
        if allowed:
            assert theirs.batches.create(**asked).id
        else:
            assert made.id in missing(theirs.batches.create, **asked).message
    broken = theirs.files.create(file=("in.jsonl", b'{"a": "previous_response_id'), purpose="batch")
    with pytest.raises(openai.BadRequestError):
        theirs.batches.create(input_file_id=broken.id, endpoint="/v1/responses", completion_window="24h")


def test_a_batch_of_a_limited_key_names_its_models_only(ours):
    """`models` of a key counts for every line of a batch."""
    few = ours.with_options(api_key=FEW)
    for model, allowed in (("gpt-4.1-mini", True), ("gpt-6-sol", False), (None, False)):
        line = {
            "custom_id": "1",
            "method": "POST",
            "url": "/v1/responses",
            "body": {"model": model, "input": "?"},
        }
        file = few.files.create(file=("in.jsonl", json.dumps(line).encode()), purpose="batch")
        asked = {"input_file_id": file.id, "endpoint": "/v1/responses", "completion_window": "24h"}
        if allowed:
            assert few.batches.create(**asked).id
        else:
            with pytest.raises((openai.PermissionDeniedError, openai.BadRequestError)):
                few.batches.create(**asked)


def test_later_calls_go_to_the_deployment_that_has_the_object():
    """What a follow-up names decides where it goes; its model alone would send it elsewhere."""
    with (
        town.sandbox() as home,
        town.sandbox() as other,
        town.proxy(home, TWO + key("a", A), {"OTHER_URL": f"{other.url}/v1"}) as door,
        openai.OpenAI(base_url=door.url, api_key=A, max_retries=0) as ours,
    ):
        there = ours.responses.create(model="other/gpt-4.1-mini", input="Hi")
        follow = ours.responses.with_raw_response.create(
            model="gpt-4.1-mini", input="And?", previous_response_id=there.id
        )
        assert follow.headers["x-switchyard-reason"] == "pinned"
        assert ours.responses.retrieve(there.id).id == there.id
        assert ours.responses.create(model="auto", input="?", previous_response_id=there.id).id
        assert ours.responses.create(model="gpt-4.1-mini", input="Hi").id
        assert [call["path"] for call in home.calls()] == ["/v1/responses"]
        assert len(other.calls()) == 4


def test_an_object_on_a_deployment_that_is_gone_is_told_so():
    """The configuration forgot the provider, the store did not forget the object."""
    redis = "redis: {url: '${REDIS_URL}'}\n"
    with town.store() as url, town.sandbox() as home, town.sandbox() as other:
        env = {"OTHER_URL": f"{other.url}/v1", "REDIS_URL": url}
        with (
            town.proxy(home, redis + TWO + key("a", A), env) as door,
            openai.OpenAI(base_url=door.url, api_key=A, max_retries=0) as ours,
        ):
            there = ours.responses.create(model="other/gpt-4.1-mini", input="Hi")
        with (
            town.proxy(home, redis + keys(key("a", A)), env) as door,
            openai.OpenAI(base_url=door.url, api_key=A, max_retries=0) as ours,
            pytest.raises(openai.InternalServerError) as gone,
        ):
            ours.responses.create(model="gpt-4.1-mini", input="And?", previous_response_id=there.id)
    assert gone.value.status_code == 503
    assert "no longer configured" in gone.value.message
