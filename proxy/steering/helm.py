"""What moves a migration, whoever does it: a command, the admin port, the supervisor. One way, so that all keep its rules.

The state is read, walked, checked against the configuration and put back by compare-and-set with its audit line; who comes
second is told that it is another one meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from proxy.migration.assignment import bucket, key_unit, side_of
from proxy.migration.judge import READY_UNITS, fewest_units
from proxy.migration.roads import state_for
from proxy.migration.state import Event, Refused, State, moved, percent
from proxy.migration.supervision import following, held_until, is_watched
from proxy.settings import Migration, Settings
from proxy.store.client import Pipe
from proxy.store.migrations import read_states, replace_state
from proxy.store.operator import AuditLine, Unknown


@dataclass(frozen=True, slots=True)
class Helm:
    """The store and the settings (with the keys made at run time) that migrations are steered by."""

    pipe: Pipe
    settings: Settings

    async def state(self, name: str) -> State:
        """Where a migration stands. Raises Unknown, StoreAway."""
        return state_for(self.settings_of(name), await read_states(self.pipe))

    async def steer(self, name: str, event: Event, *, who: str, why: str, now: float) -> State:
        """Have it happen; the state after it. Raises Unknown, Refused, StoreAway."""
        return await self.put(await self.state(name), event, who=who, why=why, now=now)

    async def put(self, before: State, event: Event, *, who: str, why: str, now: float) -> State:
        """The same from a state that was just read."""
        after = moved(before, event, now=now, who=who, why=why)
        if event in (Event.START, Event.PROMOTE):
            refuse_too_few_keys(self.settings_of(before.name), self.settings, percent(after), now)
        audit = AuditLine(now, who, f"migrate {event.value}", before.name, _detail(before, after, why))
        if not await replace_state(self.pipe, before, after, audit):
            raise Refused(f"{before.name} was changed by somebody else meanwhile; look at `migrate status`")
        return after

    async def standing(self) -> list[dict[str, Any]]:
        """Every migration of the configuration as it stands. Raises StoreAway."""
        states = await read_states(self.pipe)
        return [told(each, state_for(each, states)) for each in self.settings.migrations]

    def settings_of(self, name: str) -> Migration:
        """What the configuration says of it. Raises Unknown."""
        for each in self.settings.migrations:
            if each.name == name:
                return each
        there = ", ".join(each.name for each in self.settings.migrations) or "none"
        raise Unknown(f'no migration is called "{name}"; there are: {there}')


def refuse_too_few_keys(migration: Migration, settings: Settings, share: int, now: float) -> None:
    """Keys can be too few to be a share of: then a stage compares one key with another. Raises Refused.

    There may also be enough of them, dealt so unevenly that one side never has what the judge asks for: keys do not come by and by
    as users do. In passthrough mode nobody can say how many keys there are.
    """
    if migration.sticky != "key" or share == 100 or settings.auth.mode == "passthrough":
        return
    keys = keys_taking_part(migration, settings, now) if settings.auth.mode == "keys" else ("",)
    there = len(keys)
    if there < fewest_units(share):
        why = (
            f"takes at least {fewest_units(share)} keys, and {there} {'takes' if there == 1 else 'take'} part"
        )
    elif (fewer := on_smaller_side(migration, keys, share)) < READY_UNITS:
        why = f"puts {fewer} of {there} keys on one side, and it takes {READY_UNITS} on each"
    else:
        return
    fit = [each for each in migration.stages if each == 100 or _fits(migration, keys, each)]
    raise Refused(
        f"a stage of {share} % with sticky: key {why}; write sticky: user or conversation, or stages: {fit}"
    )


def _fits(migration: Migration, keys: Sequence[str], share: int) -> bool:
    return len(keys) >= fewest_units(share) and on_smaller_side(migration, keys, share) >= READY_UNITS


def keys_taking_part(migration: Migration, settings: Settings, now: float) -> tuple[str, ...]:
    """Names of the keys that the share is a share of."""
    out = {*migration.pins, *migration.exclude}
    return tuple(
        [
            key.name
            for key in settings.keys
            if key.name not in out and (key.expires_at is None or now < key.expires_at)
        ]
    )


def on_smaller_side(migration: Migration, keys: Sequence[str], share: int) -> int:
    """How many of these keys are on the side of a share that has fewer: each is where its hash puts it, for good."""
    new = sum(side_of(bucket(migration.name, key_unit(name)), share) == "new" for name in keys)
    return min(new, len(keys) - new)


def told(migration: Migration, state: State) -> dict[str, Any]:
    """A migration for people and programs. Times are Unix seconds; `next` is None where nothing follows."""
    return {
        "name": migration.name,
        "from": migration.source,
        "to": str(migration.target),
        "status": state.status.value,
        "percent": percent(state),
        "stages": list(state.stages),
        "next": following(state),
        "auto": migration.auto,
        "held_until": held_until(migration, state) if is_watched(state) else None,
        "since": state.since or None,
        "started": state.started or None,
        "version": state.version,
        "who": state.who,
        "why": state.why,
    }


def _detail(before: State, after: State, why: str) -> str:
    share = f"{percent(before)} % -> {percent(after)} %, {after.status.value}, version {after.version}"
    return f"{share}: {why}" if why else share
