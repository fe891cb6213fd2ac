"""What handlers work with: the request as read, and the desk that knows the day, the models and what was stored.

`Control` is the part tests may change while the sandbox runs; everything mutable of one sandbox hangs on its `Desk`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qs

import msgspec

from proxy.sandbox.answers import Quirks
from proxy.sandbox.billing import PromptCache
from proxy.sandbox.catalogue import MODELS, Model, find
from proxy.sandbox.config import DOUBTS, Clock, SandboxConfig
from proxy.sandbox.refusals import Refusal, bad, missing, no_such_model, not_json, retired_model, wrong_type
from proxy.sandbox.vault import Vault


@dataclass(slots=True)
class Control:
    """The switches of a running sandbox. `today` None follows the clock; `accept` None takes every key."""

    today: date | None
    revive: frozenset[str]
    time_scale: float
    accept: frozenset[str] | None
    reject: frozenset[str]
    doubts: frozenset[str]
    hidden: frozenset[str] = frozenset()

    @classmethod
    def from_config(cls, config: SandboxConfig) -> "Control":
        return cls(
            config.today,
            config.revive,
            config.time_scale,
            config.accept_keys,
            config.reject_keys,
            config.doubts,
        )

    def change(self, wish: dict[str, Any]) -> None:
        """Apply a JSON object of switches. Raises `Refusal` (400) for one that does not exist or cannot be read."""
        for name, value in wish.items():
            try:
                self._switch(name, value)
            except (TypeError, ValueError):
                raise bad(f"'{name}' cannot be {value!r}.", name) from None

    def _switch(self, name: str, value: Any) -> None:
        match name:
            case "today":
                self.today = None if value is None else date.fromisoformat(value)
            case "revive":
                self.revive = frozenset(["*"] if value is True else value or ())
            case "time_scale":
                self.time_scale = float(value)
            case "accept_keys":
                self.accept = None if value is None else frozenset(value)
            case "reject_keys":
                self.reject = frozenset(value)
            case "doubts":
                self.doubts = _known_doubts(value)
            case "hidden_models":
                self.hidden = frozenset(value)
            case _:
                raise bad(f"Unknown switch: '{name}'.", name)

    def told(self) -> dict[str, Any]:
        return {
            "today": self.today.isoformat() if self.today else None,
            "revive": sorted(self.revive),
            "time_scale": self.time_scale,
            "accept_keys": None if self.accept is None else sorted(self.accept),
            "reject_keys": sorted(self.reject),
            "doubts": sorted(self.doubts),
            "hidden_models": sorted(self.hidden),
        }


def _known_doubts(values: Iterable[str]) -> frozenset[str]:
    given = frozenset(values)
    if strange := given - DOUBTS.keys():
        raise bad(f"Unknown doubts: {sorted(strange)}. Known: {sorted(DOUBTS)}.", "doubts")
    return given


@dataclass(slots=True)
class Request:
    """One HTTP request, body read. `asked` and `quirks` are filled in on the way."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    raw: bytes
    key: str = ""
    asked: str | None = None
    quirks: Quirks = field(default_factory=Quirks)
    params: dict[str, str] = field(default_factory=dict)
    parsed: Any = None

    def json_object(self) -> dict[str, Any]:
        """The JSON body. Raises `Refusal` when it is none."""
        if self.parsed is None:
            try:
                self.parsed = msgspec.json.decode(self.raw)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                raise not_json() from None
        if not isinstance(self.parsed, dict):
            raise not_json()
        return self.parsed

    def argument(self, name: str, default: str = "") -> str:
        return parse_qs(self.query).get(name, [default])[-1]

    def number(self, name: str, default: int) -> int:
        """A whole number out of the query string. Raises `Refusal` for anything else."""
        given = self.argument(name, str(default))
        if not given.isdecimal():
            raise bad(
                f"Invalid type for '{name}': expected an integer, but got a string instead.",
                name,
                "invalid_type",
            )
        return int(given)


class Desk:
    """One sandbox's memory: switches, prompt cache, stored objects."""

    def __init__(self, config: SandboxConfig, clock: Clock) -> None:
        self.config = config
        self.clock = clock
        self.control = Control.from_config(config)
        self.cache = PromptCache()
        self.vault = Vault()

    def today(self) -> date:
        return self.control.today or datetime.fromtimestamp(self.clock(), UTC).date()

    def retired(self, model: Model) -> bool:
        if model.shutdown is None or {"*", model.name} & self.control.revive:
            return False
        return self.today() >= model.shutdown

    def model(self, request: Request, name: Any) -> Model:
        """The living model a request names. Raises `Refusal`: 400 without a name, 404 unknown or retired."""
        if name is None:
            raise (
                bad("you must provide a model parameter")
                if request.path.endswith("completions")
                else missing("model")
            )
        if not isinstance(name, str):
            raise wrong_type("model", "a string", name)
        request.asked = name
        found = find(name)
        if found is None or found.name in self.control.hidden:
            raise no_such_model(name)
        if self.retired(found):
            raise retired_model(name)
        self._right_endpoint(request, found)
        return found

    def _right_endpoint(self, request: Request, model: Model) -> None:
        kind = _ENDPOINT_FAMILY.get(request.path)
        if kind == "chat" and not model.family.chat:
            message = "This is not a chat model and thus not supported in the v1/chat/completions endpoint."
            raise Refusal(404, message, param="model")
        if kind not in (None, "chat", model.family.name):
            raise Refusal(404, f"The model '{model.name}' is not supported on this endpoint.", param="model")

    def listed(self) -> list[Model]:
        return [
            model
            for model in MODELS.values()
            if not self.retired(model) and model.name not in self.control.hidden
        ]

    def cached(self, model: Model, request: Request, prompt: str, tokens: int) -> tuple[int, int]:
        if not self.config.cache:
            return 0, 0
        return self.cache.look(model, request.key, prompt, tokens)

    def keep_completion(self, request: Request, whole: dict[str, Any]) -> None:
        if request.json_object().get("store"):
            self.vault.completions.put(whole["id"], whole)


_ENDPOINT_FAMILY = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "chat",
    "/v1/embeddings": "embedding",
    "/v1/moderations": "moderation",
    "/v1/audio/speech": "speech",
    "/v1/audio/transcriptions": "transcription",
    "/v1/audio/translations": "transcription",
    "/v1/images/generations": "image",
}
