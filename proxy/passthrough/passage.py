"""One call that is passed through, its client, and the rooms it enters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from proxy.headers import Header
from proxy.money import Money
from proxy.nouns import Call, LedgerRow
from proxy.passthrough.incoming import Sent
from proxy.passthrough.surface import Match
from proxy.planning.plan import Planner
from proxy.tenants import Tenants
from proxy.upstreams.providers import Provider


class Client(Protocol):
    """flow's client, which can also be left with an answer that visibly broke off."""

    cutting: bool
    started: bool

    async def start(self, status: int, headers: list[Header]) -> None: ...
    async def start_sized(self, status: int, headers: list[Header], length: bytes) -> None: ...
    async def write(self, block: bytes) -> None: ...
    async def end(self) -> None: ...
    async def whole(self, status: int, headers: list[Header], body: bytes) -> None: ...
    def abort(self) -> None: ...


class Rooms(Protocol):
    """What of flow's house a passed-through call enters."""

    @property
    def planner(self) -> Planner: ...
    @property
    def providers(self) -> Mapping[str, Provider]: ...
    @property
    def money(self) -> Money: ...
    @property
    def tenants(self) -> Tenants: ...
    @property
    def record(self) -> Callable[[LedgerRow, bytes, bool, int], None]: ...
    @property
    def clock(self) -> Callable[[], float]: ...
    @property
    def passthrough(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Passage:
    """One call: `call.target` is path and query, `call.raw` a body that was read; `upload` one that is still coming."""

    call: Call
    match: Match
    query: str = ""
    upload: Sent | None = None
