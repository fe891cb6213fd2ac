"""`auth:`, `teams:` and `keys:`: who may call, and what."""

from typing import Literal

from pydantic import Field

from proxy.nouns import Endpoint
from proxy.settings.budgets import Allowance
from proxy.settings.record import Record
from proxy.settings.values import Expiry, KeyHash, ModelName, Name


class Auth(Record):
    """The mode that says how callers are told apart."""

    mode: Literal["keys", "passthrough", "open"] | None = Field(
        default=None,
        description="keys: ours. passthrough: the caller's own provider key. open: anyone, loopback only. "
        "Left out: keys if any are listed, else open on loopback and passthrough elsewhere.",
    )
    metrics: Literal["open", "bearer"] = Field(
        default="bearer",
        description="Whether /metrics on the admin port asks for admin_key (when one is set).",
    )


class Limits(Record):
    """Rates of one key. None is unlimited."""

    rpm: int | None = Field(default=None, gt=0, description="Requests a minute.")
    tpm: int | None = Field(default=None, gt=0, description="Tokens a minute, input and output.")
    concurrent: int | None = Field(default=None, gt=0, description="Requests at the same time.")


class Team(Record):
    """Keys that share budgets."""

    name: Name = Field(description="The team's name, as keys refer to it.")
    budgets: tuple[Allowance, ...] = Field(default=(), description="What the team's keys may spend together.")


class Key(Record):
    """A key of ours. Only its SHA-256 is known here."""

    name: Name = Field(description="Shown in metrics, logs and spend; never the key itself.")
    hash: KeyHash = Field(repr=False, description='"sha256:" and the SHA-256 of the key in hex.')
    team: Name | None = Field(default=None, description="A name under teams.")
    models: tuple[ModelName, ...] = Field(
        default=(), description="Names it may ask for or reach: routes, aliases, models. None: all."
    )
    endpoints: tuple[Endpoint, ...] = Field(default=(), description="Endpoints it may call. None: all.")
    budgets: tuple[Allowance, ...] = Field(default=(), description="What this key may spend.")
    limits: Limits = Field(default_factory=Limits, description="Its rates; left out is unlimited.")
    expires_at: Expiry | None = Field(
        default=None,
        alias="expires",
        description="Last day (UTC) it works, or the moment it ends, with its zone.",
    )
    trusted_users: bool = Field(
        default=False,
        description="Its callers tell users apart truthfully, so that budgets of scope user apply.",
    )
