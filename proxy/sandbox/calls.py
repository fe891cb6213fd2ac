"""The record of every call: what came in, what went out, how it ended and what it truly cost.

This is the ground truth tests compare a proxy's ledger with, so totals are kept apart from the bounded ring of records.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

import msgspec

from proxy.sandbox.billing import Bill


@dataclass(slots=True)
class CallRecord:
    """One call. `outcome` is running, answered, refused, cut, client_closed or aborted; `bill` is what was charged."""

    n: int
    request_id: str
    at: float
    method: str
    path: str
    query: str
    headers: dict[str, str]
    raw: bytes
    key: str
    asked: str | None = None
    served: str | None = None
    stream: bool = False
    status: int = 0
    error_code: str | None = None
    error_message: str | None = None
    faults: tuple[str, ...] = ()
    outcome: str = "running"
    client_closed: bool = False
    events_sent: int = 0
    bytes_sent: int = 0
    full_output: int = 0
    bill: Bill | None = None
    cost_nano: int = 0
    seconds: float = 0.0

    @property
    def billed(self) -> bool:
        return self.bill is not None

    @property
    def body(self) -> Any:
        """The request body as JSON when it is JSON, else as text."""
        try:
            return msgspec.json.decode(self.raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self.raw.decode("utf-8", "replace")

    def told(self) -> dict[str, Any]:
        """The record as `GET /sandbox/calls` shows it."""
        names = [name for name in self.__slots__ if name not in ("raw", "bill")]
        out = {name: getattr(self, name) for name in names}
        text = self.raw.decode("utf-8", "replace")
        return {**out, "billed": self.billed, "bill": self.bill, "body": self.body, "raw": text}


@dataclass(slots=True)
class CallLog:
    """A ring of records and running totals; `clear` empties both."""

    size: int
    _ring: deque[CallRecord] = field(init=False)
    totals: Counter[str] = field(default_factory=Counter)
    by_model: dict[str, Counter[str]] = field(default_factory=dict)
    made: int = 0

    def __post_init__(self) -> None:
        self._ring = deque(maxlen=self.size)

    def open(self, record: CallRecord) -> None:
        self._ring.append(record)
        self.totals["calls"] += 1
        self.totals["open"] += 1

    def next_number(self) -> int:
        self.made += 1
        return self.made

    def close(self, record: CallRecord) -> None:
        """Count a finished call in the totals."""
        self.totals["open"] -= 1
        if record.outcome == "running":
            record.outcome = "aborted"  # the sandbox itself was stopped
        self.totals[record.outcome] += 1
        self.totals[f"status_{record.status}"] += 1
        self.totals["bytes_sent"] += record.bytes_sent
        self.totals["early_closed"] += record.client_closed
        if record.bill is None:
            return
        counters = [self.totals]
        if record.served:
            counters.append(self.by_model.setdefault(record.served, Counter()))
        for counter in counters:
            counter["billed_calls"] += 1
            counter["prompt_tokens"] += record.bill.prompt
            counter["cached_tokens"] += record.bill.cached
            counter["written_tokens"] += record.bill.written
            counter["output_tokens"] += record.bill.output
            counter["reasoning_tokens"] += record.bill.reasoning
            counter["cost_nano"] += record.cost_nano

    def records(self, *, path: str | None = None) -> list[CallRecord]:
        """Oldest first; `path` narrows to one URL path."""
        return [record for record in self._ring if path is None or record.path == path]

    def last(self) -> CallRecord:
        return self._ring[-1]

    def clear(self) -> None:
        running = self.totals["open"]
        self._ring.clear()
        self.totals.clear()
        self.by_model.clear()
        self.totals["open"] = running

    def told_totals(self) -> dict[str, Any]:
        return {**self.totals, "by_model": {name: dict(counter) for name, counter in self.by_model.items()}}
