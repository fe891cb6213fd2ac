"""Microseconds of CPU one request pays for being counted and logged; run `python -m tests.bench.bench_metrics`.

The loop's own cost is measured empty and taken off. The best of several rounds is shown, since other work on the machine
only ever adds. The log goes to /dev/null through its own thread, whose CPU is counted too.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from proxy.metrics.exporter import Exporter
from proxy.metrics.labels import Vocabulary
from proxy.metrics.log import Log
from proxy.metrics.recorder import Recorder, open_recorder
from proxy.metrics.totals import LedgerTotals, Standing
from proxy.nouns import LedgerRow, Usage

MODELS = tuple(f"model-{number}" for number in range(12))
NAMES = Vocabulary(models=frozenset(MODELS), providers=frozenset({"openai"}), routes=frozenset({"auto"}))
CALLS, ROUNDS = 20_000, 7


def rows() -> list[LedgerRow]:
    """One streamed answer per model; fields no row shares with another are fresh objects, as they are when served."""
    usage = Usage(input_tokens=900, output_tokens=120, cached_tokens=512)
    return [
        LedgerRow(
            request_id=f"sw-{number:032x}", attempt=0, at=1795000000.25 + number, endpoint="chat", key_id="k-1",
            key_name="search-web", team="search", user_hash="00112233445566aa", asked="auto", served=model,
            response_model=model, provider="openai", route="auto", task="chat", reason="task", status=200, finish="stop",
            error="", stream=True, usage=usage, cost_nano=423_000, estimated=False, first_byte_ms=412.537,
            duration_ms=2311.251, overhead_ms=0.41, changes=(),
        )
        for number, model in enumerate(MODELS)
    ]  # fmt: skip


def best_us(call: Callable[[LedgerRow], None], many: list[LedgerRow]) -> float:
    """CPU microseconds per call, all threads of this process, best round."""
    figures = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for row in many:
            call(row)
        figures.append((time.process_time() - start) / len(many) * 1e6)
    return min(figures)


def counted_us() -> float:
    """CPU microseconds for counting one request, the gauge of running requests included."""
    few = rows()
    many = [few[number % len(few)] for number in range(CALLS)]
    with tempfile.TemporaryDirectory() as folder:
        recorder = open_recorder(Path(folder), NAMES)

        def count(row: LedgerRow) -> None:
            recorder.started()
            recorder.observe(row, chunks=120)
            recorder.ended()

        spent = best_us(count, many) - best_us(lambda row: None, many)
        recorder.close()
    return spent


def logged_us(many: list[LedgerRow]) -> float:
    """CPU microseconds a line, until the last one is written; few enough lines that none is dropped."""
    with open(os.devnull, "wb") as sink:
        start = time.process_time()
        log = Log(sink.fileno(), time.time)
        for row in many:
            log.request(row)
        log.close()
        return (time.process_time() - start) / len(many) * 1e6


def main() -> None:
    few = rows()
    many = [few[number % len(few)] for number in range(CALLS)]
    with tempfile.TemporaryDirectory() as folder:
        recorder = open_recorder(Path(folder), NAMES)
        empty = best_us(lambda row: None, many)
        observe = best_us(lambda row: recorder.observe(row, chunks=120), many) - empty
        line = min(logged_us(many[:5000]) for _ in range(ROUNDS)) - empty

        def in_flight(row: LedgerRow) -> None:
            recorder.started()
            recorder.ended()

        flight = best_us(in_flight, many) - empty
        hostile = [replace(few[0], served=f"name {number}") for number in range(5000)]
        bounded = best_us(recorder.observe, hostile) - empty
        print(f"observe            {observe:6.2f} us a request")
        print(f"in flight up, down {flight:6.2f} us")
        print(f"log line           {line:6.2f} us, writing thread included")
        print(f"together           {observe + flight + line:6.2f} us a request")
        print(f"observe, unknown   {bounded:6.2f} us (names from a caller: not kept)")
        scrape(Path(folder), recorder)
        recorder.close()


def scrape(folder: Path, recorder: Recorder) -> None:
    """A scrape with 12 models under every task, 40 teams with a key per model, four workers' worth of files."""
    teams = {(f"team-{team}", f"key-{team}-{model}"): team * 10**9 for team in range(40) for model in MODELS}
    cost = {(model, task, "auto"): 123_456_789 for model in MODELS for task in sorted(NAMES.tasks)}
    totals = LedgerTotals(cost_nano=cost, key_cost_nano=teams, tokens={"input": 1, "output": 2})
    workers = [recorder, *(open_recorder(folder, NAMES) for _ in range(3))]
    for worker in workers:
        for row in rows():
            for task in sorted(NAMES.tasks):
                worker.observe(replace(row, task=task), chunks=2)

    async def ledger() -> LedgerTotals:
        return totals

    exporter = Exporter(folder, vocabulary=NAMES, ledger=ledger, standing=Standing, version="bench")

    async def timed() -> tuple[float, int]:
        times = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            body = await exporter.render()
            times.append(time.perf_counter() - start)
        return min(times) * 1e3, body.count(b"\n")

    best_ms, lines = asyncio.run(timed())
    print(f"scrape             {best_ms:6.1f} ms for {lines} lines, 4 processes, 40 teams x 12 models")


if __name__ == "__main__":
    main()
