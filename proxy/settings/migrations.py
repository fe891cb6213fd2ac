"""`migrations:`: from one model to the next, a few percent at a time."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from proxy.settings.budgets import Window
from proxy.settings.record import Record
from proxy.settings.values import Factor, ModelName, ModelTarget, Name, Share, UsdNano, refuse

Percent = Annotated[int, Field(ge=1, le=100)]
SHIPPED_STAGES = (1, 5, 25, 50, 100)


class Guard(Record):
    """Bounds on the new arm against the old one; past one of them the migration rolls back."""

    max_error_rate_increase: Share = Field(
        default=Decimal("0.01"), description="Most the share of failed calls may rise."
    )
    max_slow_first_token_increase: Share = Field(
        default=Decimal("0.05"),
        description="Most the share of first tokens slower than the old model's p95 may rise.",
    )
    max_cost_ratio_over_plan: Factor = Field(
        default=Decimal("1.2"),
        description="Most the measured cost ratio may exceed the planned one, as a factor: 1.2 is a fifth more.",
    )

    @model_validator(mode="after")
    def _lets_the_plan_be(self) -> Self:
        if self.max_cost_ratio_over_plan < 1:
            refuse(
                "below 1 a migration is rolled back for costing what was planned; a fifth more than that is 1.2",
                at="max_cost_ratio_over_plan",
            )
        return self


class Shadow(Record):
    """Send a share also to the new model, after the answer went out."""

    share: Share = Field(description="Share of calls (0 to 1) that are copied.")
    usd_nano: UsdNano = Field(
        alias="usd", description="Most the copies may cost in one window, in US dollars."
    )
    per: Window = Field(default="day", description="Window of that limit.")


class Migration(Record):
    """One road from a model to its successor."""

    name: Name = Field(description="Name for `switchyard migrate`.")
    source: ModelName = Field(alias="from", description="The model to leave.")
    target: ModelTarget = Field(
        alias="to", description="The model to move to; its @effort applies when the caller sent none."
    )
    stages: tuple[Percent, ...] = Field(
        default=SHIPPED_STAGES, description="Percent on the new model, rising, ending in 100."
    )
    hold_hours: float = Field(default=24, ge=0, description="Hours each stage lasts at least.")
    sticky: Literal["user", "conversation", "key"] = Field(
        default="user", description="Who stays on one arm."
    )
    auto: bool = Field(
        default=False, description="Enter the next stage when time, samples and guards allow it."
    )
    start: Literal["manual", "now"] = Field(
        default="manual", description="Wait for `switchyard migrate start`, or begin at once."
    )
    guard: Guard = Field(default_factory=Guard, description="When to roll back.")
    shadow: Shadow | None = Field(
        default=None,
        description="Copy calls to the new model without answering from it, from before the start on.",
    )
    pins: Mapping[Name, Literal["from", "to"]] = Field(
        default_factory=dict, description="Keys held on one arm."
    )
    exclude: tuple[Name, ...] = Field(default=(), description="Keys that take no part.")

    @model_validator(mode="after")
    def _rises_to_all(self) -> Self:
        if any(a >= b for a, b in zip(self.stages, self.stages[1:], strict=False)):
            rising = ", ".join(str(s) for s in sorted(set(self.stages)))
            refuse(f"stages must rise; write stages: [{rising}]", at="stages")
        if not self.stages or self.stages[-1] != 100:
            whole = ", ".join(map(str, (*self.stages, 100)))
            refuse(f"stages must end in 100; write stages: [{whole}]", at="stages")
        if self.source == self.target.model:
            refuse("the same model as from", at="to")
        return self
