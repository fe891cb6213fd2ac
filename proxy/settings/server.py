"""`server:`, `redis:` and `lifecycle:`: where we listen, where state lives, how retirements are handled."""

import ipaddress
from typing import Annotated, Literal

from pydantic import Field

from proxy.settings.record import Record
from proxy.settings.values import Secret

Port = Annotated[int, Field(ge=0, le=65535)]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`. A name other than localhost counts as reachable from outside."""
    bare = host.strip().strip("[]").lower()
    if bare == "localhost":
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


class Server(Record):
    """The sockets, the processes behind them and the limits of the door."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address of the data port. Beyond loopback, callers need keys of their own.",
    )
    port: Port = Field(
        default=4000, description="Data port: what applications use as base_url (http://HOST:PORT/v1)."
    )
    admin_host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address of the admin port. Beyond loopback it needs admin_key.",
    )
    admin_port: Port = Field(
        default=4001, description="Admin port: /metrics, /admin and the operator's page."
    )
    workers: int = Field(default=1, ge=1, le=256, description="Processes that serve the data port.")
    max_json_mb: int = Field(
        default=64, ge=1, le=1024, description="Largest JSON body accepted, in MiB; more is a 413."
    )
    max_in_flight: int = Field(
        default=4096,
        ge=1,
        description="Requests a worker handles at once; more are refused with 503 and retry-after.",
    )
    drain_seconds: int = Field(
        default=30, ge=0, le=3600, description="How long open requests may finish after SIGTERM."
    )
    admin_key: Secret | None = Field(
        default=None,
        description="Bearer key of the admin port, at least 32 characters. Take it from the environment.",
    )

    @property
    def max_json_bytes(self) -> int:
        return self.max_json_mb * 1024 * 1024


class Redis(Record):
    """Where budgets, keys made at run time and migration state live."""

    url: Secret | None = Field(
        default=None,
        description="redis://, rediss:// or unix:// URL of Redis or Valkey 7+; rediss:// takes ?ssl_ca_certs=FILE. None: an "
        "embedded Valkey under ./.switchyard.",
    )
    embedded: Literal["single-node"] | None = Field(
        default=None,
        description="Write single-node to accept the embedded server for budgets on a non-loopback bind: one machine only.",
    )


class Lifecycle(Record):
    """What happens around a model's shutdown date."""

    margin_hours: int = Field(
        default=24,
        ge=0,
        le=24 * 90,
        description="Hours before the shutdown at which the successor takes over.",
    )
    allow_dearer: bool = Field(
        default=False, description="Also take successors that cost more than 1.5 times the retired model."
    )
    poll_minutes: int = Field(
        default=60, ge=0, description="How often GET /v1/models is read for shutdown dates; 0 never."
    )
