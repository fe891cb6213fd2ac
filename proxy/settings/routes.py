"""`routes:` and `defaults:`: which models a kind of task may go to, in order, and how such calls behave."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from proxy.settings.record import Record, ShortForm
from proxy.settings.values import TARGET_SCHEMA, ModelTarget, Target, UsdNano, refuse

Task = Literal[
    "code",
    "math",
    "reasoning",
    "agentic",
    "vision_reasoning",
    "chat",
    "writing",
    "document",
    "extraction",
    "classification",
    "translation",
    "function_call",
    "vision",
]
TASKS: tuple[str, ...] = Task.__args__  # type: ignore[attr-defined]
Difficulty = Literal["easy", "medium", "hard"]
Targets = tuple[ModelTarget, ...]


class CallRules(Record):
    """How a call behaves once its model is chosen; `defaults:` holds the same keys for calls that name a model."""

    default_max_output: int = Field(
        default=4096,
        gt=0,
        description="Output cap of a request that sets none, used only under a hard budget.",
    )
    on_timeout: Literal["fail", "next"] = Field(
        default="fail",
        description="When an upstream took the request and stays silent: fail, or pay for the next candidate too.",
    )
    on_disconnect: Literal["close", "drain"] = Field(
        default="close", description="When the client leaves: close upstream, or read on for an exact bill."
    )
    on_loss: Literal["translate", "reject"] = Field(
        default="translate",
        description="When no candidate takes a parameter: work round it or drop it, and list that; or refuse.",
    )
    max_cost_nano: UsdNano | None = Field(
        default=None, alias="max_cost_usd", description="Most a single request may cost, in US dollars."
    )


class ByDifficulty(Record):
    """Candidates of one task; a difficulty without its own list takes `default`, then the route's default."""

    default: Targets = Field(
        default=(), description="Candidates in order, for difficulties without a list of their own."
    )
    easy: Targets = Field(
        default=(), description="Candidates for easy requests, such as one function or a grade-school sum."
    )
    medium: Targets = Field(default=(), description="Candidates for requests of middling difficulty.")
    hard: Targets = Field(
        default=(), description="Candidates for hard requests: many files, contest mathematics, long proofs."
    )

    @model_validator(mode="after")
    def _names_someone(self) -> Self:
        if not (self.default or self.easy or self.medium or self.hard):
            refuse("no candidate; list models in the order to try them")
        return self


def _short_form(value: Any) -> Any:
    return {"default": value} if isinstance(value, list) else value


_LIST: dict[str, Any] = {"type": "array", "minItems": 1, "items": TARGET_SCHEMA}
TaskTargets = Annotated[ByDifficulty, BeforeValidator(_short_form), ShortForm(lambda _: _LIST)]


class Route(CallRules):
    """A name that callers may use as `model` and that is served by the kind of task."""

    default: Targets = Field(
        min_length=1, description="Candidates in order, for tasks without a list of their own."
    )
    tasks: Mapping[Task, TaskTargets] = Field(
        default_factory=dict,
        description="Candidates by task: a list, or lists by difficulty (easy, medium, hard, default).",
    )
    prefer: Literal["balanced", "cheapest"] = Field(
        default="balanced",
        description="balanced: the order written. cheapest: the cheapest candidate that qualifies first.",
    )
    max_ttft_ms: int | None = Field(
        default=None,
        gt=0,
        description="Candidates whose first token comes later than this (p95) are put last.",
    )

    def candidates(self, task: str, difficulty: str = "") -> tuple[Target, ...]:
        """Targets in order for a task and a difficulty ("" when it has none)."""
        lists = self.tasks.get(task)  # type: ignore[call-overload]
        if lists is None:
            return self.default
        return getattr(lists, difficulty, ()) or lists.default or self.default
