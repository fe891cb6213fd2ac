"""Ledger rows added up: which counts a row raises, and by how much. Pure.

A rollup's field is key, team, model, task, route and measure, joined; a user's is key, user and measure. Sums over all time
carry what the exporter asks for: cost by (model, task, route), cost by (team, key), tokens by kind.
"""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import add
from typing import Final

import msgspec

from proxy.nouns import LedgerRow

SEPARATOR: Final = "\x1f"
EVERYBODY_ELSE: Final = "*"
_MEASURES: Final = (
    "requests",
    "cost",
    "input",
    "output",
    "cached",
    "cache_write",
    "reasoning",
    "estimated",
    "errors",
)
_TOKENS: Final = frozenset(_MEASURES[2:7])
_decode: Final = msgspec.json.Decoder(LedgerRow).decode


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One entry of the tail. `counted_nano` was charged before this row came: it trues up a row that counts already."""

    id: str
    row: LedgerRow
    counted_nano: int | None


@dataclass(slots=True)
class Added:
    """Counts by rollup hour, by day and in all."""

    hours: dict[int, "Tally[str]"] = field(default_factory=dict)
    days: dict[int, "Tally[str]"] = field(default_factory=dict)
    sums: "Tally[str]" = field(default_factory=Tally)


def read_entry(entry_id: bytes, fields: list[bytes]) -> Entry:
    """A stream entry as Redis returns it: field, value, field, value."""
    names = fields[::2]
    counted = fields[2 * names.index(b"counted") + 1] if b"counted" in names else b""
    row = _decode(fields[2 * names.index(b"row") + 1])
    return Entry(entry_id.decode(), row, int(counted) if counted else None)


def add_up(entries: Iterable[Entry]) -> Added:
    """What these entries add to rollups and sums. Numbers are gathered under a few names before a count is named."""
    by_names: dict[tuple[int, str, str, str, str, str], tuple[int, ...]] = {}
    by_user: dict[tuple[int, str, str], tuple[int, ...]] = {}
    for entry in entries:
        row, usage, counted_nano = entry.row, entry.row.usage, entry.counted_nano
        first, cost_nano = int(counted_nano is None), row.cost_nano - (counted_nano or 0)
        names = (int(row.at // 3600), row.key_name, row.team, row.served, row.task, row.route)
        numbers: tuple[int, ...] = (
            first,
            cost_nano,
            usage.input_tokens,
            usage.output_tokens,
            usage.cached_tokens,
            usage.cache_write_tokens,
            usage.reasoning_tokens,
            1 if row.estimated else 0,
            1 if row.status >= 400 or row.error else 0,
        )
        before = by_names.get(names)
        by_names[names] = tuple(map(add, before, numbers)) if before else numbers
        if row.user_hash:
            user = (int(row.at // 86_400), row.key_name, row.user_hash)
            by_user[user] = tuple(map(add, by_user.get(user, (0, 0)), (cost_nano, first)))
    return _named(by_names, by_user)


def _named(
    by_names: Mapping[tuple[int, str, str, str, str, str], tuple[int, ...]],
    by_user: Mapping[tuple[int, str, str], tuple[int, ...]],
) -> Added:
    """The counts under the names they have in Redis."""
    added = Added()
    for (hour, *names), numbers in by_names.items():
        key_name, team, served, task, route = names
        counts = {name: number for name, number in zip(_MEASURES, numbers, strict=True) if number}
        tally = added.hours.setdefault(hour, Tally())
        tally.update({SEPARATOR.join((*names, name)): number for name, number in counts.items()})
        # Cost also where it is nothing: what was used free of charge is shown as well.
        cost_nano = counts.get("cost", 0)
        added.sums[SEPARATOR.join(("cost", served, task, route))] += cost_nano
        added.sums[SEPARATOR.join(("key", team, key_name))] += cost_nano
        for name in _TOKENS.intersection(counts):
            added.sums[SEPARATOR.join(("tokens", name))] += counts[name]
    for (day, key_name, user_hash), (cost_nano, requests) in by_user.items():
        tally = added.days.setdefault(day, Tally())
        tally[SEPARATOR.join((key_name, user_hash, "cost"))] += cost_nano
        tally[SEPARATOR.join((key_name, user_hash, "requests"))] += requests
    return added
