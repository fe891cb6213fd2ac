"""Sealed reasoning between the steps of a tool loop.

A chat client sends tool results without the reasoning that led to the calls: chat has no place for it. We keep the
provider's sealed items (encrypted, unreadable to us) by key and tool-call id and put them back before those calls. When
they are not found (another worker, a restart, an hour later) the loop works all the same; the model thinks afresh.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KEEP_S = 3600.0
MAX_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sealed:
    """The reasoning items of one answer and the first call they led to. `size_bytes` is what keeping them costs."""

    call_id: str
    items: tuple[Mapping[str, Any], ...]
    size_bytes: int

    @classmethod
    def of(cls, output: Sequence[Mapping[str, Any]]) -> "Sealed | None":
        """What to keep of an answer's output items: only sealed reasoning that led to a call."""
        call = next(
            (item for item in output if item.get("type") in ("function_call", "custom_tool_call")), None
        )
        items = tuple(
            {key: item[key] for key in ("type", "id", "summary", "encrypted_content") if key in item}
            for item in output
            if item.get("type") == "reasoning" and isinstance(item.get("encrypted_content"), str)
        )
        if call is None or not items:
            return None
        return cls(
            str(call.get("call_id")), items, sum(len(item["encrypted_content"]) + 256 for item in items)
        )


class ReasoningMemory:
    """Bounded by bytes and age, oldest out first. Mutable, one per process; times come from the caller."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._kept: OrderedDict[tuple[str, str, str], tuple[float, Sealed]] = OrderedDict()

    def keep(self, key_id: str, model: str, sealed: Sealed, now_s: float) -> None:
        """Remember for one key and model: what one model sealed no other can open, and no other key may use."""
        self._drop((key_id, model, sealed.call_id))
        self._kept[key_id, model, sealed.call_id] = (now_s, sealed)
        self._size_bytes += sealed.size_bytes
        while self._kept and (self._size_bytes > self._max_bytes or self._oldest() <= now_s - KEEP_S):
            self._drop(next(iter(self._kept)))

    def recall(self, key_id: str, model: str, call_id: str, now_s: float) -> tuple[Mapping[str, Any], ...]:
        """The items to put before a call, () when they are not known."""
        kept_s, sealed = self._kept.get((key_id, model, call_id), (0.0, None))
        return sealed.items if sealed is not None and now_s - kept_s < KEEP_S else ()

    def _oldest(self) -> float:
        return next(iter(self._kept.values()))[0]

    def _drop(self, place: tuple[str, str, str]) -> None:
        found = self._kept.pop(place, None)
        if found is not None:
            self._size_bytes -= found[1].size_bytes
