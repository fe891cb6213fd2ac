"""GET /v1/models and /v1/models/{id}: what is alive today, each with its `shutdown_date`."""

from typing import Any

from proxy.sandbox.answers import Answer, json_answer
from proxy.sandbox.catalogue import ALIASES, Model, find
from proxy.sandbox.desk import Desk, Request
from proxy.sandbox.refusals import Refusal


def _shown(name: str, model: Model) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": model.created,
        "owned_by": model.owner,
        "shutdown_date": model.shutdown.isoformat() if model.shutdown else None,
    }


def list_models(desk: Desk, _request: Request) -> Answer:
    data = []
    for model in desk.listed():
        data.append(_shown(model.name, model))
        if model.snapshot != model.name:
            data.append(_shown(model.snapshot, model))
        data += [_shown(alias, model) for alias, target in ALIASES.items() if target == model.name]
    return json_answer({"object": "list", "data": data})


def get_model(desk: Desk, request: Request) -> Answer:
    """Raises `Refusal` 404 for a name that is unknown, hidden or retired."""
    name = request.params["model"]
    request.asked = name
    model = find(name)
    if model is None or desk.retired(model) or model.name in desk.control.hidden:
        raise Refusal(404, f"The model '{name}' does not exist", param="model", code="model_not_found")
    return json_answer(_shown(name, model))
