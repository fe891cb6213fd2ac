"""Bodies nobody should send: wrong types, deep nesting, lone surrogates, every script, patterns that blow up regexes."""

from __future__ import annotations

import random
from typing import Any

_ALPHABETS = (
    "abc XYZ 019 .,:;?!\n\t",
    "()[]{}<>=+-*/^$\\|_#`'\"",
    "汉字かなカナ한글ไทย",
    "абв אבג عربي हिन्दी",
    "\ud800\udfff\x00\x07\u200b\u202e🙂",
    "A) B) 1. - * | : ",
)
_BOMBS = (
    "a" * 50,
    "((((",
    "$$$$",
    "\\\\\\\\",
    '""""',
    "or or or ",
    "a_b",
    "1/",
    "1 + ",
    "</div",
    "：",
    "“",
    ", and a",
    "select ",
    "x = ",
)
_KEYS = (
    "messages",
    "input",
    "instructions",
    "tools",
    "functions",
    "response_format",
    "text",
    "prompt",
    "tool_choice",
)
_ROLES = ("user", "assistant", "system", "tool", "developer", "function", "", "☃")


def text(rng: random.Random) -> str:
    size = rng.choice((0, 1, 5, 80, 900, 3_000))
    if rng.random() < 0.3:
        return (rng.choice(_BOMBS) * size)[: size * 4]
    alphabet = rng.choice(_ALPHABETS)
    return "".join(rng.choice(alphabet) for _ in range(size))


def anything(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(9 if depth < 4 else 6)
    if kind == 6:
        return [anything(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind in (7, 8):
        names = (
            "type",
            "text",
            "content",
            "role",
            "name",
            "function",
            "schema",
            "properties",
            "json_schema",
            "format",
            "enum",
            "tool_calls",
        )
        return {rng.choice(names): anything(rng, depth + 1) for _ in range(rng.randrange(5))}
    return (None, True, rng.randrange(-9, 9), 1.5, text(rng), rng.choice(_ROLES))[kind]


def message(rng: random.Random) -> Any:
    if rng.random() < 0.15:
        return anything(rng)
    content: Any = text(rng)
    if rng.random() < 0.4:
        kinds = ("text", "input_text", "image_url", "input_image", None, 7)
        content = [
            {"type": rng.choice(kinds), "text": rng.choice((text(rng), None, 3)), "image_url": anything(rng)}
            for _ in range(rng.randrange(6))
        ] + [anything(rng)]
    if rng.random() < 0.1:
        content = anything(rng)
    return {
        "role": rng.choice(_ROLES),
        "content": content,
        "tool_calls": rng.choice((None, [], [1], {}, "x", 5)),
    }


def body(rng: random.Random) -> dict[str, Any]:
    """One request body: usually a conversation with damage, sometimes anything at all, sometimes enormous."""
    out: dict[str, Any] = {key: anything(rng) for key in _KEYS if rng.random() < 0.3}
    if rng.random() < 0.8:
        out[rng.choice(("messages", "input"))] = [message(rng) for _ in range(rng.choice((0, 1, 2, 5, 60)))]
    if rng.random() < 0.05:
        out["messages"] = [{"role": "user", "content": (text(rng) or "x") * 400}]
    if rng.random() < 0.02:
        nested: Any = "deep"
        for _ in range(500):
            nested = [nested]
        out["messages"] = [{"role": "user", "content": nested}]
    return out
