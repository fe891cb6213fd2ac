"""A ledger, a request and a row in few words, for tests and measurements of the store."""

import asyncio
import itertools
import time
from contextlib import asynccontextmanager

import msgspec

from proxy.budgets.holds import HoldSize
from proxy.budgets.scopes import Budget, Counter, Tab
from proxy.nouns import Caller, LedgerRow, Usage
from proxy.store.label import label
from proxy.store.ledger import Ledger, LedgerOptions
from proxy.store.ports import HoldRequest

PATIENCE_S = 5.0
"""Tests that are not about slowness must not fail on a busy machine."""

CALLER = Caller("k1", "web", team="search", trusted_users=True)


def make_ledger(url, directory, *, new_id=None, **options):
    ids = itertools.count(1)
    unique = f"{id(ids):x}"
    return Ledger(
        url,
        LedgerOptions(**{"directory": directory, "hold_timeout_s": PATIENCE_S, **options}),
        wall_clock=options.pop("wall_clock", time.time),
        new_id=new_id or (lambda: f"{unique}{next(ids):06x}"),
    )


@asynccontextmanager
async def running(ledger):
    """The ledger with its background work; drained into Redis at the end."""
    await ledger.start()
    work = asyncio.gather(ledger.run())
    try:
        yield ledger
        await ledger.close()
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


def money(limit, name="company", per="total", **more):
    budget = Budget(name, "global", limit, per, **more)
    return Counter(f"b:{name}", "money", limit, per, budget.zone, budget)


def request(counters, want=100, smallest=None, *, tokens=10, number=1, at=None, **more):
    size = HoldSize(want, None, want if smallest is None else smallest, **more)
    described = label(
        f"req{number}", "0", "chat", CALLER.key_id, CALLER.key_name, CALLER.team, "u1", "auto", "m", "openai", "auto", "math"
    )  # fmt: skip
    at = time.time() if at is None else at
    return HoldRequest(described, CALLER.key_name, "u1", Tab.of(counters), size, tokens, at)


def row(cost=0, number=1, **more):
    fields = {
        "request_id": f"req{number}", "attempt": 0, "at": time.time(), "endpoint": "chat", "key_id": "k1",
        "key_name": "web", "team": "search", "user_hash": "u1", "asked": "auto", "served": "m", "response_model": "m",
        "provider": "openai", "route": "auto", "task": "math", "reason": "task", "status": 200, "finish": "stop",
        "error": "", "stream": False, "usage": Usage(input_tokens=7, output_tokens=5), "cost_nano": cost,
        "estimated": False, "first_byte_ms": 1.0, "duration_ms": 2.0, "overhead_ms": 0.5,
    }  # fmt: skip
    return LedgerRow(**(fields | more))


def as_raw(one):
    """A row as a settlement carries it."""
    return msgspec.Raw(one.as_json())


async def totals(pipe, key):
    """(spent, held, unset) of a counter."""
    values = await pipe.call("HMGET", key, "spent", "held", "unset")
    return tuple(int(value or 0) for value in values)
