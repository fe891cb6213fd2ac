"""`budgets:`, at the top and on teams and keys: how much may be spent, by whom, in which window.

`usd` is the hard limit; `soft` is a share of it. Amounts are nano-dollars, at most $9,000,000 (values.MOST_USD).
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from proxy.settings.record import Record
from proxy.settings.values import ModelTarget, Name, SoftShare, UsdNano, Zone, refuse

Scope = Literal["global", "team", "key", "user", "model"]
Window = Literal["minute", "hour", "day", "week", "month", "total"]
SHIPPED_OUTAGE_NANO = 100_000_000


class OnSoft(Record):
    """What happens from the soft limit on, besides the alert."""

    downgrade: ModelTarget = Field(description="Serve requests with this cheaper model.")


class Allowance(Record):
    """A limit on spending; on a team or a key it needs no name and no scope."""

    usd_nano: UsdNano = Field(alias="usd", description="Hard limit in US dollars for one window.")
    per: Window = Field(description="Calendar window after which it starts anew; total never does.")
    soft: SoftShare | None = Field(
        default=None, description="Share of usd (0 to 1) from which it warns and on_soft acts."
    )
    on_soft: OnSoft | None = Field(default=None, description="What to do from the soft limit on.")
    zone: Zone = Field(default="UTC", description="IANA time zone in which days, weeks and months begin.")
    on_redis_failure: Literal["deny", "allow"] = Field(
        default="deny", description="While Redis is away: refuse, or allow up to outage_usd in each process."
    )
    outage_nano: UsdNano = Field(
        default=SHIPPED_OUTAGE_NANO,
        alias="outage_usd",
        description="With on_redis_failure allow: US dollars a process may spend unseen.",
    )
    unpriced: Literal["deny", "allow"] = Field(
        default="deny",
        description="Endpoints whose cost cannot be bounded (batches, images, audio): refuse, or let them pass.",
    )
    shrink: Literal["uncapped", "always"] = Field(
        default="uncapped",
        description="Whose output cap is lowered to what is left: requests without one, or every request.",
    )

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.on_soft is not None and self.soft is None:
            refuse("needs soft, the share from which it acts", at="on_soft")
        if self.on_redis_failure == "deny" and self.outage_nano != SHIPPED_OUTAGE_NANO:
            refuse("needs on_redis_failure: allow", at="outage_usd")
        return self

    @property
    def soft_nano(self) -> int | None:
        """The soft limit, rounded down."""
        return None if self.soft is None else int(self.usd_nano * self.soft)


class Budget(Allowance):
    """A named budget of the whole proxy, or of each team, key, user or model that it names."""

    name: Name = Field(description="Shown to callers who meet the limit, and in metrics.")
    scope: Scope = Field(
        description="Whose spending counts. user: each end user of a key with trusted_users."
    )
    of: str | None = Field(
        default=None, min_length=1, description="The team, key or model it counts (scope team, key, model)."
    )

    @model_validator(mode="after")
    def _has_its_object(self) -> Self:
        if self.scope in ("team", "key", "model") and self.of is None:
            refuse(f"scope {self.scope} needs `of`, the name of the {self.scope}", at="scope")
        if self.scope in ("global", "user") and self.of is not None:
            refuse(f"scope {self.scope} takes no `of`", at="of")
        return self
