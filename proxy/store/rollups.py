"""The tail of ledger rows, moved into hourly rollups, and the questions asked of both: rollups + tail = counters.

Any parent may roll up at any time: a stretch of the tail enters the rollups only if nobody has rolled it up since it was
read (`rollup_v1` compares the mark). Readers take the mark, the rollups and the rows after it from one transaction.
"""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.store import keys
from proxy.store.client import Pipe, Word
from proxy.store.resp import pairs
from proxy.store.rows import EVERYBODY_ELSE, SEPARATOR, Entry, add_up, read_entry
from proxy.store.scripts import ROLLUP

ROWS_KEPT: Final = 10_000
_AT_ONCE: Final = 1_000
_KEPT_S: Final = 400 * 86_400
_MOST_USERS_A_DAY: Final = 20_000


@dataclass(frozen=True, slots=True)
class SpendLine:
    """What was used under one combination of names, in hours [since, until). Costs are nano-dollars."""

    key: str = ""
    team: str = ""
    user: str = ""
    model: str = ""
    task: str = ""
    route: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def cost_nano(self) -> int:
        """Nano-dollars."""
        return self.counts.get("cost", 0)


@dataclass(frozen=True, slots=True)
class Sums:
    """Everything ever entered: cost by (model, task, route), cost by (team, key), tokens by kind."""

    cost_nano: Mapping[tuple[str, str, str], int]
    key_cost_nano: Mapping[tuple[str, str], int]
    tokens: Mapping[str, int]


async def roll_up(pipe: Pipe) -> int:
    """Move the next stretch of the tail into the rollups; returns how many rows (0: nothing to do). Raises StoreAway."""
    mark = (await pipe.call("GET", keys.ROLLED) or b"0-0").decode()
    found = await pipe.call("XRANGE", keys.TAIL, f"({mark}", "+", "COUNT", _AT_ONCE)
    if not found:
        return 0
    added = add_up([read_entry(entry_id, fields) for entry_id, fields in found])
    places: list[tuple[str, Tally[str]]] = [(keys.SUMS, added.sums)]
    places += [(keys.rollup(hour), counts) for hour, counts in added.hours.items()]
    for day, counts in added.days.items():
        crowded = int(await pipe.call("HLEN", keys.users_rollup(day))) > 2 * _MOST_USERS_A_DAY
        places.append((keys.users_rollup(day), _crowd(counts) if crowded else counts))
    words: list[Word] = [mark, found[-1][0], ROWS_KEPT, _KEPT_S]
    for index, (_, counts) in enumerate(places, 1):
        for name, amount in counts.items():
            words += (index, name, amount)
    done = await pipe.script(ROLLUP, [keys.ROLLED, keys.TAIL, *[name for name, _ in places]], words)
    return len(found) if done else 0


async def spend(pipe: Pipe, since: float, until: float, by: Iterable[str]) -> list[SpendLine]:
    """Usage in the whole hours that [since, until) touches, added up by some of key, team, model, task, route; or by
    `user` (with key, in whole days). Reaches back 400 days. Dearest first. Raises StoreAway."""
    wanted = tuple(by)
    if "user" in wanted:
        return await _spend_by_user(pipe, since, until)
    since = max(since, until - _KEPT_S)
    hours = range(int(since // 3600), int(-(-until // 3600)))
    counts, entries = await _read(pipe, [keys.rollup(hour) for hour in hours])
    fresh = add_up(entries).hours
    totals: dict[tuple[str, ...], Tally[str]] = {}
    for tally in [*counts, *[fresh[hour] for hour in hours if hour in fresh]]:
        for name, amount in tally.items():
            *names, measure = name.split(SEPARATOR)
            known = dict(zip(("key", "team", "model", "task", "route"), names, strict=True))
            group = tuple([known[each] for each in wanted])
            totals.setdefault(group, Tally())[measure] += amount
    lines = [
        SpendLine(**dict(zip(wanted, group, strict=True)), counts=dict(c)) for group, c in totals.items()
    ]
    return sorted(lines, key=lambda line: -line.cost_nano)


async def sums(pipe: Pipe) -> Sums:
    """The totals of all time, the unrolled tail included. Raises StoreAway."""
    counts, entries = await _read(pipe, [keys.SUMS])
    tally = counts[0] + Tally()
    tally.update(add_up(entries).sums)
    parts = {tuple(name.split(SEPARATOR)): amount for name, amount in tally.items()}
    return Sums(
        {(n[1], n[2], n[3]): amount for n, amount in parts.items() if n[0] == "cost"},
        {(n[1], n[2]): amount for n, amount in parts.items() if n[0] == "key"},
        {n[1]: amount for n, amount in parts.items() if n[0] == "tokens"},
    )


async def latest_rows(pipe: Pipe, count: int) -> list[Entry]:
    """The newest rows of the tail, newest first. Raises StoreAway."""
    found = await pipe.call("XREVRANGE", keys.TAIL, "+", "-", "COUNT", count)
    return [read_entry(entry_id, fields) for entry_id, fields in found]


async def _spend_by_user(pipe: Pipe, since: float, until: float) -> list[SpendLine]:
    since = max(since, until - _KEPT_S)
    days = range(int(since // 86_400), int(-(-until // 86_400)))
    counts, entries = await _read(pipe, [keys.users_rollup(day) for day in days])
    fresh = add_up(entries).days
    totals: dict[tuple[str, str], Tally[str]] = {}
    for tally in [*counts, *[fresh[day] for day in days if day in fresh]]:
        for name, amount in tally.items():
            key, user, measure = name.split(SEPARATOR)
            totals.setdefault((key, user), Tally())[measure] += amount
    lines = [SpendLine(key=key, user=user, counts=dict(c)) for (key, user), c in totals.items()]
    return sorted(lines, key=lambda line: -line.cost_nano)


async def _read(pipe: Pipe, names: list[str]) -> tuple[list["Tally[str]"], list[Entry]]:
    """Hashes of counts, and the entries that are in none of them yet."""
    mark = (await pipe.call("GET", keys.ROLLED) or b"0-0").decode()
    reads = [("HGETALL", name) for name in names]
    rolled, found, *hashes = await pipe.transaction(
        [("GET", keys.ROLLED), ("XRANGE", keys.TAIL, f"({mark}", "+"), *reads]
    )
    # Rolled up between the two looks: these rows are in the hashes already.
    after = _stream_order(rolled or b"0-0")
    entries = [read_entry(entry_id, fields) for entry_id, fields in found if _stream_order(entry_id) > after]
    return [_tally(flat) for flat in hashes], entries


def _tally(flat: list[bytes]) -> "Tally[str]":
    return Tally({name: int(count) for name, count in pairs(flat).items()})


def _stream_order(entry_id: bytes) -> tuple[int, int]:
    ms, _, number = entry_id.partition(b"-")
    return int(ms), int(number)


def _crowd(counts: "Tally[str]") -> "Tally[str]":
    """Users folded into one per key: names that callers make up must not fill the store."""
    folded: Tally[str] = Tally()
    for name, amount in counts.items():
        key, _, measure = name.split(SEPARATOR)
        folded[SEPARATOR.join((key, EVERYBODY_ELSE, measure))] += amount
    return folded
