"""Completions kept with `store: true`: GET, POST (metadata), DELETE /v1/chat/completions/{id} and the list of them."""

from typing import Any

from proxy.sandbox import fields as f
from proxy.sandbox.answers import Answer, json_answer
from proxy.sandbox.desk import Desk, Request
from proxy.sandbox.refusals import Refusal


def _held(desk: Desk, request: Request) -> dict[str, Any]:
    name = request.params["completion"]
    held = desk.vault.completions.get(name)
    if held is None:
        raise Refusal(404, f"Completion {name} not found", param="completion_id")
    return held


def get_completion(desk: Desk, request: Request) -> Answer:
    return json_answer(_held(desk, request))


def update_completion(desk: Desk, request: Request) -> Answer:
    metadata = request.json_object().get("metadata")
    f.metadata(metadata, "metadata")
    changed = {**_held(desk, request), "metadata": metadata}
    desk.vault.completions.put(changed["id"], changed)
    return json_answer(changed)


def delete_completion(desk: Desk, request: Request) -> Answer:
    held = _held(desk, request)
    desk.vault.completions.pop(held["id"])
    return json_answer({"object": "chat.completion.deleted", "id": held["id"], "deleted": True})


def list_completions(desk: Desk, request: Request) -> Answer:
    data = list(desk.vault.completions.newest_first())[: request.number("limit", 20)]
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return json_answer(
        {"object": "list", "data": data, **ends, "has_more": len(desk.vault.completions) > len(data)}
    )
