"""Request shapes of real clients, without `model`: what apps send before they know who will serve them."""

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
STRICT = {"type": "function", "function": {**WEATHER["function"], "name": "strict_weather", "strict": True}}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "person",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
            "required": ["name", "age"],
            "additionalProperties": False,
        },
    },
}
ASK = [{"role": "user", "content": "Say hello in JSON."}]
SYSTEM = [{"role": "system", "content": "Be brief."}, *ASK]
DEVELOPER = [{"role": "developer", "content": "Be brief."}, *ASK]
NAMED = [{"role": "user", "name": "ann", "content": "Hello"}]
TURNS = [*SYSTEM, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "Again."}]
PARTS = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}]}]
PICTURE = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, IMAGE]}]
PICTURES = [{"role": "user", "content": [IMAGE, {"type": "text", "text": "And this?"}, IMAGE]}, *ASK]
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city":"Bonn"}'},
}
CALL_2 = {
    "id": "call_2",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'},
}
LOOP = [
    *SYSTEM,
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
]
LOOP_2 = [
    *ASK,
    {"role": "assistant", "content": "Looking.", "tool_calls": [CALL, CALL_2]},
    {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "rain"}]},
]
OLD_LOOP = [
    *ASK,
    {"role": "assistant", "content": None, "function_call": {"name": "get_weather", "arguments": "{}"}},
    {"role": "function", "name": "get_weather", "content": "sunny"},
]

SHAPES: dict[str, dict] = {
    "plain": {"messages": ASK},
    "system": {"messages": SYSTEM},
    "developer": {"messages": DEVELOPER},
    "named": {"messages": NAMED},
    "turns": {"messages": TURNS},
    "parts": {"messages": PARTS},
    "nulls": {"messages": ASK, "temperature": None, "stop": None, "max_tokens": None, "tools": None, "n": None},
    "stream": {"messages": ASK, "stream": True},
    "stream_usage": {"messages": ASK, "stream": True, "stream_options": {"include_usage": True}},
    "stream_plain_options": {"messages": ASK, "stream": True, "stream_options": {"include_obfuscation": False}},
    "accounts": {"messages": ASK, "user": "u1", "store": True, "metadata": {"k": "v"}, "seed": 7},
    "safety": {"messages": ASK, "safety_identifier": "u1", "prompt_cache_key": "k"},
    "picture": {"messages": PICTURE},
    "pictures": {"messages": PICTURES, "max_completion_tokens": 400},
    "picture_stream": {"messages": PICTURE, "stream": True},
    "picture_tools": {"messages": PICTURE, "tools": [WEATHER]},
    "cap_old": {"messages": ASK, "max_tokens": 200},
    "cap_new": {"messages": ASK, "max_completion_tokens": 200},
    "cap_tiny": {"messages": ASK, "max_tokens": 5},
    "cap_tiny_new": {"messages": ASK, "max_completion_tokens": 5},
    "cap_50": {"messages": ASK, "max_tokens": 50},
    "cap_large": {"messages": ASK, "max_completion_tokens": 32_768},
    "cap_huge": {"messages": ASK, "max_completion_tokens": 100_000},
    "cap_huger": {"messages": ASK, "max_completion_tokens": 128_000},
    "temperature_0": {"messages": ASK, "temperature": 0},
    "temperature_1": {"messages": ASK, "temperature": 1},
    "temperature_float": {"messages": ASK, "temperature": 0.7},
    "top_p": {"messages": ASK, "top_p": 0.9},
    "top_p_1": {"messages": ASK, "top_p": 1.0},
    "sampling": {"messages": TURNS, "temperature": 0.1, "top_p": 0.5, "max_tokens": 300},
    "penalties": {"messages": ASK, "presence_penalty": 0.5, "frequency_penalty": -0.5},
    "penalties_0": {"messages": ASK, "presence_penalty": 0, "frequency_penalty": 0.0},
    "logit_bias": {"messages": ASK, "logit_bias": {"1234": -100}},
    "logprobs": {"messages": ASK, "logprobs": True},
    "logprobs_5": {"messages": ASK, "logprobs": True, "top_logprobs": 5},
    "logprobs_20": {"messages": ASK, "logprobs": True, "top_logprobs": 20},
    "logprobs_off": {"messages": ASK, "logprobs": False},
    "stop_one": {"messages": ASK, "stop": "\n\n"},
    "stop_four": {"messages": ASK, "stop": ["a", "END", "###", "\n\n"]},
    "stop_stream": {"messages": ASK, "stop": ["END"], "stream": True},
    "stop_tools": {"messages": ASK, "stop": ["END"], "tools": [WEATHER]},
    "n_1": {"messages": ASK, "n": 1},
    "n_3": {"messages": ASK, "n": 3},
    "n_stream": {"messages": ASK, "n": 2, "stream": True},
    "n_tools": {"messages": ASK, "n": 2, "tools": [WEATHER]},
    "effort_low": {"messages": ASK, "reasoning_effort": "low"},
    "effort_medium": {"messages": ASK, "reasoning_effort": "medium"},
    "effort_high": {"messages": ASK, "reasoning_effort": "high"},
    "effort_minimal": {"messages": ASK, "reasoning_effort": "minimal"},
    "effort_none": {"messages": ASK, "reasoning_effort": "none"},
    "effort_xhigh": {"messages": ASK, "reasoning_effort": "xhigh"},
    "effort_cap": {"messages": ASK, "reasoning_effort": "high", "max_completion_tokens": 4000},
    "none_sampling": {"messages": ASK, "reasoning_effort": "none", "temperature": 0.3, "top_p": 0.9},
    "none_logprobs": {"messages": ASK, "reasoning_effort": "none", "logprobs": True, "top_logprobs": 3},
    "none_tools": {"messages": ASK, "reasoning_effort": "none", "tools": [WEATHER]},
    "tools": {"messages": ASK, "tools": [WEATHER]},
    "tools_stream": {"messages": ASK, "tools": [WEATHER], "stream": True},
    "tools_strict": {"messages": ASK, "tools": [STRICT, WEATHER], "tool_choice": "auto"},
    "tools_named": {"messages": ASK, "tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
    "tools_required": {"messages": ASK, "tools": [WEATHER], "tool_choice": "required"},
    "tools_none": {"messages": ASK, "tools": [WEATHER], "tool_choice": "none"},
    "tools_serial": {"messages": ASK, "tools": [WEATHER], "parallel_tool_calls": False},
    "tools_parallel": {"messages": ASK, "tools": [WEATHER], "parallel_tool_calls": True},
    "tools_high": {"messages": ASK, "tools": [WEATHER], "reasoning_effort": "high"},
    "tools_cap": {"messages": ASK, "tools": [WEATHER], "max_tokens": 256, "temperature": 0},
    "tool_loop": {"messages": LOOP, "tools": [WEATHER]},
    "tool_loop_two": {"messages": LOOP_2, "tools": [WEATHER], "stream": True},
    "tool_loop_over": {"messages": LOOP},
    "functions": {"messages": ASK, "functions": [WEATHER["function"]], "function_call": "auto"},
    "functions_loop": {"messages": OLD_LOOP, "functions": [WEATHER["function"]]},
    "custom_tool": {"messages": ASK, "tools": [{"type": "custom", "custom": {"name": "shell"}}]},
    "json": {"messages": ASK, "response_format": {"type": "json_object"}},
    "schema": {"messages": ASK, "response_format": SCHEMA},
    "schema_stream": {"messages": ASK, "response_format": SCHEMA, "stream": True},
    "schema_cap": {"messages": ASK, "response_format": SCHEMA, "max_tokens": 100, "temperature": 0},
    "schema_tools": {"messages": ASK, "response_format": SCHEMA, "tools": [STRICT]},
    "verbosity_low": {"messages": ASK, "verbosity": "low"},
    "verbosity_medium": {"messages": ASK, "verbosity": "medium"},
    "flex": {"messages": ASK, "service_tier": "flex"},
    "priority": {"messages": ASK, "service_tier": "priority"},
    "tier_default": {"messages": ASK, "service_tier": "default"},
    "prediction": {"messages": ASK, "prediction": {"type": "content", "content": "hello"}},
    "cache_options": {"messages": ASK, "prompt_cache_options": {"mode": "explicit"}},
    "everything": {
        "messages": LOOP, "tools": [WEATHER], "temperature": 0.2, "top_p": 0.9, "max_tokens": 64, "stop": ["END"],
        "presence_penalty": 0.1, "seed": 1, "user": "u1", "n": 2, "logit_bias": {"5": 1}, "response_format": SCHEMA,
    },
}  # fmt: skip
