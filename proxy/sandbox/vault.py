"""Objects the simulated provider stores for its callers: completions, responses, files, batches. In memory, bounded."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

V = TypeVar("V")


class Shelf(Generic[V]):
    """Keeps the newest `most` objects, in the order they came."""

    def __init__(self, most: int = 10_000) -> None:
        self._held: dict[str, V] = {}
        self._most = most

    def put(self, key: str, value: V) -> None:
        self._held[key] = value
        while len(self._held) > self._most:
            del self._held[next(iter(self._held))]

    def get(self, key: str) -> V | None:
        return self._held.get(key)

    def pop(self, key: str) -> V | None:
        return self._held.pop(key, None)

    def newest_first(self) -> Iterator[V]:
        return reversed(self._held.values())

    def __len__(self) -> int:
        return len(self._held)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """`about` is the object the API shows; `content` its bytes."""

    about: dict[str, Any]
    content: bytes


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response, what was sent for it, and every item a `previous_response_id` brings along."""

    about: dict[str, Any]
    sent: tuple[dict[str, Any], ...]
    context: tuple[dict[str, Any], ...]


@dataclass(slots=True)
class Vault:
    """Everything stored by one sandbox; `made` numbers new objects so that their ids differ."""

    completions: Shelf[dict[str, Any]] = field(default_factory=Shelf)
    files: Shelf[StoredFile] = field(default_factory=Shelf)
    batches: Shelf[dict[str, Any]] = field(default_factory=Shelf)
    responses: Shelf[StoredResponse] = field(default_factory=Shelf)
    items: Shelf[dict[str, Any]] = field(default_factory=lambda: Shelf(50_000))
    made: int = 0

    def keep_response(self, held: StoredResponse) -> None:
        """Store a response and make its output items known by id."""
        self.responses.put(held.about["id"], held)
        for item in held.about["output"]:
            self.items.put(item["id"], item)

    def ordinal(self) -> int:
        self.made += 1
        return self.made
