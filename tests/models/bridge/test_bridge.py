"""The same chat request, directly and over /v1/responses: the app cannot tell which way it went."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import BadRequest
from proxy.models.bridge.answer import Asked, to_chat
from proxy.models.bridge.memory import ReasoningMemory, Sealed
from proxy.models.bridge.refusal import to_chat_error
from proxy.models.bridge.request import to_responses
from proxy.models.bridge.stream import ChatStream
from proxy.models.catalogue import load
from proxy.models.translate import translate
from proxy.sandbox.refusals import Refusal
from tests.models.bridge import kit
from tests.models.shapes import SHAPES, STRICT, WEATHER

LOOKUP = {
    "type": "function",
    "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}},
}
MAIL = {"type": "function", "function": {"name": "mail", "parameters": {"type": "object", "properties": {}}}}
KEYS = (
    *(
        "messages",
        "tools",
        "functions",
        "tool_choice",
        "function_call",
        "response_format",
        "role",
        "content",
        "type",
    ),
    *(
        "tool_calls",
        "function",
        "custom",
        "image_url",
        "file",
        "json_schema",
        "allowed_tools",
        "item",
        "response",
    ),
    *(
        "output_index",
        "delta",
        "error",
        "usage",
        "output",
        "annotations",
        "incomplete_details",
        "status",
        "created_at",
    ),
    *(
        "input_tokens_details",
        "stream_options",
        "format",
        "grammar",
        "text",
        "refusal",
        "annotation",
        "call_id",
    ),
)
EVENTS = (
    *(
        "response.created",
        "response.output_item.added",
        "response.output_text.delta",
        "response.refusal.delta",
    ),
    *(
        "response.output_text.annotation.added",
        "response.function_call_arguments.delta",
        "response.output_item.done",
    ),
    *("response.completed", "response.incomplete", "response.failed", "error", "message", "function_call"),
)
SHELL = {"type": "custom", "custom": {"name": "shell", "description": "runs a command"}}


def says(text, **fields):
    return {
        "model": kit.MODEL,
        "reasoning_effort": "low",
        "messages": [{"role": "user", "content": text}],
        **fields,
    }


CALLING = {
    "one": says("call get_weather", tools=[WEATHER]),
    "two": says("call get_weather and look_up", tools=[WEATHER, LOOKUP]),
    "two_serial": says("call get_weather and look_up", tools=[WEATHER, LOOKUP], parallel_tool_calls=False),
    "strict": says("call strict_weather", tools=[STRICT]),
    "named_tool": says("hello", tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "get_weather"}}),
    "required": says("hello", tools=[WEATHER], tool_choice="required"),
    "none": says("call get_weather", tools=[WEATHER], tool_choice="none"),
    "allowed": says("call look_up", tools=[WEATHER, LOOKUP], tool_choice={"type": "allowed_tools", "allowed_tools": {
        "mode": "required", "tools": [{"type": "function", "function": {"name": "look_up"}}]}}),
    "custom": says("call shell", tools=[SHELL]),
    "custom_named": says("x", tools=[SHELL], tool_choice={"type": "custom", "custom": {"name": "shell"}}),
    "refused": says("[[sandbox:refuse]]"),
    "filtered": says("[[sandbox:filter]] [[sandbox:words=9]]"),
    "cut": says("[[sandbox:words=400]]", max_completion_tokens=200),
    "cut_empty": says("[[sandbox:words=400]]", max_completion_tokens=16),
    "cut_call": says("call get_weather", tools=[WEATHER], max_completion_tokens=100),
    "none_at_all": says("hello", reasoning_effort="none", temperature=0.5),
}  # fmt: skip
ALL = {
    name: {"model": kit.MODEL, "reasoning_effort": "medium", **shape} for name, shape in SHAPES.items()
} | CALLING
# A name has no place in Responses (its loss is listed), `functions` are told to the simulated model in other words, and a
# cap under 16 is raised by translation before it comes here.
DIFFERENT = {"named", "functions", "functions_loop", "cap_tiny_new"}


def accepted(body):
    body = {
        name: value
        for name, value in body.items()
        if name not in {"n", "stop", "seed", "logprobs", "top_logprobs"}
    }
    try:
        kit.directly({**body, "stream": False, "stream_options": None})
    except Refusal:
        return None
    return body


@pytest.mark.parametrize("name", sorted(ALL.keys() - DIFFERENT))
def test_the_answer_is_the_same_either_way(name):
    """Text, refusal, calls with their ids, finish reason and token counts; whole and streamed."""
    body = accepted(ALL[name])
    if body is None:
        assert name in SHAPES, "not valid for this model"
        return
    body = {**body, "stream": False, "stream_options": None}
    direct, over = kit.directly(body), kit.bridged(body)
    assert direct["choices"] == over["choices"]
    assert direct["model"] == over["model"]
    assert direct["service_tier"] == over["service_tier"]
    over["usage"]["prompt_tokens_details"].pop("cache_write_tokens")
    assert direct["usage"] == over["usage"]
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    direct, over = kit.assembled(kit.directly(body)), kit.assembled(kit.bridged(body))
    over["usage"]["prompt_tokens_details"].pop("cache_write_tokens")
    assert direct == over
    assert direct["done"]


def test_older_functions_come_back_as_function_calls():
    """Apps that never moved to tools get what they know, whole and streamed."""
    body = says("call get_weather", functions=[WEATHER["function"]], function_call="auto")
    choice = kit.bridged(body)["choices"][0]
    assert choice["finish_reason"] == "function_call"
    assert choice["message"]["function_call"]["name"] == "get_weather"
    assert "tool_calls" not in choice["message"]
    streamed = kit.assembled(kit.bridged({**body, "stream": True}))
    assert streamed["old"] == choice["message"]["function_call"]
    assert streamed["finish"] == ["function_call"]
    forced = says("hi", functions=[WEATHER["function"]], function_call={"name": "get_weather"})
    assert kit.bridged(forced)["choices"][0]["finish_reason"] == "stop"
    loop = {**body, **SHAPES["functions_loop"]}
    assert "sunny" in kit.bridged(loop)["choices"][0]["message"]["content"]


def test_edits_of_the_translation_are_applied():
    """What was renamed or taken out for the target is so over the bridge too."""
    body = says("x", max_tokens=99, temperature=0.2)
    edits = {"max_tokens": b"", "max_completion_tokens": b"99", "temperature": b"", "model": b'"m"'}
    sent = json.loads(to_responses(body, edits, reasons=True))
    assert (sent["model"], sent["max_output_tokens"], "temperature" in sent) == ("m", 99, False)


def test_strict_and_storing_keep_their_chat_defaults():
    """Responses would make functions strict and store the answer."""
    body = json.loads(to_responses(says("x", tools=[WEATHER, STRICT, SHELL], store=True), reasons=True))
    assert [tool.get("strict") for tool in body["tools"]] == [False, True, None]
    assert (body["store"], body["include"]) == (False, ["reasoning.encrypted_content"])
    assert "include" not in json.loads(to_responses(says("x"), reasons=False))


def test_roles_keep_their_rank_and_order():
    """System and developer stay where they were, as what they were."""
    roles = ["system", "user", "developer", "assistant", "user"]
    body = says("x", messages=[{"role": role, "content": role} for role in roles])
    assert [item["role"] for item in json.loads(to_responses(body, reasons=True))["input"]] == roles


def test_files_pictures_and_grammars_are_flattened():
    """The parts of chat that nest once more than Responses."""
    file = {"type": "file", "file": {"file_data": "data:x", "filename": "a.pdf"}}
    grammar = {"type": "custom", "custom": {"name": "g", "format": {"type": "grammar", "grammar": {
        "syntax": "lark", "definition": "start: A"}}}}  # fmt: skip
    marked = {"type": "text", "text": "t", "prompt_cache_breakpoint": {}}
    body = says("x", messages=[{"role": "user", "content": [file, marked, 7]}], tools=[grammar])
    sent = json.loads(to_responses(body, reasons=False))
    assert sent["input"][0]["content"][0] == {
        "type": "input_file",
        "file_data": "data:x",
        "filename": "a.pdf",
    }
    assert sent["input"][0]["content"][1] == {
        "type": "input_text",
        "text": "t",
        "prompt_cache_breakpoint": {},
    }
    assert sent["tools"][0]["format"] == {"type": "grammar", "syntax": "lark", "definition": "start: A"}


def test_reasoning_is_kept_across_a_three_step_tool_loop():
    """Each step's sealed reasoning stands before the calls it led to, and the provider verifies it."""
    memory, at = ReasoningMemory(), kit.desk()
    messages = [{"role": "user", "content": "call get_weather then look_up then mail"}]
    for step in range(4):
        body = says("", messages=messages, tools=[WEATHER, LOOKUP, MAIL])
        raw = kit.responses_bytes(
            body, at, recall=lambda call_id: memory.recall("key", kit.MODEL, call_id, 1.0)
        )
        sent = json.loads(
            to_responses(body, reasons=True, recall=lambda c: memory.recall("key", kit.MODEL, c, 1.0))
        )
        assert [item["type"] for item in sent["input"]].count("reasoning") == step
        answer = to_chat(raw, Asked.of(body))
        message = json.loads(answer.body)["choices"][0]["message"]
        if answer.sealed is None:
            break
        memory.keep("key", kit.MODEL, answer.sealed, 0.0)
        results = [
            {"role": "tool", "tool_call_id": call["id"], "content": "fine"} for call in message["tool_calls"]
        ]
        messages = [*messages, message, *results]
    assert step == 3
    assert "fine" in message["content"]


def test_sealed_reasoning_belongs_to_one_key_and_model_and_does_not_last():
    """Another key must not profit, another model cannot open it, and memory is bounded."""
    sealed = Sealed("c", ({"type": "reasoning", "encrypted_content": "x"},), 300)
    memory = ReasoningMemory(max_bytes=1000)
    memory.keep("k", "m", sealed, 0.0)
    assert memory.recall("k", "m", "c", 10.0)
    assert not memory.recall("other", "m", "c", 10.0)
    assert not memory.recall("k", "other", "c", 10.0)
    assert not memory.recall("k", "m", "c", 3601.0)
    for i in range(5):
        memory.keep("k", "m", Sealed(f"c{i}", sealed.items, 300), 20.0)
    assert not memory.recall("k", "m", "c1", 21.0)
    assert memory.recall("k", "m", "c4", 21.0)
    assert Sealed.of([{"type": "reasoning", "encrypted_content": "x"}]) is None


def stream_of(body=None):
    return kit.responses_bytes(body or {**CALLING["two"], "stream": True})


def test_every_split_of_the_event_stream_gives_the_same_chunks():
    """Network blocks end anywhere."""
    whole, asked = stream_of(), Asked.of(CALLING["two"])
    expected = ChatStream(asked).feed(whole)
    for at in range(len(whole)):
        machine = ChatStream(asked)
        assert machine.feed(whole[:at]) + machine.feed(whole[at:]) == expected
    machine = ChatStream(asked)
    assert b"".join(machine.feed(whole[i : i + 1]) for i in range(len(whole))) == expected
    assert machine.sealed is not None


STREAMED = pytest.mark.parametrize("name", CALLING)


@STREAMED
def test_a_stream_cut_at_any_event_never_ends_as_if_it_were_whole(name):
    """No [DONE], no finish reason, and what came before is right."""
    whole = stream_of({**CALLING[name], "stream": True})
    events = [event + b"\n\n" for event in whole.split(b"\n\n")[:-1]]
    full, _ = kit.chunks(ChatStream(Asked()).feed(b"".join(events)))
    for at in range(len(events)):
        got, done = kit.chunks(ChatStream(Asked()).feed(b"".join(events[:at])))
        assert not done
        assert got == full[: len(got)]
        assert not any(choice["finish_reason"] for chunk in got for choice in chunk["choices"])


@STREAMED
def test_the_order_of_a_streams_events_is_chats_own(name):
    """The role first and once, then what is said, one finish reason, the usage, [DONE]; nothing between or behind."""
    got, done = kit.chunks(kit.bridged({**CALLING[name], "stream": True}))
    assert done
    deltas, usage = got[:-1], got[-1]
    assert [index for index, chunk in enumerate(deltas) if "role" in chunk["choices"][0]["delta"]] == [0]
    assert [bool(chunk["choices"][0]["finish_reason"]) for chunk in deltas] == [False] * (len(deltas) - 1) + [
        True
    ]
    assert all(chunk["usage"] is None for chunk in deltas)
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] > 0


def test_ids_and_names_of_calls_appear_once_and_first():
    """Every framework adds deltas up by index."""
    got, _ = kit.chunks(ChatStream(Asked()).feed(stream_of()))
    seen = set()
    for chunk in got:
        for choice in chunk["choices"]:
            for call in choice["delta"].get("tool_calls") or ():
                assert ("id" in call) == (call["index"] not in seen)
                assert ("name" in call["function"]) == (call["index"] not in seen)
                seen.add(call["index"])
    assert seen == {0, 1}
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in got}) == 1


@given(st.permutations(range(12)), st.binary(max_size=60))
def test_events_in_any_order_and_any_bytes_do_not_stop_the_machine(order, noise):
    """It never raises on what an upstream sends."""
    events = [event + b"\n\n" for event in stream_of().split(b"\n\n")[:12]]
    ChatStream(Asked()).feed(noise + b"\n\n" + b"".join(events[i] for i in order) + noise)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "server_error", "message": "boom", "param": None},
        {"type": "error", "error": {"type": "server_error", "message": "boom"}},
        {
            "type": "response.failed",
            "response": {"status": "failed", "error": {"code": "server_error", "message": "boom"}},
        },
        {"error": {"message": "boom", "type": "server_error"}},
    ],
)
def test_a_failure_inside_the_stream_is_an_error_frame_and_the_end(event):
    """All four keys, and nothing after it."""
    frame = f"data: {json.dumps(event)}\n\n".encode()
    (body,), done = kit.chunks(ChatStream(Asked()).feed(frame + stream_of()))
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert (body["error"]["message"], body["error"]["type"], done) == ("boom", "server_error", False)


def test_servers_that_send_no_deltas_lose_nothing():
    """Text and arguments that come only in `output_item.done` go out then; deltas are not said twice."""
    item = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": '{"a":1}'}
    said = {
        "type": "message",
        "content": [{"type": "output_text", "text": "hi"}, {"type": "refusal", "refusal": "no"}],
    }
    events = [
        {"type": "response.output_item.done", "output_index": 0, "item": said},
        {"type": "response.output_item.added", "output_index": 1, "item": {**item, "arguments": ""}},
        {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": '{"a"'},
        {"type": "response.output_item.done", "output_index": 1, "item": item},
        {"type": "response.output_text.annotation.added", "annotation": {"type": "url_citation", "url": "u"}},
        {"type": "response.completed", "response": {"status": "completed"}},
    ]
    raw = b": hello\n\n" + b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events)
    got = kit.assembled(ChatStream(Asked()).feed(raw))
    assert (got["content"], got["refusal"], got["calls"][0]["text"]) == ("hi", "no", '{"a":1}')
    assert got["finish"] == ["tool_calls"]


THOUGHT = {"type": "reasoning", "summary": []}
SAID = {"type": "message", "content": [{"type": "output_text", "text": "hi"}]}
CALLED = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": '{"a":1}'}
CALLED_TOO = {**CALLED, "id": "fc_2", "call_id": "c2", "arguments": '{"b":22}'}


def added(index, item):
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def delta(index, text, kind="output_text"):
    index = {} if index is None else {"output_index": index}
    return {"type": f"response.{kind}.delta", "delta": text, **index}


NOTED = [THOUGHT, SAID, CALLED]
WRITING = added(1, {**SAID, "content": []})
CALLING_FIRST = added(1, {**CALLED, "arguments": ""})
CALLING_SECOND = added(2, {**CALLED_TOO, "arguments": ""})
ARGUMENTS = "function_call_arguments"


@pytest.mark.parametrize(
    ("before", "output"),
    [
        ([], NOTED),
        ([added(0, THOUGHT)], NOTED),
        ([WRITING, delta(1, "hi")], NOTED),
        ([delta(None, "hi")], NOTED),
        ([WRITING, delta(1, "hi")], [SAID]),
        ([added(0, THOUGHT)], [SAID, CALLED]),
        ([added(2, {**CALLED, "arguments": ""}), delta(2, '{"a"', ARGUMENTS)], NOTED),
        (
            [CALLING_FIRST, delta(1, '{"a":1}', ARGUMENTS), CALLING_SECOND, delta(2, '{"b":22}', ARGUMENTS)],
            [SAID, CALLED, CALLED_TOO],
        ),
        (
            [CALLING_FIRST, delta(1, '{"a":1}', ARGUMENTS), CALLING_SECOND, delta(2, '{"b":22}', ARGUMENTS)],
            [CALLED, CALLED_TOO, SAID],
        ),
    ],
)
def test_what_comes_only_with_the_last_event_goes_out_then_and_once(before, output):
    """Servers that simulate streaming may say everything at the end; others number their events in their own way."""
    response = {"id": "resp_1", "model": "m", "created_at": 7, "status": "completed", "output": output}
    last = {"type": "response.completed", "response": response}
    raw = b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in [*before, last])
    stream = ChatStream(Asked()).feed(raw)
    told = kit.chunks(stream)[0][-1]
    assert (told["id"], told["model"], told["created"]) == ("chatcmpl-1", "m", 7)
    got = kit.assembled(stream)
    assert (got["content"], got["roles"], got["done"]) == ("hi", 1, True)
    calls = [item["arguments"] for item in output if item["type"] == "function_call"]
    assert [call["text"] for call in got["calls"].values()] == calls
    assert got["finish"] == ["tool_calls" if calls else "stop"]


@pytest.mark.parametrize(("created_at", "created"), [(7, 7), (7.9, 7), (1e300, 0), ("7", 0), (None, 0)])
def test_an_answer_was_created_when_the_response_was(created_at, created):
    """In whole seconds, as chat has it, though the response counts fractions."""
    response = json.dumps({"output": [], "created_at": created_at}).encode()
    assert json.loads(to_chat(response, Asked()).body)["created"] == created
    begun = b'data: {"type":"response.created","response":%b}\n\n' % response
    text = b'data: {"type":"response.output_text.delta","output_index":0,"delta":"x"}\n\n'
    (first, _), _ = kit.chunks(ChatStream(Asked()).feed(begun + text))
    assert first["created"] == created


def test_a_failed_response_is_an_error():
    """Status failed comes with HTTP 200 there; a chat client needs an error."""
    got = to_chat(b'{"status":"failed","output":[],"error":{"code":"server_error","message":"x"}}', Asked())
    assert got.status == 500
    assert json.loads(got.body)["error"]["code"] == "server_error"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"output":3}', b"<html>"])
def test_what_is_not_a_response_is_not_made_into_an_answer(body):
    """The caller of this decides what a broken upstream means."""
    with pytest.raises(ValueError, match="not a response"):
        to_chat(body, Asked())


def test_errors_speak_of_chat_fields():
    """`reasoning.effort` is not what the app sent."""
    body = {"error": {"message": "Unsupported value: 'reasoning.effort' ... 'max_output_tokens' ... input", "type": "t",
                      "param": "input[0].content", "code": None}}  # fmt: skip
    error = json.loads(to_chat_error(json.dumps(body).encode()))["error"]
    assert error["message"] == "Unsupported value: 'reasoning_effort' ... 'max_completion_tokens' ... input"
    assert error["param"] == "messages[0].content"
    for same in (
        b"<html>",
        b"[]",
        b'{"error":3}',
        b'{"error":{"message":"x","param":null}}',
        b'{"error": {"param":"n"}}',
    ):
        assert to_chat_error(same) == same


def test_what_has_no_counterpart_is_listed():
    """Names, seeds, stored completions and fields nobody knew when this was written."""
    fields = {"messages": [{"role": "user", "name": "ann", "content": "x"}], "tools": [WEATHER], "seed": 1, "store": True,
              "brand_new": 1, "web_search_options": {}}  # fmt: skip
    catalogue = load()
    tokens = translate(fields, catalogue.get("o4-mini"), catalogue.get("gpt-6-astra")).tokens
    assert set(tokens) == {"endpoint:responses", "messages.name:dropped", "seed:dropped", "store:dropped",
                           "brand_new:dropped", "web_search_options:dropped"}  # fmt: skip


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=6))
def test_a_request_of_any_shape_is_carried_or_refused(fields):
    """We do not fall over before somebody can explain what is wrong."""
    with contextlib.suppress(BadRequest):
        json.loads(to_responses(fields, reasons=True))
    Asked.of(fields)


@given(st.sampled_from(EVENTS), st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5))
def test_an_event_of_any_shape_does_not_stop_the_machine(kind, fields):
    """Nor does an answer; at worst it is called none."""
    machine = ChatStream(Asked())
    machine.feed(stream_of()[:900])
    machine.feed(b"\n\ndata: " + json.dumps({**fields, "type": kind}).encode() + b"\n\n")
    answer = json.dumps({"output": [fields], **fields, "usage": fields}).encode()
    with contextlib.suppress(ValueError):
        to_chat(answer, Asked())
    to_chat_error(answer)


def test_custom_tools_and_refusals_of_earlier_turns_go_back_as_what_they_were():
    """The history of a conversation keeps its kinds."""
    call = {"id": "c1", "type": "custom", "custom": {"name": "shell", "input": "ls"}}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "refusal": "no"},
        {"role": "user", "content": "call shell"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "a.txt"},
    ]
    sent = json.loads(to_responses(says("", messages=messages, tools=[SHELL]), reasons=True))["input"]
    assert sent[1]["content"] == [{"type": "refusal", "refusal": "no"}]
    assert [item["type"] for item in sent[3:]] == ["custom_tool_call", "custom_tool_call_output"]
    assert (
        "a.txt" in kit.bridged(says("", messages=messages, tools=[SHELL]))["choices"][0]["message"]["content"]
    )
