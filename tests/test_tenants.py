"""What one key stores does not exist for another: two keys cross everywhere they can, with the SDK and with crafted calls."""

import hashlib
import json

import openai
import pytest
import town

A, B = "sk-tenant-a", "sk-tenant-b"
CONFIG = """
auth: {mode: keys}
providers:
  openai: {base_url: "${OPENAI_BASE_URL}", api_key: "${OPENAI_API_KEY}"}
keys:
"""


def keys(*lines):
    return CONFIG + "".join(lines)


def key(name, secret, more=""):
    digest = hashlib.sha256(secret.encode()).hexdigest()
    return f'  - {{name: {name}, hash: "sha256:{digest}"{more}}}\n'


@pytest.fixture(scope="module")
def house():
    with (
        town.sandbox() as upstream,
        town.proxy(upstream, keys(key("a", A), key("b", B))) as door,
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
