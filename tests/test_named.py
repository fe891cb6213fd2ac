"""Stored objects are found wherever a body names them, and nowhere else; lists keep their shape when they are filtered."""

import json

import pytest

from proxy.errors import BadRequest
from proxy.named import Named, ids_made, item_ids, kept, named_in, own_page, read_page, single
from proxy.parse import fields_of


def named(body):
    return {(each.kind, each.id) for each in named_in(fields_of(json.dumps(body).encode()))}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"previous_response_id": "r"}, {("previous", "r")}),
        ({"conversation": "c"}, {("conversation", "c")}),
        ({"conversation": {"id": "c"}}, {("conversation", "c")}),
        ({"input_file_id": "f"}, {("file", "f")}),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}, {("file", "f")}),
        ({"input": [{"type": "function_call_output", "output": [{"type": "input_image", "file_id": "f"}]}]}, {("file", "f")}),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]}, {("file", "f")}),
        ({"images": [{"file_id": "f"}], "mask": {"file_id": "m"}}, {("file", "f"), ("file", "m")}),
        ({"input": [{"type": "item_reference", "id": "i"}]}, {("item", "i")}),
        ({"input": [{"id": "i"}]}, {("item", "i")}),
        ({"input": [{"type": "reasoning", "id": "i", "summary": []}]}, {("item", "i")}),
        ({"input": [{"type": "reasoning", "id": "i", "encrypted_content": "x"}]}, set()),
        ({"input": [{"type": "message", "role": "assistant", "id": "i", "content": []}]}, set()),
        ({"input": [{"role": "user", "id": "i", "content": "x"}, "odd", {"id": 3}]}, set()),
        ({"tools": [{"type": "code_interpreter", "container": "c"}]}, {("container", "c")}),
        ({"tools": [{"type": "code_interpreter", "container": {"file_ids": ["f", 3]}}]}, {("file", "f")}),
        ({"tools": [{"type": "shell", "environment": {"type": "container_reference", "container_id": "c"}}]}, {("container", "c")}),
        ({"tools": [{"type": "function", "parameters": {"file_id": "f"}}]}, set()),
        ({"metadata": {"file_id": "f"}}, set()),
        ({"input": [{"type": "message", "content": [{"annotations": [{"file_id": "f"}]}]}]}, set()),
        ({"previous_response_id": None, "conversation": None, "input": "file_id"}, set()),
    ],
)  # fmt: skip
def test_what_a_body_names(body, expected):
    """Kind and id of each object, once."""
    assert named(body) == expected


@pytest.mark.parametrize("name", ["input", "messages", "anything"])
def test_an_escaped_key_is_the_key_it_spells(name):
    """A search for bytes alone would miss it, in fields that are always searched and in fields that nearly never are."""
    body = rb'{"%b": [{"content": [{"\u0066ile_id": "f"}]}]}' % name.encode()
    assert named_in(fields_of(body)) == (Named("file", "f"),)


@pytest.mark.parametrize(
    "body", [b'{"a": 1, "a": 2}', b'[{"x": {"a": 1, "a": 1}}]', b"{", b"\xff", b"[" * 100_000]
)
def test_a_value_with_two_readings_is_refused(body):
    """A key twice, or no JSON at all."""
    with pytest.raises(BadRequest):
        single(body)


def test_nothing_is_looked_for_below_any_depth_of_sense():
    """A bottomless body ends the search, not the process."""
    deep = b'{"input": ' + b'[{"file_id": "f", "a": ' * 200 + b"1" + b"}]" * 200 + b"}"
    assert named_in(fields_of(deep)) == (Named("file", "f"),)


def test_what_an_answer_makes():
    """Its own id, its files', its items' and their containers'; nothing of what cannot be read."""
    body = {
        "id": "b",
        "output_file_id": "o",
        "error_file_id": None,
        "file": {"id": "f"},
        "output": [{"id": "i", "container_id": "c"}, {}],
    }
    assert ids_made(json.dumps(body).encode()) == ["b", "o", "f", "i", "c"]
    assert ids_made(b"[]") == ids_made(b"{") == item_ids(b"") == item_ids(b"3") == []


def test_a_list_is_filtered_without_changing_what_stays():
    """Objects and other fields byte for byte; first, last and `has_more` are the caller's own."""
    body = b'{"object":"list","data":[{"id":"a","n":1.0},{"id":"b" , "x":null},{"id":"c"}],"first_id":"a","has_more":true,"new":1e2}'
    page = read_page(body)
    mine = kept(page, {"b"})
    assert own_page(page, [each for each, _ in mine], [raw for _, raw in mine], has_more=False) == (
        b'{"object":"list","data":[{"id":"b" , "x":null}],"first_id":"b","has_more":false,"new":1e2,"last_id":"b"}'
    )
    assert json.loads(own_page(page, [], [], has_more=True))["last_id"] is None
    assert page.has_more
    assert read_page(b"{}") is read_page(b'{"data": 3}') is None
