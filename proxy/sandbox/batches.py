"""/v1/batches: every line of the input file is answered as its endpoint would, at half price, by the first look at it."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from proxy.sandbox import fields as f
from proxy.sandbox.answers import Answer, json_answer
from proxy.sandbox.chat import chat_completions
from proxy.sandbox.desk import Desk, Request
from proxy.sandbox.embeddings import create_embeddings
from proxy.sandbox.files import held_file, keep_file
from proxy.sandbox.refusals import Refusal, bad, invalid_value, missing
from proxy.sandbox.responses import create_response
from proxy.sandbox.tokens import digest

_ENDPOINTS: Mapping[str, Callable[[Desk, Request], Answer]] = {
    "/v1/chat/completions": chat_completions,
    "/v1/responses": create_response,
    "/v1/embeddings": create_embeddings,
}
DAY_S = 86_400


def create_batch(desk: Desk, request: Request) -> Answer:
    """Raises `Refusal` for an unknown endpoint, window or file."""
    body = request.json_object()
    for name in ("input_file_id", "endpoint", "completion_window"):
        if body.get(name) is None:
            raise missing(name)
        f.string(body[name], name)
    if body["endpoint"] not in _ENDPOINTS:
        raise invalid_value("endpoint", body["endpoint"], tuple(_ENDPOINTS))
    if body["completion_window"] != "24h":
        raise invalid_value("completion_window", body["completion_window"], ("24h",))
    held = held_file(desk, body["input_file_id"])
    if held.about["purpose"] != "batch":
        raise bad("Invalid input file: its purpose must be 'batch'.", "input_file_id")
    now = int(desk.clock())
    batch: dict[str, Any] = {
        "id": f"batch_{digest(request.raw):016x}{desk.vault.ordinal():06x}",
        "object": "batch",
        "endpoint": body["endpoint"],
        "errors": None,
        "input_file_id": body["input_file_id"],
        "completion_window": "24h",
        "status": "validating",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": now,
        "in_progress_at": None,
        "expires_at": now + DAY_S,
        "finalizing_at": None,
        "completed_at": None,
        "failed_at": None,
        "expired_at": None,
        "cancelling_at": None,
        "cancelled_at": None,
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "metadata": body.get("metadata"),
    }
    desk.vault.batches.put(batch["id"], batch)
    return json_answer(batch)


def get_batch(desk: Desk, request: Request) -> Answer:
    batch = _held(desk, request)
    if batch["status"] == "validating":
        batch = _worked(desk, request, batch)
        desk.vault.batches.put(batch["id"], batch)
    return json_answer(batch)


def cancel_batch(desk: Desk, request: Request) -> Answer:
    """A batch that has ended cannot be cancelled (409)."""
    batch = _held(desk, request)
    if batch["status"] != "validating":
        raise Refusal(409, f"Cannot cancel a batch with status '{batch['status']}'.")
    now = int(desk.clock())
    batch = {**batch, "status": "cancelled", "cancelling_at": now, "cancelled_at": now}
    desk.vault.batches.put(batch["id"], batch)
    return json_answer(batch)


def list_batches(desk: Desk, request: Request) -> Answer:
    data = list(desk.vault.batches.newest_first())
    limit = request.number("limit", 20)
    page = data[:limit]
    ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
    return json_answer({"object": "list", "data": page, **ends, "has_more": len(data) > limit})


def _held(desk: Desk, request: Request) -> dict[str, Any]:
    name = request.params["batch"]
    held = desk.vault.batches.get(name)
    if held is None:
        raise Refusal(404, f"No batch found with id '{name}'.", param="batch_id")
    return held


def _worked(desk: Desk, request: Request, batch: dict[str, Any]) -> dict[str, Any]:
    """The batch after its work: one output line per request, refusals in a file of their own."""
    good: list[bytes] = []
    wrong: list[bytes] = []
    for line in held_file(desk, batch["input_file_id"]).content.splitlines():
        if line.strip():
            answered, out = _line(desk, request, batch, line)
            (good if answered else wrong).append(msgspec.json.encode(out))
    now = int(desk.clock())
    done = {**batch, "status": "completed", "in_progress_at": now, "finalizing_at": now, "completed_at": now}
    done["request_counts"] = {"total": len(good) + len(wrong), "completed": len(good), "failed": len(wrong)}
    for name, lines in (("output_file_id", good), ("error_file_id", wrong)):
        if lines:
            done[name] = keep_file(
                desk, f"{batch['id']}.jsonl", b"\n".join(lines) + b"\n", "batch_output"
            ).about["id"]
    return done


def _line(desk: Desk, request: Request, batch: dict[str, Any], line: bytes) -> tuple[bool, dict[str, Any]]:
    custom_id = None
    status, answered = 200, True
    try:
        order = msgspec.json.decode(line)
        custom_id = order["custom_id"]
        inner = Request(
            "POST", order["url"], "", request.headers, msgspec.json.encode(order["body"]), request.key
        )
        body = msgspec.json.decode(_ENDPOINTS[batch["endpoint"]](desk, inner).body)
    except Refusal as refusal:
        status, answered, body = refusal.status, False, {"error": refusal.error()}
    except (msgspec.DecodeError, KeyError, TypeError):
        status, answered, body = 400, False, {"error": bad("Invalid line in the batch file.").error()}
    response = {"status_code": status, "request_id": f"req_{digest(line):016x}", "body": body}
    return answered, {
        "id": f"batch_req_{digest(line):016x}",
        "custom_id": custom_id,
        "response": response,
        "error": None,
    }
