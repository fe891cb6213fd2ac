"""Requests that resemble each other: of every endpoint, with few values for each field and few fields at once, so that many are
like one before but for the words they say, or nearly."""

import json

from proxy.nouns import Endpoint

MODELS = (
    *("auto",) * 4, *("other-auto",) * 2, "team", "strict", "thrifty", "thrifty", "capped", "small", "small", "thinker@low",
    "o4-mini", "bygone", "spread", "openai/small", "other/small", "nobody",
)  # fmt: skip
WORDS = (
    "Prove that there are infinitely many primes.", "Translate to French: good morning", "thanks!", "Sum this up. " * 300,
    "Write a Python function that sorts a list.", 'the "name" of a "file"\n', "caf\u00e9", "Sum this up. " * 7_000,
)  # fmt: skip
TOOLS = (
    [],
    [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    [{"type": "custom", "name": "c"}],
)
ANYWHERE = {
    "temperature": (0.2, 1, None, "hot", 9),
    "user": ("a", "b", None),
    "metadata": ({"a": "1"}, {"a": "2"}, None),
    "store": (True, False),
    "stream": (True, False),
    "service_tier": ("flex", "auto"),
    "unheard_of": (1, 2, None, "long" * 40, "longer" * 40),
}
CHAT = {
    **ANYWHERE,
    "reasoning_effort": ("low", "none", None, "much"),
    "max_tokens": (5, 64, None, 30_000),
    "max_completion_tokens": (5, 64, None),
    "logprobs": (True, False, None),
    "top_logprobs": (3, 20),
    "stop": ("x", ["x", "y"], [], None),
    "n": (1, 2),
    "tools": TOOLS,
    "response_format": (
        {"type": "text"},
        {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}},
    ),
    "modalities": (["text"], ["text", "audio"]),
}
RESPONSES = {
    **ANYWHERE,
    "instructions": ("be brief", "be long", None),
    "reasoning": ({"effort": "low"}, {"effort": "none"}, None),
    "text": ({"verbosity": "low"}, {"verbosity": "high"}, {"format": {"type": "text"}}, None),
    "include": (["reasoning.encrypted_content"], ["message.output_text.logprobs"], []),
    "max_output_tokens": (5, 64, None),
    "top_logprobs": (3, 20),
    "tools": (*TOOLS[:1], [{"type": "function", "name": "f", "parameters": {}}]),
    "parallel_tool_calls": (True, False),
}
TOGETHER = [{"tools": TOOLS[1], "n": n} for n in (1, 2)]
"""Tools and reasoning go another way, where n is asked for one by one."""


def chat_parts(text):
    """What a message of chat can contain: text, what some models cannot read, and what has to be edited."""
    return (
        {"type": "text", "text": text},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        {"type": "file", "file": {"file_id": "f"}},
        {"type": "text", "text": text, "prompt_cache_breakpoint": {"mode": "explicit"}},
    )


def input_parts(text):
    """The same of an item of the Responses API."""
    return (
        {"type": "input_text", "text": text},
        {"type": "input_image", "image_url": "https://example.com/a.png"},
        {"type": "input_file", "file_id": "f"},
        {"type": "input_text", "text": text, "prompt_cache_breakpoint": {"mode": "explicit"}},
    )


def some(rng, fields):
    """Mostly none of them, else one, seldom two."""
    sent = {}
    while rng.random() < (0.5 if not sent else 0.2):
        name = rng.choice(sorted(fields))
        sent[name] = rng.choice(fields[name])
    return sent


def chat(rng):
    """One or two questions, or a step of a tool loop."""
    said = [chat_message(rng) for _ in range(rng.choice((1, 1, 1, 1, 2)))]
    if rng.random() < 0.1:
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        said += [
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "1"},
        ]
    sent = rng.choice(TOGETHER) if rng.random() < 0.05 else some(rng, CHAT)
    text = json.dumps({"model": rng.choice(MODELS), "messages": said, **sent})
    # An encoder that escapes a letter of a word that somebody might search for.
    return text.replace("image_url", "image\\u005furl") if rng.random() < 0.3 else text


def chat_message(rng):
    """A question with what messages can contain."""
    text = rng.choice(WORDS)
    part = rng.choice(chat_parts(text))
    content = rng.choice((text, text, text, text, text, [{"type": "text", "text": text}, part], [part]))
    return {"role": "user", "content": content, **rng.choice(({}, {}, {}, {}, {}, {"name": "n"}))}


def responses(rng):
    """A text, or items with what they can contain."""
    text = rng.choice(WORDS)
    part = rng.choice(input_parts(text))
    said = rng.choice((
        text, text, text,
        [{"role": "user", "content": [part]}],
        [{"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "x"}, {"role": "user", "content": text}],
        None,
    ))  # fmt: skip
    return json.dumps({"model": rng.choice(MODELS), "input": said, **some(rng, RESPONSES)})


def embeddings(rng):
    return json.dumps({"model": rng.choice(MODELS), "input": rng.choice(WORDS), **some(rng, ANYWHERE)})


def completions(rng):
    return json.dumps({"model": rng.choice(MODELS), "prompt": rng.choice(WORDS), **some(rng, ANYWHERE)})


MADE = (
    *((Endpoint.CHAT, chat),) * 6,
    *((Endpoint.RESPONSES, responses),) * 3,
    (Endpoint.EMBEDDINGS, embeddings),
    (Endpoint.COMPLETIONS, completions),
)


def drawn(rng):
    """An endpoint and a body for it."""
    endpoint, made = rng.choice(MADE)
    return endpoint, made(rng).encode()


def every_chat():
    """Each field with each of its values, and each shape of messages, one at a time."""
    plain = [{"role": "user", "content": "hi"}]
    yield {"messages": plain}
    for name, values in CHAT.items():
        yield from ({"messages": plain, name: value} for value in values)
        yield from ({"messages": plain, "tools": TOOLS[1], name: value} for value in values)
    for part in chat_parts("hi"):
        yield {"messages": [{"role": "user", "content": [part]}]}
    for more in ({"tools": TOOLS[1]}, {}):
        yield {"messages": [{"role": "user", "content": "hi", "name": "n"}], **more}


def every_response():
    """Each field with each of its values, and each shape of input, one at a time."""
    yield {"input": "hi"}
    for name, values in RESPONSES.items():
        yield from ({"input": "hi", name: value} for value in values)
    for part in input_parts("hi"):
        yield {"input": [{"role": "user", "content": [part]}]}
    for text in ("hi", "ho"):
        yield {"input": [{"type": "reasoning", "id": "r", "summary": []}, {"role": "user", "content": text}]}
    yield {"input": None}


EVERY = {Endpoint.CHAT: every_chat, Endpoint.RESPONSES: every_response}
