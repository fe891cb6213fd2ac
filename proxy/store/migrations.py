"""Where migrations stand, as all replicas share it: changed by compare-and-set with an audit line, seen by polling.

Versions only rise, so whoever holds the higher one is right: also when the store lost its data, or was restored from an
older copy. Then a parent gives back what it has (`give_back`).
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from proxy.migration.roads import newest
from proxy.migration.state import State
from proxy.store import keys
from proxy.store.client import Pipe
from proxy.store.operator import AUDIT_KEPT, AuditLine
from proxy.store.resp import pairs
from proxy.store.scripts import MIGRATE

GIVEN_BACK: Final = "migrate restore"
_decode = msgspec.json.Decoder(State)


async def read_states(pipe: Pipe) -> dict[str, State]:
    """Every migration's state by name. Raises StoreAway."""
    return states_in(pairs(await pipe.call("HGETALL", keys.MIGRATIONS)))


def states_in(held: Mapping[str, bytes]) -> dict[str, State]:
    """States from the hash as it is kept; one that a newer version wrote in another way is left out."""
    found = {}
    for name, text in held.items():
        try:
            found[name] = _decode.decode(text.partition(b"\n")[2])
        except msgspec.DecodeError:
            continue
    return found


def packed(state: State) -> bytes:
    """A state as the hash holds it: the version in front, where a script can read it."""
    return b"%d\n%b" % (state.version, msgspec.json.encode(state))


async def replace_state(pipe: Pipe, before: State, after: State, audit: AuditLine) -> bool:
    """Put `after` in the place of `before`; False when it is another one meanwhile. Raises StoreAway."""
    return await _put(pipe, after, str(before.version), audit)


async def give_back(pipe: Pipe, mine: Mapping[str, State], theirs: Mapping[str, State], at: float) -> int:
    """Write the states of which the store has an older version, or none; how many. Raises StoreAway."""
    later = [state for name, state in newest(mine, theirs).items() if state != theirs.get(name)]
    given = 0
    for state in later:
        line = AuditLine(
            at, "switchyard", GIVEN_BACK, state.name, f"version {state.version}, which Redis had lost"
        )
        given += await _put(pipe, state, "", line)
    return given


async def _put(pipe: Pipe, state: State, follows: str, audit: AuditLine) -> bool:
    return bool(
        await pipe.script(
            MIGRATE,
            [keys.MIGRATIONS, keys.VERSION, keys.AUDIT],
            [
                state.name,
                state.version,
                packed(state),
                follows,
                msgspec.json.encode(audit),
                AUDIT_KEPT,
            ],
        )
    )
