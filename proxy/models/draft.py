"""One translation while it is being made: what the request says, what is decided, what has changed so far."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from proxy.models.families import FAMILIES, Family
from proxy.models.rows import ModelRow

Wire = Literal["chat", "responses"]

REMOVE = b""
"""As an edit: take the field out. No JSON value is empty."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between what the caller sent and what is served, as `x-switchyard-changes` lists it.

    `loss` marks a change of meaning that `on_loss: reject` does not accept (a rename or an emulation is none).
    """

    token: str
    loss: bool = False

    def __str__(self) -> str:
        return self.token


@dataclass(frozen=True, slots=True)
class Emulation:
    """What the answer needs because no field asks for it: cut at these strings; ask so many times. `fan_out` 1: once."""

    stop: tuple[str, ...] = ()
    fan_out: int = 1

    def __bool__(self) -> bool:
        return bool(self.stop) or self.fan_out > 1


NO_EMULATION = Emulation()


@dataclass(slots=True)
class Draft:
    """`source` None: written for no model in particular (a route or an alias). `effort` is the one in force upstream,
    `wanted` the one the request means; "none" also stands for models that do not reason."""

    fields: Mapping[str, Any]
    source: ModelRow | None
    target: ModelRow
    wire: Wire
    last_resort: bool = False
    wanted: str = "none"
    effort: str = "none"
    endpoint: Wire = "chat"
    excluded: str = ""
    stop: tuple[str, ...] = ()
    fan_out: int = 1
    edits: dict[str, bytes] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)

    @property
    def family(self) -> Family:
        return FAMILIES[self.target.family]

    def put(self, name: str, value: Any, token: str, *, loss: bool = False) -> None:
        """Set a top-level field to `value`."""
        self.edits[name] = msgspec.json.encode(value)
        self.changes.append(Change(token, loss))

    def drop(self, name: str, token: str = "", *, loss: bool = True) -> None:
        """Take a top-level field out; by default that loses what it meant."""
        self.edits[name] = REMOVE
        self.changes.append(Change(token or f"{name}:dropped", loss))

    def set_quietly(self, name: str, value: Any) -> None:
        """Set a field, or take it out when `value` is None, without listing it: the caller of this lists it."""
        self.edits[name] = REMOVE if value is None else msgspec.json.encode(value)

    def note(self, token: str, *, loss: bool = False) -> None:
        """List a difference that needs no edit of its own."""
        self.changes.append(Change(token, loss))

    def exclude(self, reason: str) -> None:
        """Say why this target cannot take the request; the first reason is the one told."""
        self.excluded = self.excluded or reason

    def takes(self, when: str) -> bool:
        """Whether a parameter that is accepted `when` is accepted with the effort in force."""
        return when == "always" or (when == "when-none" and self.effort == "none")
