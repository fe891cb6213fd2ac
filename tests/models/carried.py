"""What a request means, read from its body on either endpoint: roles in order, texts, pictures, calls, tools, schema,
caps. Written apart from the bridge, whose work it judges."""

import json


def chat_meaning(body: dict) -> dict:
    """Of a chat request."""
    out = {
        "messages": [turn for message in body["messages"] for turn in _turns(message)],
        "tools": _chat_tools(body),
        "tool_choice": _chat_choice(body),
        "response_format": _chat_format(body.get("response_format")),
        "max_completion_tokens": body.get("max_completion_tokens") or body.get("max_tokens"),
    }
    return out | {name: body.get(name) for name in _SAME} | {"verbosity": body.get("verbosity")}


def responses_meaning(body: dict) -> dict:
    """Of a Responses request."""
    text = body.get("text") or {}
    out = {
        "messages": [turn for item in body["input"] for turn in _item(item)],
        "tools": [_responses_tool(tool) for tool in body.get("tools") or ()],
        "tool_choice": _responses_choice(body.get("tool_choice")),
        "response_format": _responses_format(text.get("format")),
        "max_completion_tokens": body.get("max_output_tokens"),
    }
    assert body["store"] is False
    return out | {name: body.get(name) for name in _SAME} | {"verbosity": text.get("verbosity")}


_SAME = ("metadata", "user", "safety_identifier", "prompt_cache_key", "service_tier", "temperature", "top_p")


def _turns(message):
    role, content = message["role"], message.get("content")
    if role in ("tool", "function"):
        yield ("result", _parts(content))
        return
    if content:
        yield (role, _parts(content))
    for call in message.get("tool_calls") or ():
        inner = call.get("function") or call["custom"]
        yield ("call", inner["name"], inner.get("arguments", inner.get("input")))
    if message.get("function_call"):
        yield ("call", message["function_call"]["name"], message["function_call"]["arguments"])


def _parts(content):
    if isinstance(content, str):
        return (content,)
    return tuple(
        (part["image_url"]["url"], part["image_url"].get("detail"))
        if part["type"] == "image_url"
        else part["text"]
        for part in content
    )


def _item(item):
    match item["type"]:
        case "message":
            yield (item["role"], _given(item["content"]))
        case "function_call" | "custom_tool_call":
            yield ("call", item["name"], item.get("arguments", item.get("input")))
        case "function_call_output" | "custom_tool_call_output":
            yield ("result", _given(item["output"]))
        case kind:
            assert kind == "reasoning", kind


def _given(content):
    if isinstance(content, str):
        return (content,)
    return tuple(
        (part["image_url"], part.get("detail")) if part["type"] == "input_image" else part["text"]
        for part in content
    )


def _chat_tools(body):
    old = [{"type": "function", "function": function} for function in body.get("functions") or ()]
    return [
        _tool(tool["type"], tool.get("function") or tool.get("custom")) for tool in body.get("tools") or old
    ]


def _responses_tool(tool):
    # What is not said there means strict, and here it means not.
    return _tool(tool["type"], {"strict": True, **tool} if tool["type"] == "function" else tool)


def _tool(kind, inner):
    schema = json.dumps(inner.get("parameters"), sort_keys=True)
    return (kind, inner["name"], inner.get("description"), schema, bool(inner.get("strict")))


def _chat_choice(body):
    choice = body.get("tool_choice") if body.get("tools") else body.get("function_call")
    if isinstance(choice, dict):
        return (choice.get("function") or choice)["name"]
    return choice


def _responses_choice(choice):
    return choice["name"] if isinstance(choice, dict) else choice


def _chat_format(wanted):
    if not wanted:
        return None
    schema = wanted.get("json_schema") or {}
    return (
        wanted["type"],
        schema.get("name"),
        json.dumps(schema.get("schema"), sort_keys=True),
        bool(schema.get("strict")),
    )


def _responses_format(wanted):
    if not wanted:
        return None
    return (
        wanted["type"],
        wanted.get("name"),
        json.dumps(wanted.get("schema"), sort_keys=True),
        bool(wanted.get("strict")),
    )
