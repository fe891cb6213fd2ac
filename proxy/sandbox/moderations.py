"""POST /v1/moderations: flagged by plain words, so that tests can say what they want."""

from typing import Any

from proxy.sandbox import fields as f
from proxy.sandbox.answers import Answer, json_answer
from proxy.sandbox.desk import Desk, Request
from proxy.sandbox.refusals import missing, wrong_type
from proxy.sandbox.tokens import digest

FIELDS: dict[str, f.Check] = {"input": f.anything, "model": f.string}
CATEGORIES: dict[str, str] = {
    "harassment": "idiot",
    "harassment/threatening": "threaten",
    "hate": "hate",
    "hate/threatening": "exterminate",
    "illicit": "smuggle",
    "illicit/violent": "bomb",
    "self-harm": "hurt myself",
    "self-harm/intent": "will hurt myself",
    "self-harm/instructions": "how to hurt myself",
    "sexual": "sexual",
    "sexual/minors": "sexual minor",
    "violence": "kill",
    "violence/graphic": "gore",
}
SEEN = frozenset(
    {"self-harm", "self-harm/intent", "self-harm/instructions", "sexual", "violence", "violence/graphic"}
)
"""Categories that also judge images."""


def create_moderation(desk: Desk, request: Request) -> Answer:
    body = request.json_object()
    f.check_arguments(body, FIELDS)
    model = desk.model(request, body.get("model") or "omni-moderation-latest")
    given = body.get("input")
    if given is None:
        raise missing("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        raise wrong_type("input", "one of a string or array", given)
    if all(isinstance(item, dict) for item in texts):
        results = [_judged(" ".join(str(part.get("text", "")) for part in texts), _has_image(texts))]
    else:
        results = [_judged(str(text), image=False) for text in texts]
    return json_answer(
        {"id": f"modr-{digest(request.raw):016x}", "model": model.name, "results": results}, model=model
    )


def _has_image(parts: list[Any]) -> bool:
    return any(part.get("type") == "image_url" for part in parts)


def _judged(text: str, image: bool) -> dict[str, Any]:
    lowered = text.lower()
    hits = {name: word in lowered for name, word in CATEGORIES.items()}
    return {
        "flagged": any(hits.values()),
        "categories": hits,
        "category_scores": {name: 0.98 if hit else 0.0001 for name, hit in hits.items()},
        "category_applied_input_types": {
            name: ["text", "image"] if image and name in SEEN else ["text"] for name in CATEGORIES
        },
    }
