"""A tool loop of a chat app over /v1/responses, on sockets: the app resends chat messages only, the reasoning goes on."""

import json

from tests.test_main_job import post

TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("look_up", "mail", "note")
]


def test_reasoning_is_kept_across_a_streamed_and_a_whole_step_without_storing(door, upstream):
    """Three steps: before each call goes the sealed reasoning that led to it, and nothing is stored at the provider."""
    messages = [{"role": "user", "content": "call look_up then mail then note"}]
    told = {"metadata": {"team": "a"}, "prompt_cache_key": "k1", "parallel_tool_calls": True}
    for step in range(4):
        body = {"model": "o4-mini", "messages": messages, "tools": TOOLS, **told}
        status, headers, raw = post(f"{door.url}/chat/completions", body)
        assert status == 200, raw
        sent = upstream.calls()[-1]
        assert sent["path"] == "/v1/responses"
        kinds = [item["type"] for item in sent["body"]["input"]]
        assert kinds == ["message", *["reasoning", "function_call", "function_call_output"] * step]
        assert sent["body"]["store"] is False
        assert [tool["strict"] for tool in sent["body"]["tools"]] == [False] * 3
        assert {name: sent["body"][name] for name in ("metadata", "prompt_cache_key")} == {
            name: told[name] for name in ("metadata", "prompt_cache_key")
        }
        message = json.loads(raw)["choices"][0]["message"]
        if not message.get("tool_calls"):
            break
        results = [
            {"role": "tool", "tool_call_id": call["id"], "content": "fine"} for call in message["tool_calls"]
        ]
        messages = [
            *messages,
            {"role": "assistant", "content": None, "tool_calls": message["tool_calls"]},
            *results,
        ]
    assert step == 3
    assert "endpoint:responses" in headers["x-switchyard-changes"]


def test_files_names_and_every_form_of_tool_choice_reach_the_provider(door, upstream):
    """A file stays a file, a name is listed as lost, and each tool_choice asks for what it asked for in chat."""
    parts = [
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}
    ]
    said = [{"role": "developer", "content": "Be brief."}, {"role": "user", "name": "ann", "content": parts}]
    named = {"type": "function", "function": {"name": "mail"}}
    allowed = {"mode": "required", "tools": [named]}
    forms = {
        "auto": "auto",
        "none": "none",
        "required": "required",
        json.dumps(named): {"type": "function", "name": "mail"},
        json.dumps({"type": "allowed_tools", "allowed_tools": allowed}): {
            "type": "allowed_tools",
            "mode": "required",
            "tools": [{"type": "function", "name": "mail"}],
        },
    }
    for written, expected in forms.items():
        choice = json.loads(written) if written.startswith("{") else written
        body = {
            "model": "o4-mini",
            "messages": said,
            "tools": TOOLS,
            "tool_choice": choice,
            "max_completion_tokens": 5,
        }
        status, headers, raw = post(f"{door.url}/chat/completions", body)
        assert status == 200, raw
        sent = upstream.calls()[-1]["body"]
        assert sent["tool_choice"] == expected
        assert [item["role"] for item in sent["input"]] == ["developer", "user"]
        assert sent["input"][1]["content"][0]["type"] == "input_file"
        assert sent["max_output_tokens"] >= 16
        assert {"messages.name:dropped", "endpoint:responses"} <= set(
            headers["x-switchyard-changes"].split(", ")
        )


def test_a_content_filter_and_a_cap_end_as_they_do_in_chat(door):
    """`content_filter` and `length`, not an error and not a false `stop`."""
    for order, cap, finish in (("filter", 4000, "content_filter"), ("words=400", 300, "length")):
        text = [{"role": "user", "content": f"[[sandbox:{order}]] [[sandbox:words=400]] hi"}]
        body = {"model": "o4-mini", "messages": text, "tools": TOOLS, "max_completion_tokens": cap}
        status, _, raw = post(f"{door.url}/chat/completions", body)
        assert (status, json.loads(raw)["choices"][0]["finish_reason"]) == (200, finish)


def test_what_chat_refuses_is_refused_here_and_never_sent(door, upstream):
    """Also when a request of the same terms has gone over the bridge before."""
    good = {"model": "o4-mini", "messages": [{"role": "user", "content": "hi"}], "tools": TOOLS}
    status, _, raw = post(f"{door.url}/chat/completions", good)
    assert status == 200, raw
    sent = len(upstream.calls())
    for wrong, param, code in [
        ({"messages": [*good["messages"], {"role": "tool", "content": "4"}]}, "messages[1].tool_call_id",
         "missing_required_parameter"),
        ({"messages": "hi"}, "messages", "invalid_type"),
        ({"max_completion_tokens": 0}, "max_completion_tokens", "integer_below_min_value"),
        ({"stream_options": {"include_usage": True}}, "stream_options", None),
    ]:  # fmt: skip
        status, _, raw = post(f"{door.url}/chat/completions", good | wrong)
        error = json.loads(raw)["error"]
        assert (status, error["param"], error["code"]) == (400, param, code)
    assert len(upstream.calls()) == sent
