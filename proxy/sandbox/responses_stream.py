"""Output items of a response and the events that build them up, numbered, each with its `event:` line and no [DONE].

Order: created, in_progress, then per item added, its parts and deltas, done; at last completed or incomplete.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from proxy.sandbox.answers import Frame, Quirks
from proxy.sandbox.chat_parts import token_logprob
from proxy.sandbox.responses_items import SEAL, Item
from proxy.sandbox.responses_rules import ENCRYPTED, LOGPROBS, ResponsesAsk
from proxy.sandbox.speak import Spoken
from proxy.sandbox.talk import ToolCall
from proxy.sandbox.tokens import digest, pieces

SUMMARY = "**Weighing the question**\n\nThe points are set before the train arrives."
Step = tuple[str, dict[str, Any], int]
"""(event type, its fields, visible tokens in it)"""


def output_items(ask: ResponsesAsk, said: Spoken, ordinal: int) -> list[Item]:
    """The finished items: reasoning first, then the message or the calls."""
    seed = f"{ask.talk.digest():016x}{ordinal:08x}"
    items: list[Item] = []
    if ask.effort != "none":
        items.append(_reasoning(ask, seed))
    if said.calls:
        cut = said.finish == "length"
        for number, (call, args) in enumerate(said.calls):
            status = "incomplete" if cut and number == len(said.calls) - 1 else "completed"
            items.append(_call(call, "".join(args), status, f"{seed}{number:02x}"))
    elif said.text or said.finish == "stop":
        items.append(_message(ask, said, seed))
    return items


def _reasoning(ask: ResponsesAsk, seed: str) -> Item:
    summary = (ask.body.get("reasoning") or {}).get("summary")
    item: Item = {"id": f"rs_{seed}", "type": "reasoning", "summary": []}
    if summary:
        item["summary"] = [{"type": "summary_text", "text": SUMMARY}]
    if ask.includes(ENCRYPTED):
        item["encrypted_content"] = f"{SEAL}{digest(seed):016x}{'0' * 64}"
    return item


def _call(call: ToolCall, arguments: str, status: str, seed: str) -> Item:
    if call.custom:
        about = {"id": f"ctc_{seed}", "type": "custom_tool_call", "status": status}
        return {**about, "call_id": call.id, "name": call.name, "input": arguments}
    about = {"id": f"fc_{seed}", "type": "function_call", "status": status}
    return {**about, "arguments": arguments, "call_id": call.id, "name": call.name}


def _message(ask: ResponsesAsk, said: Spoken, seed: str) -> Item:
    text = "".join(said.text)
    part: dict[str, Any] = {"type": "refusal", "refusal": text}
    if not said.refusal:
        logprobs = [_logprob(ask, piece) for piece in said.text] if ask.includes(LOGPROBS) else []
        part = {"type": "output_text", "annotations": [], "logprobs": logprobs, "text": text}
    status = "completed" if said.finish == "stop" else "incomplete"
    return {"id": f"msg_{seed}", "type": "message", "status": status, "content": [part], "role": "assistant"}


def _logprob(ask: ResponsesAsk, piece: str) -> dict[str, Any]:
    return token_logprob(piece, ask.body.get("top_logprobs") or 0)


def response_frames(
    about: dict[str, Any], done: dict[str, Any], ask: ResponsesAsk, said: Spoken, quirks: Quirks
) -> Iterator[Frame]:
    """The event stream; `about` is the response as it starts, `done` as it ends."""
    padded = (ask.body.get("stream_options") or {}).get("include_obfuscation") is not False
    visible = 0
    for number, (kind, fields, tokens) in enumerate(_steps(about, done, ask, said, quirks)):
        visible += tokens
        event = {"type": kind, "sequence_number": number, **fields}
        if padded and kind.endswith(".delta"):
            event["obfuscation"] = f"{digest(str(number)):x}"[: 1 + number % 16]
        if quirks.extra:
            event["x_future"] = None
        yield Frame(f"event: {kind}\n".encode() + b"data: " + msgspec.json.encode(event) + b"\n\n", visible)


def _steps(
    about: dict[str, Any], done: dict[str, Any], ask: ResponsesAsk, said: Spoken, quirks: Quirks
) -> Iterator[Step]:
    yield "response.created", {"response": about}, 0
    yield "response.in_progress", {"response": about}, 0
    calls = iter(said.calls)
    for index, item in enumerate(done["output"]):
        yield "response.output_item.added", {"output_index": index, "item": _begun(item)}, 0
        where = {"item_id": item["id"], "output_index": index}
        match item["type"]:
            case "reasoning":
                yield from _summary_steps(item, where)
            case "message":
                yield from _message_steps(item, said, ask, where)
            case _:
                yield from _call_steps(item, next(calls)[1], where)
        yield "response.output_item.done", {"output_index": index, "item": item}, 0
    if quirks.done:
        yield f"response.{done['status']}", {"response": done}, 0


def _begun(item: Item) -> Item:
    """An item before anything of it was written."""
    match item["type"]:
        case "reasoning":
            return {**item, "summary": []}
        case "message":
            return {**item, "status": "in_progress", "content": []}
        case "custom_tool_call":
            return {**item, "status": "in_progress", "input": ""}
    return {**item, "status": "in_progress", "arguments": ""}


def _summary_steps(item: Item, where: dict[str, Any]) -> Iterator[Step]:
    for number, part in enumerate(item["summary"]):
        here = {**where, "summary_index": number}
        empty = {"type": "summary_text", "text": ""}
        yield "response.reasoning_summary_part.added", {**here, "part": empty}, 0
        for piece in pieces(part["text"]):
            yield "response.reasoning_summary_text.delta", {**here, "delta": piece}, 0
        yield "response.reasoning_summary_text.done", {**here, "text": part["text"]}, 0
        yield "response.reasoning_summary_part.done", {**here, "part": part}, 0


def _message_steps(item: Item, said: Spoken, ask: ResponsesAsk, where: dict[str, Any]) -> Iterator[Step]:
    here, part = {**where, "content_index": 0}, item["content"][0]
    kind, name = ("refusal", "refusal") if said.refusal else ("output_text", "text")
    empty = {**part, name: ""} if said.refusal else {**part, name: "", "logprobs": []}
    yield "response.content_part.added", {**here, "part": empty}, 0
    for piece in said.text:
        delta: dict[str, Any] = {**here, "delta": piece}
        if not said.refusal:
            delta["logprobs"] = [_logprob(ask, piece)] if ask.includes(LOGPROBS) else []
        yield f"response.{kind}.delta", delta, 1
    whole: dict[str, Any] = {**here, name: part[name]}
    if not said.refusal:
        whole["logprobs"] = part["logprobs"]
    yield f"response.{kind}.done", whole, 0
    yield "response.content_part.done", {**here, "part": part}, 0


def _call_steps(item: Item, args: tuple[str, ...], where: dict[str, Any]) -> Iterator[Step]:
    custom = item["type"] == "custom_tool_call"
    kind, name = ("custom_tool_call_input", "input") if custom else ("function_call_arguments", "arguments")
    for number, piece in enumerate(args):
        # The name costs a token as well; it left with the first piece.
        yield f"response.{kind}.delta", {**where, "delta": piece}, 2 if number == 0 else 1
    named = {} if custom else {"name": item["name"]}
    yield f"response.{kind}.done", {**where, **named, name: item[name]}, 0
