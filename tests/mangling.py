"""Good upstream streams and spoiled ones, by seed."""

import itertools
import json
import random

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
HEAD = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "gpt-4.1-mini-2025-04-14",
}
DONE = b"data: [DONE]\n\n"
RESPONSE = {
    "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-4.1-mini-2025-04-14",
    "service_tier": "default", "output": [], "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
    "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
}  # fmt: skip


def chunk(delta=None, finish=None, **fields):
    """A chat chunk with one choice."""
    choices = [{"index": 0, "delta": delta or {}, "logprobs": None, "finish_reason": finish}]
    return {**HEAD, "choices": choices, **fields}


PLAIN = [
    chunk({"role": "assistant", "content": ""}), chunk({"content": "Grüße "}), chunk({"content": "日本 🚂"}), chunk({}, "stop"),
]  # fmt: skip


def event(value, *, compact=True):
    """One SSE event as OpenAI writes it."""
    separators = (",", ":") if compact else (", ", ": ")
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=separators).encode() + b"\n\n"


def named(kind, **fields):
    """One event of the responses API."""
    value = json.dumps({"type": kind, "sequence_number": 1, **fields}, separators=(",", ":"))
    return f"event: {kind}\ndata: {value}\n\n".encode()


def asked(chunks):
    """The stream as it comes when usage was asked for."""
    last = {**HEAD, "choices": [], "usage": USAGE}
    return b"".join(event({**one, "usage": None}) for one in chunks) + event(last) + DONE


def unasked(chunks):
    """The same stream when it was not."""
    return b"".join(map(event, chunks)) + DONE


def responding():
    """A short responses stream."""
    return (
        named("response.created", response={**RESPONSE, "status": "in_progress", "usage": None})
        + named("response.output_text.delta", delta="Hällo", item_id="m", output_index=0, content_index=0)
        + named("response.completed", response=RESPONSE)
    )


def legal(seed):
    """A good stream in one of its legal forms: comments, other line ends, no space, long lines, no [DONE]."""
    rng = random.Random(seed)
    stream = asked(PLAIN)
    if rng.random() < 0.3:
        stream = stream.replace(b"data: ", rng.choice([b"data:", b": ping\n\ndata: ", b"id: 1\ndata: "]))
    if rng.random() < 0.2:
        stream = b": " + b"x" * rng.randrange(200_000) + b"\n\n" + stream
    if rng.random() < 0.2:
        stream = stream.removesuffix(DONE)
    return stream.replace(b"\n", rng.choice([b"\n", b"\n", b"\r\n", b"\r"]))


def mangled(seed):
    """A good stream, spoiled: bytes flipped, pieces lost, doubled or moved, line ends changed, UTF-8 split."""
    rng = random.Random(seed)
    stream = bytearray(rng.choice([asked(PLAIN), unasked(PLAIN), responding()]))
    # Every other stream begins well, so that there is something to relay before it goes wrong.
    good_bytes = stream.index(b"\n\n") + 2 if seed % 2 else 0
    for _ in range(rng.randrange(1, 8)):
        at = rng.randrange(min(good_bytes, len(stream) - 1), len(stream))
        match rng.randrange(7):
            case 0:
                stream[at] ^= 1 << rng.randrange(8)
            case 1:
                del stream[at : at + rng.randrange(1, 40)]
            case 2:
                stream[at:at] = stream[at : at + rng.randrange(40)]
            case 3:
                stream[at:at] = rng.choice(
                    [b"\r", b"\n", b"\r\n", b"\0", b"\xff", b": c\n", b"\xef\xbb\xbf", b"data:"]
                )
            case 4:
                stream[at:at] = rng.choice(
                    [b"{", b"[" * 2000, b'"', b"}", b"null", b"1e999", b'{"usage":1}', b'"usage":[]']
                )
            case 5:
                del stream[at:]
            case 6:
                stream = bytearray(bytes(stream).replace(b"\n", rng.choice([b"\r\n", b"\r"])))
        stream = stream or bytearray(b"x")
    return bytes(stream)


def cut(stream, seed):
    """The stream in pieces as they might travel: whole, in a few, or byte by byte."""
    rng = random.Random(seed)
    kind = rng.randrange(4)
    if kind == 0 or len(stream) > 5_000:
        return [stream]
    if kind == 1 and len(stream) < 600:
        return [stream[at : at + 1] for at in range(len(stream))]
    marks = [0, *sorted(rng.randrange(len(stream) + 1) for _ in range(6)), len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(marks) if b > a]
