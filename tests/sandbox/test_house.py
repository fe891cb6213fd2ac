"""The sandbox stands alone, and no body makes it stumble."""

import ast
import json
import random
from pathlib import Path

import pytest

import proxy.sandbox
from tests.sandbox.kit import chat_body, everything, flat_tool, tool

ROOM = Path(proxy.sandbox.__file__).parent


@pytest.mark.parametrize("path", sorted(ROOM.glob("*.py")), ids=lambda path: path.name)
def test_the_sandbox_imports_no_other_room(path):
    """It exists to prove the proxy wrong, so it may share nothing with it."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            assert not name.startswith("proxy") or name.startswith("proxy.sandbox")


VALUES = [
    None,
    True,
    0,
    -1,
    2.5,
    10**30,
    "",
    "x",
    "auto",
    [],
    [1],
    [None],
    {},
    {"a": 1},
    {"type": "function"},
    [{}],
]
BODIES = {
    "/v1/chat/completions": chat_body(
        "gpt-4.1",
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "https://x"}}]},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "ok"},
        ],
        tools=[tool()],
        tool_choice="required",
        stream=True,
        stream_options={"include_usage": True},
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object", "properties": {"a": {"type": "array", "items": {"enum": [1]}}}}}},
    ),
    "/v1/responses": {
        "model": "gpt-5",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "x"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "ok"},
        ],
        "tools": [flat_tool()],
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
        "reasoning": {"effort": "low"},
        "include": ["reasoning.encrypted_content"],
        "stream": True,
    },
    "/v1/embeddings": {"model": "text-embedding-3-small", "input": ["a"], "dimensions": 3},
}  # fmt: skip


def places(value, path=()):
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


@pytest.mark.parametrize("path", BODIES)
def test_a_mangled_body_is_answered_or_refused(path):
    """Never a crash: 700 bodies with one or two values swapped or dropped."""
    rng, api = random.Random(path), everything()
    for _ in range(700):
        body = json.loads(json.dumps(BODIES[path]))
        for _ in range(rng.randint(1, 2)):
            where = rng.choice(list(places(body)))
            holder = body
            for step in where[:-1]:
                holder = holder[step]
            if rng.random() < 0.2:
                del holder[where[-1]]
            else:
                holder[where[-1]] = json.loads(json.dumps(rng.choice(VALUES)))
            if not list(places(body)):
                break
        answer = api.post(path, body)
        assert answer.status in (200, 400, 404), body
        if answer.status != 200:
            assert set(answer.error) == {"message", "type", "param", "code"}
