"""Whether an answer is what was asked for, however it was asked and however it came."""

import json
import time

import pytest

from proxy.migration.fitting import fits
from proxy.migration.said import Reader
from proxy.migration.validity import Said, ToolCall, Wanted, fault_of, wanted_by

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "age": {"type": ["integer", "null"], "minimum": 0},
        "kind": {"enum": ["cat", "dog"]},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "maxItems": 2},
    },
    "required": ["name", "age", "kind"],
    "additionalProperties": False,
    "$defs": {"tag": {"anyOf": [{"type": "string"}, {"const": 7}]}},
}
CHAT_FORMAT = {
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "pet", "strict": True, "schema": SCHEMA},
    }
}
RESPONSES_FORMAT = {
    "text": {"format": {"type": "json_schema", "name": "pet", "strict": True, "schema": SCHEMA}}
}
LOOK = {
    "name": "look",
    "parameters": {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]},
}
TOOLS = {
    "chat": [
        {"type": "function", "function": {**LOOK, "strict": True}},
        {"type": "custom", "custom": {"name": "run"}},
    ],
    "responses": [{"type": "function", **LOOK, "strict": True}, {"type": "custom", "name": "run"}],
}


@pytest.mark.parametrize("value", [
    {"name": "Tom", "age": 3, "kind": "cat"},
    {"name": "Tom", "age": None, "kind": "cat", "tags": ["a", 7]},
    {"name": "Tom", "age": 3.0, "kind": "dog", "tags": []},
])  # fmt: skip
def test_a_value_of_the_schema_fits(value):
    """Unions, references, and an integer that is spelled as 3.0."""
    assert fits(value, SCHEMA)


@pytest.mark.parametrize("value", [
    [], None, {"name": "Tom", "age": 3}, {"name": "", "age": 3, "kind": "cat"}, {"name": "Tom", "age": -1, "kind": "cat"},
    {"name": "Tom", "age": 1.5, "kind": "cat"}, {"name": "Tom", "age": True, "kind": "cat"}, {"name": "Tom", "age": 3, "kind": "cow"},
    {"name": "Tom", "age": 3, "kind": "cat", "more": 1}, {"name": "Tom", "age": 3, "kind": "cat", "tags": [8]},
    {"name": "Tom", "age": 3, "kind": "cat", "tags": ["a", "b", "c"]},
])  # fmt: skip
def test_a_value_that_breaks_one_rule_does_not_fit(value):
    """Each breaks another one."""
    assert not fits(value, SCHEMA)


def test_a_schema_that_is_none_or_turns_round_on_itself_fits_everything():
    """What cannot be understood makes no answer bad, and nothing runs for ever."""
    assert fits({"a": 1}, "nonsense")
    assert fits([1], {"type": "weird", "futureKeyword": 3})
    assert fits({"a": 1}, {"$ref": "#/nowhere"})
    round_ = {"$defs": {"x": {"$ref": "#/$defs/x"}}, "$ref": "#/$defs/x"}
    assert fits(1, round_)


def test_a_schema_made_to_take_for_ever_is_given_up():
    """Two references to itself at every level are 2^64 comparisons, a long list of long choices 10^8."""
    began_s = time.perf_counter()
    assert fits(1, {"anyOf": [{"allOf": [{"$ref": "#"}, {"const": 2}]}] * 3})
    assert fits(["x"] * 10_000, {"items": {"enum": [*range(10_000), "x"]}})
    assert time.perf_counter() - began_s < 5


@pytest.mark.parametrize("form", [CHAT_FORMAT, RESPONSES_FORMAT], ids=["chat", "responses"])
def test_a_schema_is_asked_for_on_either_endpoint(form):
    """No JSON, another JSON, the right one."""
    wanted = wanted_by(form)
    good = json.dumps({"name": "Tom", "age": 3, "kind": "cat"})
    assert [fault_of(wanted, [Said(text)]) for text in (good, good[:-1], "[]", "")] == [
        "",
        "json",
        "schema",
        "empty",
    ]


def test_json_mode_asks_for_an_object():
    """A list is JSON and still not what was asked for."""
    wanted = wanted_by({"response_format": {"type": "json_object"}})
    assert [fault_of(wanted, [Said(text)]) for text in ('{"a": 1}', "[1]", "{a}")] == ["", "json", "json"]


@pytest.mark.parametrize("endpoint", ["chat", "responses"])
def test_a_call_must_be_of_a_tool_there_is_with_arguments_it_takes(endpoint):
    """Names, JSON, the schema of a strict tool; a custom tool takes any text."""
    wanted = wanted_by({"tools": TOOLS[endpoint]})
    calls = [
        ToolCall("look", '{"at": "x"}'),
        ToolCall("run", "not { json", free=True),
        ToolCall("lock", '{"at": "x"}'),
        ToolCall("look", '{"at": '),
        ToolCall("look", "[]"),
        ToolCall("look", "{}"),
    ]
    found = [fault_of(wanted, [Said(calls=(call,))]) for call in calls]
    assert found == ["", "", "tool_name", "tool_arguments", "tool_arguments", "tool_schema"]


def test_tools_in_a_namespace_are_there_and_keep_their_schema():
    """A namespace is no tool itself. Two tools of one name cannot be told apart, and neither is held to its schema."""
    crm = {"type": "namespace", "name": "crm", "tools": TOOLS["responses"]}
    wanted = wanted_by({"tools": [crm]})
    calls = [ToolCall("look", '{"at": "x"}'), ToolCall("look", "{}"), ToolCall("crm", "{}")]
    assert [fault_of(wanted, [Said(calls=(call,))]) for call in calls] == ["", "tool_schema", "tool_name"]
    twice = wanted_by({"tools": [crm, {**crm, "name": "erp"}]})
    assert fault_of(twice, [Said(calls=(calls[1],))]) == ""


@pytest.mark.parametrize("fields", [{"prompt": {"id": "pmpt_1"}}, {"tools": [{"type": "tool_search"}]}])
def test_a_tool_that_a_stored_prompt_or_a_search_brings_is_no_wrong_name(fields):
    """Its arguments must be JSON all the same; a prompt that is text, as of completions, brings none."""
    calls = [ToolCall("brought", "{}"), ToolCall("brought", "{")]
    assert [fault_of(wanted_by(fields), [Said(calls=(each,))]) for each in calls] == ["", "tool_arguments"]
    assert fault_of(wanted_by({"prompt": "text"}), [Said(calls=(calls[0],))]) == "tool_name"


def test_a_refusal_is_an_answer_and_one_bad_answer_of_several_is_bad():
    """With n answers the caller may use any of them."""
    wanted = Wanted("json")
    assert fault_of(wanted, [Said(refusal="No.")]) == ""
    assert fault_of(wanted, [Said('{"a":1}'), Said("{")]) == "json"
    assert fault_of(wanted, []) == "empty"


@pytest.mark.parametrize(
    "fields", [{}, {"tools": 3, "response_format": "x"}, {"tools": [None, {"type": "function"}], "text": []}]
)
def test_a_request_of_an_unexpected_shape_asks_for_nothing(fields):
    """It never raises for what a caller sent."""
    assert wanted_by(fields) == Wanted()


CALLED = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "x"}'}}
WHOLE = {
    "choices": [
        {
            "index": 0,
            "message": {"content": "Héllo", "refusal": None, "tool_calls": [CALLED]},
            "finish_reason": "stop",
        }
    ]
}
PIECES = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
    {"choices": [{"index": 0, "delta": {"content": "Hé"}}]},
    {"choices": [{"index": 0, "delta": {"content": "llo"}}]},
    {
        "choices": [
            {
                "index": 0,
                "delta": {"tool_calls": [{"index": 0, "function": {"name": "look", "arguments": '{"at"'}}]},
            }
        ]
    },
    {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": ': "x"}'}}]}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 1}},
]
RESPONSE = {
    "object": "response",
    "output": [
        {"type": "reasoning", "summary": []},
        {
            "type": "message",
            "content": [{"type": "output_text", "text": "Hél"}, {"type": "output_text", "text": "lo"}],
        },
        {"type": "function_call", "name": "look", "arguments": '{"at": "x"}'},
    ],
}


def events(pieces, end="\n"):
    lines = [f"data: {json.dumps(piece, ensure_ascii=False)}{end}{end}" for piece in pieces]
    return "".join([*lines, f"data: [DONE]{end}{end}"]).encode()


COPIES = {
    "whole chat": json.dumps(WHOLE).encode(),
    "streamed chat": events(PIECES),
    "streamed with CRLF": events(PIECES, "\r\n"),
    "whole response": json.dumps(RESPONSE).encode(),
    "streamed response": events(
        [{"type": "response.created", "response": {}}, {"type": "response.completed", "response": RESPONSE}]
    ),
}


@pytest.mark.parametrize("copy", COPIES)
def test_the_same_answer_is_read_however_it_came(copy):
    """Text and calls are put together from their pieces."""
    reader = Reader()
    assert list(reader.read(COPIES[copy])) is not None
    assert reader.answers == (Said("Héllo", "", (ToolCall("look", '{"at": "x"}'),)),)
    assert not reader.unreadable


def read(response):
    reader = Reader()
    assert list(reader.read(json.dumps({"object": "response", **response}).encode())) is not None
    return reader


@pytest.mark.parametrize(
    ("kind", "fault"),
    [("computer_call", ""), ("shell_call", ""), ("apply_patch_call", ""), ("local_shell_call", ""),
     ("mcp_approval_request", ""), ("tool_search_call", ""), ("image_generation_call", ""), ("web_search_call", "empty"), ("reasoning", "empty")],
)  # fmt: skip
def test_a_step_for_the_caller_is_an_answer_though_it_is_no_function_call(kind, fault):
    """An agent that drives a screen or a shell is answered by nothing else for most of its calls; a search or thoughts that
    nothing follows are no answer."""
    reader = read({"status": "completed", "output": [{"type": "reasoning"}, {"type": kind}]})
    assert fault_of(Wanted(), reader.answers) == fault
    assert not reader.unreadable


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_an_answer_that_is_still_to_come_is_not_judged(status):
    """`background: true` is answered at once, with nothing in it."""
    assert read({"status": status, "output": []}).unreadable
    assert not read({"status": "incomplete", "output": []}).unreadable


def test_answers_to_several_choices_custom_calls_and_spoken_ones_are_kept_apart():
    """n answers, a custom tool, sound with its transcript, and the old spelling of a call."""
    whole = {
        "choices": [
            {
                "index": 1,
                "message": {
                    "content": None,
                    "tool_calls": [{"type": "custom", "custom": {"name": "run", "input": "go"}}],
                },
            },
            {"index": 0, "message": {"content": None, "audio": {"transcript": "spoken"}}},
            {"index": 2, "message": {"content": None, "function_call": {"name": "look", "arguments": "{}"}}},
        ]
    }
    reader = Reader()
    list(reader.read(json.dumps(whole).encode()))
    assert reader.answers == (
        Said("spoken"),
        Said(calls=(ToolCall("run", "go", free=True),)),
        Said(calls=(ToolCall("look", "{}"),)),
    )


def test_a_copy_that_cannot_be_read_is_nobodys_fault():
    """It is told apart from an empty answer."""
    reader = Reader()
    list(reader.read(b"{broken"))
    assert reader.unreadable
    assert reader.answers == ()
