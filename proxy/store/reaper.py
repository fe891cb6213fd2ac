"""Charges holds whose leases have run out: their processes are gone, and what they sent may be billed.

Charged in full and marked unsettled, so that the ledger is never below the truth; a bill that comes after all corrects it.
Runs in the parent, without traffic. Two reapers at once do no harm: `expire_v1` looks at the lease again.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from proxy.nouns import LedgerRow, Usage
from proxy.store import keys
from proxy.store.client import Pipe, StoreRefused
from proxy.store.label import read_label
from proxy.store.scripts import EXPIRE

UNSETTLED: Final = "unsettled"
_AT_ONCE: Final = 200
_WINDOWS_KEPT_S: Final = 172_800


async def reap(pipe: Pipe, refused: Callable[[StoreRefused], None]) -> int:
    """Charge what has expired (up to 200 holds); returns how many were. One that is `refused` is not in the way of the others.
    Raises StoreAway."""
    seconds, micros = [int(part) for part in await pipe.call("TIME")]
    now_ms = seconds * 1000 + micros // 1000
    found = await pipe.call("ZRANGEBYSCORE", keys.OPEN, "-inf", now_ms, "LIMIT", 0, _AT_ONCE)
    ids = [hold_id.decode() for hold_id in found]
    records = [pipe.call("GET", keys.hold(hold_id)) for hold_id in ids]
    charged = 0
    for hold_id, record in zip(ids, records, strict=True):
        try:
            charged += await _charge(pipe, hold_id, await record or b"0 0\n", now_ms / 1000)
        except StoreRefused as error:
            refused(error)
    await pipe.call("ZREMRANGEBYSCORE", keys.LIVE, "-inf", seconds - _WINDOWS_KEPT_S)
    return charged


async def _charge(pipe: Pipe, hold_id: str, record: bytes, now_s: float) -> bool:
    head, _, rest = record.decode().partition("\n")
    label, *counters = rest.split("\n")
    row = abandoned(label, int(head.split(" ")[0]), now_s)
    names = [
        keys.OPEN,
        keys.done(hold_id),
        keys.hold(hold_id),
        keys.UNSETTLED,
        keys.TAIL,
        *[c for c in counters if c],
    ]
    amount: Any = await pipe.script(EXPIRE, names, [hold_id, keys.IDS_KEPT_S, msgspec.json.encode(row)])
    return bool(amount >= 0)


def abandoned(label: str, amount_nano: int, now_s: float) -> LedgerRow:
    """The row of a request that nobody settled."""
    known = read_label(label)
    return LedgerRow(
        request_id=known.get("request_id", ""),
        attempt=int(known.get("attempt", "0") or 0),
        at=now_s,
        endpoint=known.get("endpoint", ""),
        key_id=known.get("key_id", ""),
        key_name=known.get("key_name", ""),
        team=known.get("team", ""),
        user_hash=known.get("user_hash", ""),
        asked=known.get("asked", ""),
        served=known.get("served", ""),
        response_model="",
        provider=known.get("provider", ""),
        route=known.get("route", ""),
        task=known.get("task", ""),
        reason="",
        status=0,
        finish="",
        error=UNSETTLED,
        stream=False,
        usage=Usage(source="bound"),
        cost_nano=amount_nano,
        estimated=True,
        first_byte_ms=0.0,
        duration_ms=0.0,
        overhead_ms=0.0,
    )
