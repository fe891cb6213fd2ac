"""Ledger rows added up: which counts a row raises, and by how much. Pure.

A rollup's field is key, team, model, task, route and measure, joined; a user's is key, user and measure. Sums over all time
carry what the exporter asks for: cost by (model, task, route), cost by (team, key), tokens by kind.
"""

from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from proxy.nouns import LedgerRow

SEPARATOR: Final = "\x1f"
EVERYBODY_ELSE: Final = "*"
_decode = msgspec.json.Decoder(LedgerRow)


@dataclass(frozen=True, slots=True)
class Entry:
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
    values = dict(zip(fields[::2], fields[1::2], strict=True))
    counted = values.get(b"counted", b"")
    return Entry(entry_id.decode(), _decode.decode(values[b"row"]), int(counted) if counted else None)


def add_up(entries: Iterable[Entry]) -> Added:
    """What these entries add to rollups and sums."""
    added = Added()
    for entry in entries:
        row = entry.row
        hour = added.hours.setdefault(int(row.at // 3600), Tally())
        for measure, amount in measures(entry):
            hour[SEPARATOR.join((*dimensions(row), measure))] += amount
        if row.user_hash:
            day = added.days.setdefault(int(row.at // 86_400), Tally())
            day[SEPARATOR.join((row.key_name, row.user_hash, "cost"))] += _cost(entry)
            day[SEPARATOR.join((row.key_name, row.user_hash, "requests"))] += entry.counted_nano is None
        for name, amount in _sums(entry):
            added.sums[name] += amount
    return added


def dimensions(row: LedgerRow) -> tuple[str, str, str, str, str]:
    """What rollups tell apart: key, team, model, task, route."""
    return row.key_name, row.team, row.served, row.task, row.route


def measures(entry: Entry) -> Iterator[tuple[str, int]]:
    """What is counted of a row; only what is not zero."""
    row, usage = entry.row, entry.row.usage
    counts = {
        "requests": int(entry.counted_nano is None),
        "cost": _cost(entry),
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "cached": usage.cached_tokens,
        "cache_write": usage.cache_write_tokens,
        "reasoning": usage.reasoning_tokens,
        "estimated": int(row.estimated),
        "errors": int(row.status >= 400 or bool(row.error)),
    }
    return ((name, amount) for name, amount in counts.items() if amount)


def _sums(entry: Entry) -> Iterator[tuple[str, int]]:
    row = entry.row
    yield SEPARATOR.join(("cost", row.served, row.task, row.route)), _cost(entry)
    yield SEPARATOR.join(("key", row.team, row.key_name)), _cost(entry)
    for measure, amount in measures(entry):
        if measure in ("input", "output", "cached", "cache_write", "reasoning"):
            yield SEPARATOR.join(("tokens", measure)), amount


def _cost(entry: Entry) -> int:
    return entry.row.cost_nano - (entry.counted_nano or 0)
