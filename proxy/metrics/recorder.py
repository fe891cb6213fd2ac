"""What a worker counts: one `observe` for every ledger row, and a small verb for everything that is not a request's end.

Theory of operation. All labels of a row follow from a few of its fields. The first row with a new combination has its labels
bounded (`labels.py`) and its cells found (`cells.py`); the places are kept as a `_Places`, so every later row costs one look-up
and a dozen additions to mapped memory. A combination with any field that had to be bounded is never kept: a caller who
sends a new name each time fills no memory here.

The parent has a Recorder of its own for what happens there (reload, reaped holds, lost epoch).
"""

import os
import time
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from proxy.metrics import labels, table
from proxy.metrics.cells import DEFAULT_BYTES, Cells
from proxy.metrics.labels import NONE, Snapshots, Vocabulary, known
from proxy.metrics.table import CHUNK_SECONDS, OVERHEAD_SECONDS, SECONDS, TOKENS, Metric
from proxy.nouns import LedgerRow

BREAKER_STATES: Final = ("closed", "half_open", "open")
_KEPT: Final = 4096
_MOST_CHANGES: Final = 16
# A histogram's cells: one per bucket, one above them all, then the sum at these distances from the first.
_SECONDS, _GAP = len(SECONDS) + 1, len(CHUNK_SECONDS) + 1
_OVERHEAD, _TOKENS = len(OVERHEAD_SECONDS) + 1, len(TOKENS) + 1


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the numbers of one combination of labels live. `called`: a provider was reached at all."""

    called: bool
    counters: tuple[int, ...]
    duration: int
    first_chunk: int
    per_chunk: int
    input: int
    output: int
    overhead: int


def cells_path(directory: Path, pid: int, born_ns: int) -> Path:
    """A name no process used before, so that a reused pid never meets an old file."""
    return directory / f"{pid}-{born_ns}.cells"


def open_recorder(directory: Path, vocabulary: Vocabulary, size_bytes: int = DEFAULT_BYTES) -> "Recorder":
    """A Recorder on a new file of this process in `directory`. Raises OSError when there is no room or no directory."""
    pid = os.getpid()
    return Recorder(Cells(cells_path(directory, pid, time.time_ns()), pid, size_bytes), vocabulary)


class Recorder:
    """The verbs. Every one is synchronous, takes microseconds at most and never raises for what a caller sent."""

    def __init__(self, cells: Cells, vocabulary: Vocabulary) -> None:
        self._cells = cells
        self._values = cells.values
        self._vocabulary = vocabulary
        self._snapshots = Snapshots()
        self._places: dict[tuple[object, ...], _Places] = {}
        self._in_flight = self._at(table.IN_FLIGHT)
        self._dropped = self._at(table.SERIES_DROPPED)
        self._unsettled = self._at(table.UNSETTLED)
        self._at(table.EPOCH_LOST)
        self._announce()

    def _announce(self) -> None:
        """Counters that alerts watch exist from the start at 0: `increase()` cannot see a series' first step."""
        for reason in sorted(labels.REFUSALS):
            self._at(table.REFUSALS, reason)
        for result in ("ok", "invalid"):
            self._at(table.RELOADS, result)
        for migration in sorted(self._vocabulary.migrations):
            for guard in sorted(labels.GUARDS):
                self._at(table.GUARD_TRIPS, migration, guard)

    def _at(self, metric: Metric, *values: str) -> int:
        return self._cells.series((metric.name, *values), metric.width)

    def learn(self, vocabulary: Vocabulary) -> None:
        """Use the names of a new configuration. Series of old names stay as they are."""
        self._vocabulary = vocabulary
        self._places.clear()
        self._announce()

    def observe(self, row: LedgerRow, *, chunks: int = 0, final: bool = True) -> None:
        """Count one row. `chunks`: SSE events of the answer; `final` is False for a billed attempt that another follows."""
        key = (
            row.endpoint, row.provider, row.served, row.response_model, row.error, row.task, row.reason,
            row.status, row.stream, row.finish == "refused", row.changes, final,
        )  # fmt: skip
        at = self._places.get(key) or self._place(row, key, final)
        values = self._values
        for counter in at.counters:
            values[counter] += 1.0
        if final:
            spent_s = row.overhead_ms * 0.001
            values[at.overhead + bisect_left(OVERHEAD_SECONDS, spent_s)] += 1.0
            values[at.overhead + _OVERHEAD] += spent_s
        if not at.called:
            return
        duration_s = row.duration_ms * 0.001
        values[at.duration + bisect_left(SECONDS, duration_s)] += 1.0
        values[at.duration + _SECONDS] += duration_s
        usage = row.usage
        if usage.source != "none":
            tokens = usage.input_tokens
            values[at.input + bisect_left(TOKENS, tokens)] += 1.0
            values[at.input + _TOKENS] += tokens
            tokens = usage.output_tokens
            values[at.output + bisect_left(TOKENS, tokens)] += 1.0
            values[at.output + _TOKENS] += tokens
        if row.stream and row.first_byte_ms > 0:
            self._streamed(at, row.first_byte_ms * 0.001, duration_s, chunks - 1)

    def _streamed(self, at: _Places, first_s: float, duration_s: float, gaps: int) -> None:
        values = self._values
        values[at.first_chunk + bisect_left(SECONDS, first_s)] += 1.0
        values[at.first_chunk + _SECONDS] += first_s
        if gaps > 0:
            rest_s = max(0.0, duration_s - first_s)
            values[at.per_chunk + bisect_left(CHUNK_SECONDS, rest_s / gaps)] += gaps
            values[at.per_chunk + _GAP] += rest_s

    def _place(self, row: LedgerRow, key: tuple[object, ...], final: bool) -> _Places:
        names = self._vocabulary
        endpoint = known(row.endpoint, labels.ENDPOINTS)
        provider = known(row.provider, names.providers)
        model = known(row.served, names.models)
        response_model = self._snapshots.label(row.response_model, names)
        error = labels.error_label(row.error)
        task, reason = known(row.task, names.tasks), known(row.reason, labels.REASONS)
        call = (labels.OPERATIONS.get(endpoint, endpoint), provider, model, response_model)
        called = bool(row.provider) and row.finish != "refused"
        counters: list[int] = []
        if final:
            counters.append(self._at(table.REQUESTS, endpoint, labels.status_label(row.status)))
        if final and row.finish == "refused":
            counters.append(self._at(table.REFUSALS, labels.refusal_label(row.error)))
        if final and called:
            changed = sorted({labels.change_label(change, names) for change in row.changes[:_MOST_CHANGES]})
            counters.append(self._at(table.DECISIONS, model or NONE, task or NONE, reason))
            counters.extend(self._at(table.CHANGES, change) for change in changed)
        places = _Places(
            called=called,
            counters=tuple(counters),
            duration=self._at(table.DURATION, *call, error) if called else 0,
            first_chunk=self._at(table.FIRST_CHUNK, *call) if called and row.stream else 0,
            per_chunk=self._at(table.PER_CHUNK, *call) if called and row.stream else 0,
            input=self._at(table.TOKEN_USAGE, *call, "input") if called else 0,
            output=self._at(table.TOKEN_USAGE, *call, "output") if called else 0,
            overhead=self._at(table.OVERHEAD, endpoint),
        )
        if (endpoint, provider, model, response_model, error, task, reason) == key[:7]:
            if len(self._places) >= _KEPT:
                self._places.clear()
            self._places[key] = places
        self._values[self._dropped] = float(self._cells.dropped)
        return places

    def arm(self, migration: str, arm: Literal["old", "new"], row: LedgerRow) -> None:
        """Count a row for its side of a migration."""
        migration = known(migration, self._vocabulary.migrations)
        failed = row.status >= 500 or row.finish in ("error", "cut")
        self._add(table.ARM_REQUESTS, migration, arm, "error" if failed else "ok")
        if row.first_byte_ms > 0:
            place = self._at(table.ARM_FIRST_CHUNK, migration, arm)
            self._values[place + bisect_left(SECONDS, row.first_byte_ms * 0.001)] += 1.0
            self._values[place + _SECONDS] += row.first_byte_ms * 0.001

    def _add(self, metric: Metric, *values: str, by: float = 1.0) -> None:
        self._values[self._at(metric, *values)] += by

    def _set(self, metric: Metric, value: float, *values: str) -> None:
        self._values[self._at(metric, *values)] = value

    def started(self) -> None:
        """A request came in; `ended` must follow, whatever happens to it."""
        self._values[self._in_flight] += 1.0

    def ended(self) -> None:
        """The request is over."""
        self._values[self._in_flight] -= 1.0

    def refusal(self, reason: str, *, endpoint: str = "", status: int = 0) -> None:
        """The proxy refused a request that leaves no row (before it was known whose it is). With a `status` it also counts
        as a request. `reason` is the error's code, or the name of its class when it has none."""
        self._add(table.REFUSALS, labels.refusal_label(reason))
        if status:
            self._add(table.REQUESTS, known(endpoint, labels.ENDPOINTS), labels.status_label(status))

    def fallback(self, from_model: str, to_model: str, cause: str) -> None:
        """The next candidate is tried because the one before did `cause` (a kind of error)."""
        models = self._vocabulary.models
        self._add(
            table.FALLBACKS, known(from_model, models), known(to_model, models), labels.error_label(cause)
        )

    def breaker(self, provider: str, model: str, state: Literal["closed", "half_open", "open"]) -> None:
        """A deployment's breaker changed state."""
        names = self._vocabulary
        value = float(BREAKER_STATES.index(state))
        self._set(table.BREAKER, value, known(provider, names.providers), known(model, names.models))

    def redis(self, up: bool) -> None:
        """Redis answers, or does not."""
        self._set(table.REDIS_UP, float(up))

    def guard_tripped(self, migration: str, guard: str) -> None:
        """A guard stopped a migration; `guard` is one of `labels.GUARDS`."""
        self._add(
            table.GUARD_TRIPS, known(migration, self._vocabulary.migrations), known(guard, labels.GUARDS)
        )

    def reloaded(self, ok: bool) -> None:
        """The configuration was read again: taken, or invalid and the old one kept."""
        self._add(table.RELOADS, "ok" if ok else "invalid")
        self._set(table.RELOAD_OK, float(ok))

    def unsettled(self, count: int = 1) -> None:
        """Holds were charged in full because nobody settled them."""
        self._values[self._unsettled] += count

    def epoch_lost(self, lost: bool) -> None:
        """Redis has lost its counters, or they are rebuilt."""
        self._set(table.EPOCH_LOST, float(lost))

    def close(self) -> None:
        """The file stays for the parent, which retires it."""
        self._values.release()
        self._cells.close()
