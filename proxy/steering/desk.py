"""The admin port's side of migrations: the verbs of `switchyard migrate` for programs, with OpenAI's error shape."""

from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from proxy.app.configuration import Configuration
from proxy.errors import BadRequest, NotFound, UpstreamUnavailable
from proxy.migration.state import VERBS, Event, Refused
from proxy.parse import NOT_JSON
from proxy.steering.helm import Helm, told
from proxy.store.client import Pipe, StoreAway
from proxy.store.operator import Unknown

_MOST_WHY: Final = 1_000
"""Characters of a reason: it stays in the store and is sent to every worker."""


class Wish(msgspec.Struct):
    """What may be said with a verb."""

    why: str = ""


class Kept(Protocol):
    """The store as the parent has it."""

    @property
    def pipe(self) -> Pipe | None: ...
    @property
    def configuration(self) -> Configuration: ...


class MigrationDesk:
    """One per parent."""

    def __init__(self, kept: Kept, wall_clock: Callable[[], float]) -> None:
        self._kept = kept
        self._wall_clock = wall_clock

    async def standing(self) -> list[dict[str, Any]]:
        """Every migration as it stands. Raises UpstreamUnavailable."""
        try:
            return await self._helm().standing()
        except StoreAway:
            raise _away() from None

    async def steer(self, name: str, verb: str, body: bytes, who: str) -> dict[str, Any]:
        """Have a verb done; the migration afterwards. Raises NotFound, BadRequest, UpstreamUnavailable."""
        if verb not in VERBS:
            raise NotFound(f"A migration can {', '.join(VERBS)}; there is no {verb!r}.")
        why, helm = _why(body), self._helm()
        try:
            after = await helm.steer(name, Event(verb), who=who, why=why, now=self._wall_clock())
        except Unknown as unknown:
            raise NotFound(f"{unknown}.") from None
        except Refused as refused:
            raise BadRequest(f"{refused}.", code="migration_refused") from None
        except StoreAway:
            raise _away() from None
        return told(helm.settings_of(name), after)

    def _helm(self) -> Helm:
        if self._kept.pipe is None:
            raise _away()
        return Helm(self._kept.pipe, self._kept.configuration.settings)


def _why(body: bytes) -> str:
    try:
        return msgspec.json.decode(body or b"{}", type=Wish).why[:_MOST_WHY]
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadRequest(NOT_JSON) from None


def _away() -> UpstreamUnavailable:
    return UpstreamUnavailable("Redis does not answer, and migrations stand in it.", retry_after_s=1)
