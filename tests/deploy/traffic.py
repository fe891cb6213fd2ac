"""An exporter behind a real HTTP port that sees new synthetic traffic at each scrape."""

import asyncio
import http.server
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from proxy.metrics.exporter import Exporter
from proxy.metrics.exposition import CONTENT_TYPE
from proxy.metrics.recorder import Recorder, open_recorder
from proxy.metrics.totals import BudgetTotals, LedgerTotals, Standing
from proxy.nouns import Usage
from tests.metrics.rows import NAMES, row

USD = 10**9
MIGRATION = "leave-4.1-mini"


def happen(recorder: Recorder, turn: int) -> None:
    """A little of everything a worker records."""
    recorder.started()
    for model, task in (("gpt-4.1-mini", "chat"), ("gpt-6-luna", "chat"), ("o4-mini", "math")):
        usage = Usage(input_tokens=500 + turn, output_tokens=100, cached_tokens=256)
        served = row(served=model, response_model=model, task=task, usage=usage, changes=("max_tokens",))
        recorder.observe(served, chunks=40)
    recorder.observe(row(error="overloaded", status=503, finish="error", stream=False))
    for arm, model in (("old", "gpt-4.1-mini"), ("new", "gpt-6-luna")):
        recorder.observe(row(served=model, reason="migration"))
        recorder.arm(MIGRATION, arm, row(served=model))
        recorder.arm(MIGRATION, arm, row(served=model, status=502))
    recorder.observe(row(provider="", served="", finish="refused", error="insufficient_quota", status=429))
    recorder.refusal("invalid_api_key", status=401)
    recorder.fallback("o4-mini", "gpt-6-luna", "overloaded")
    recorder.breaker("openai", "o4-mini", ("closed", "half_open", "open")[turn % 3])
    recorder.redis(up=True)
    recorder.guard_tripped(MIGRATION, "error_rate")
    recorder.reloaded(ok=True)
    recorder.unsettled()


def totals(turn: int) -> LedgerTotals:
    """What the ledger would say after `turn` turns."""
    return LedgerTotals(
        cost_nano={
            ("gpt-4.1-mini", "chat", "auto"): turn * USD,
            ("gpt-6-luna", "chat", "auto"): turn * 2 * USD,
        },
        key_cost_nano={("search", "search-web"): turn * 2 * USD, ("shop", "shop-app"): turn * USD},
        tokens={"input": turn * 2000, "output": turn * 400, "cached": turn * 900, "reasoning": turn * 100},
        budgets=(BudgetTotals("company", "global", "month", 2000 * USD, 1500 * USD, 20 * USD, 1796083200.0),),
    )


STANDING = Standing(
    days_left={("openai", "gpt-4.1-mini"): 54.0, ("openai", "o4-mini"): -29.0},
    stages={MIGRATION: 25.0},
    workers=1,
)


@contextmanager
def exporter_with_traffic(folder: Path) -> Iterator[str]:
    """URL of a /metrics whose every scrape comes after one more turn of traffic."""
    turns = itertools.count(1)
    recorder = open_recorder(folder, NAMES)
    turn = 0

    async def ledger() -> LedgerTotals:
        return totals(turn)

    exporter = Exporter(folder, vocabulary=NAMES, ledger=ledger, standing=lambda: STANDING, version="test")

    class Metrics(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nonlocal turn
            turn = next(turns)
            happen(recorder, turn)
            body = asyncio.run(exporter.render())
            self.send_response(200)
            self.send_header("content-type", CONTENT_TYPE)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Metrics)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/metrics"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        recorder.close()
