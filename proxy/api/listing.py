"""`GET /v1/models`: what a key may ask for, as OpenAI lists models: routes and aliases first, then the catalogue."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from proxy.nouns import Caller


@dataclass(frozen=True, slots=True)
class Listed:
    """One name that can be asked for. `target` is the name behind an alias, `plain` the model's own without provider and
    effort; times are Unix seconds, None when unknown."""

    name: str
    owner: str
    created: float | None = None
    shutdown: float | None = None
    target: str = ""
    plain: str = ""

    def as_openai(self) -> dict[str, Any]:
        """The object OpenAI's API gives for a model; `shutdown_date` is a day or null."""
        day = None if self.shutdown is None else datetime.fromtimestamp(self.shutdown, UTC).date().isoformat()
        return {
            "id": self.name,
            "object": "model",
            "created": int(self.created or 0),
            "owned_by": self.owner,
            "shutdown_date": day,
        }


@dataclass(frozen=True, slots=True)
class Listing:
    """Every name of one snapshot of the settings, in the order shown. `otherwise` knows the names that are not shown, because
    there is no end of them: with a provider, with an effort, of a fine-tuned model."""

    names: Mapping[str, Listed]
    otherwise: Callable[[str], Listed | None]

    def for_caller(self, caller: Caller) -> list[dict[str, Any]]:
        """The names this key may use."""
        return [listed.as_openai() for listed in self.names.values() if _may_use(caller, listed)]

    def one(self, caller: Caller, name: str) -> dict[str, Any] | None:
        """One name, None when it does not exist for this key."""
        listed = self.names.get(name) or self.otherwise(name)
        return listed.as_openai() if listed is not None and _may_use(caller, listed) else None


def _may_use(caller: Caller, listed: Listed) -> bool:
    return not caller.models or bool(caller.models & {listed.name, listed.target, listed.plain})
