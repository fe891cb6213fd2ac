"""A scrape over several processes, before and after they die."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from proxy.metrics.exporter import KEYS_SHOWN, Exporter
from proxy.metrics.recorder import open_recorder
from proxy.metrics.totals import BudgetTotals, LedgerTotals, Standing

from .rows import NAMES, row

WORKER = """
import sys
from pathlib import Path
from proxy.metrics.recorder import open_recorder
from tests.metrics.rows import NAMES, row
recorder = open_recorder(Path(sys.argv[1]), NAMES)
recorder.started()
one = row()
print("ready", flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        recorder.observe(one, chunks=3)
    print("done", flush=True)
"""


async def nothing() -> LedgerTotals:
    return LedgerTotals()


def exporter_of(folder: Path, ledger=nothing, standing=Standing, names=NAMES) -> Exporter:
    return Exporter(folder, vocabulary=names, ledger=ledger, standing=standing, version="9.9")


def samples(exporter: Exporter) -> dict[str, float]:
    text = asyncio.run(exporter.render()).decode()
    return {
        s.name + "".join(f"|{v}" for v in s.labels.values()): s.value
        for f in text_string_to_metric_families(text)
        for s in f.samples
    }


def test_counters_stay_right_when_one_of_four_processes_is_killed(tmp_path):
    """4 processes observe 2,500 rows each, one is killed with SIGKILL: 10,000 before, after, and after it is reaped."""
    root = Path(__file__).parents[2]
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
        )
        for _ in range(4)
    ]  # fmt: skip
    exporter = exporter_of(tmp_path)
    counter = "switchyard_requests_total|chat|200"
    try:
        for worker in workers:
            assert worker.stdout.readline() == b"ready\n"
            worker.stdin.write(b"2500\n")
            worker.stdin.flush()
        for worker in workers:
            assert worker.stdout.readline() == b"done\n"
        before = samples(exporter)
        assert before[counter] == 10_000 and before["switchyard_requests_in_flight"] == 4
        victim = workers[1]
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        assert samples(exporter)[counter] == 10_000
        exporter.retire(victim.pid, crashed=True)
        after = samples(exporter)
        assert after[counter] == 10_000 and after["switchyard_requests_in_flight"] == 3
        assert after["switchyard_worker_deaths_total"] == 1
        histogram = (
            "gen_ai_client_operation_duration_seconds_count|chat|openai|gpt-4.1-mini|gpt-4.1-mini-2025-04-14|"
        )
        assert after[histogram] == 10_000
        workers[0].stdin.write(b"7\n")
        workers[0].stdin.flush()
        assert workers[0].stdout.readline() == b"done\n"
        assert samples(exporter)[counter] == 10_007
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
            worker.stdin.close()
            worker.stdout.close()


def test_counters_never_go_down_when_a_process_dies_in_mid_write(tmp_path):
    """Killed while it observes as fast as it can, scraped all the while: no scrape shows less than the one before."""
    root = Path(__file__).parents[2]
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    exporter = exporter_of(tmp_path)
    try:
        assert worker.stdout.readline() == b"ready\n"
        worker.stdin.write(b"100000000\n")
        worker.stdin.flush()
        seen = [samples(exporter).get("switchyard_requests_total|chat|200", 0.0)]
        while seen[-1] < 1000 and worker.poll() is None:
            seen.append(samples(exporter).get("switchyard_requests_total|chat|200", 0.0))
        worker.kill()
        worker.wait()
        seen.append(samples(exporter)["switchyard_requests_total|chat|200"])
        exporter.retire(worker.pid, crashed=True)
        seen.append(samples(exporter)["switchyard_requests_total|chat|200"])
    finally:
        worker.kill()
        worker.wait()
        worker.stdin.close()
        worker.stdout.close()
    assert seen == sorted(seen)
    assert seen[-1] == seen[-2]


def test_gauges_show_the_worst_of_the_workers(tmp_path):
    """One worker's open breaker and lost Redis show, until that worker is gone."""
    well, ill = open_recorder(tmp_path, NAMES), open_recorder(tmp_path, NAMES)
    well.redis(up=True)
    ill.redis(up=False)
    well.breaker("openai", "o4-mini", "closed")
    ill.breaker("openai", "o4-mini", "half_open")
    seen = samples(exporter_of(tmp_path))
    assert seen["switchyard_redis_up"] == 0
    assert seen["switchyard_breaker_state|openai|o4-mini"] == 1
    well.close()
    ill.close()


def test_money_and_tokens_are_the_ledgers_to_the_last_nano_dollar(tmp_path):
    """Integers far beyond what a float holds are written out exactly; budgets carry name, scope and window."""
    totals = LedgerTotals(
        cost_nano={("o4-mini", "math", "auto"): 12_345_678_901_234_567_891, ("gpt-6-luna", "", ""): 1},
        key_cost_nano={("search", "search-web"): 1_000_000_001},
        tokens={"input": 10**17 + 1, "cached": 0},
        budgets=(BudgetTotals("company", "global", "month", 2000 * 10**9, 1_500_000_000, 5, 1796083200.0),),
    )

    async def ledger() -> LedgerTotals:
        return totals

    text = asyncio.run(exporter_of(tmp_path, ledger).render()).decode()
    assert (
        'switchyard_cost_usd_total{model="o4-mini",task="math",route="auto"} 12345678901.234567891\n' in text
    )
    assert 'switchyard_cost_usd_total{model="gpt-6-luna",task="none",route="none"} 0.000000001\n' in text
    assert 'switchyard_key_cost_usd_total{team="search",key="search-web"} 1.000000001\n' in text
    assert 'switchyard_tokens_total{kind="input"} 100000000000000001\n' in text
    budget = '{budget="company",scope="global",window="month"}'
    assert f"switchyard_budget_limit_usd{budget} 2000.000000000\n" in text
    assert f"switchyard_budget_spent_usd{budget} 1.500000000\n" in text
    assert f"switchyard_budget_held_usd{budget} 0.000000005\n" in text
    assert f"switchyard_budget_reset_timestamp_seconds{budget} 1796083200\n" in text
    assert "switchyard_ledger_up 1\n" in text


def test_a_ledger_that_does_not_answer_leaves_its_last_numbers(tmp_path):
    """Redis away at scrape: the totals stay where they were and `switchyard_ledger_up` is 0."""
    answers = [LedgerTotals(tokens={"input": 5}), None]

    async def ledger() -> LedgerTotals | None:
        return answers.pop(0)

    exporter = exporter_of(tmp_path, ledger)
    first, second = samples(exporter), samples(exporter)
    assert first["switchyard_ledger_up"] == 1 and second["switchyard_ledger_up"] == 0
    assert first["switchyard_tokens_total|input"] == second["switchyard_tokens_total|input"] == 5


def test_unknown_names_in_the_ledger_are_added_up_as_other(tmp_path):
    """Totals keep their sum, labels stay within the vocabulary, and only so many keys have a series of their own."""
    rng = random.Random(3)
    cost = {
        (f"model {rng.random()}", f"task {rng.random()}", f"route {rng.random()}"): 7 for _ in range(1000)
    }
    keys = {("team", f"key {number:05}"): 1 for number in range(KEYS_SHOWN + 500)}

    async def ledger() -> LedgerTotals:
        return LedgerTotals(cost_nano=cost, key_cost_nano=keys)

    text = asyncio.run(exporter_of(tmp_path, ledger).render()).decode()
    assert 'switchyard_cost_usd_total{model="other",task="other",route="other"} 0.000007000\n' in text
    assert text.count("\nswitchyard_cost_usd_total{") == 1
    assert text.count("\nswitchyard_key_cost_usd_total{") == KEYS_SHOWN + 1
    assert 'switchyard_key_cost_usd_total{team="team",key="other"} 0.000000500\n' in text


def test_the_parents_own_numbers_are_shown(tmp_path):
    """Days left, stages, workers and version; negative days after a shutdown."""
    standing = Standing(
        days_left={("openai", "gpt-4.1-mini"): 54.25, ("openai", "o4-mini"): -3.0},
        stages={"leave-4.1-mini": 25.0},
        workers=2,
    )
    seen = samples(exporter_of(tmp_path, standing=lambda: standing))
    assert seen["switchyard_model_days_until_shutdown|openai|gpt-4.1-mini"] == 54.25
    assert seen["switchyard_model_days_until_shutdown|openai|o4-mini"] == -3
    assert seen["switchyard_migration_stage_percent|leave-4.1-mini"] == 25
    assert seen["switchyard_workers"] == 2 and seen["switchyard_build_info|9.9"] == 1


def test_a_file_is_unseen_until_it_is_whole_and_gone_when_retired(tmp_path):
    """A draft without a name is not read; retiring removes the file and reading goes on."""
    (tmp_path / f"{os.getpid()}-1.draft").write_bytes(b"")
    recorder = open_recorder(tmp_path, NAMES)
    recorder.observe(row())
    exporter = exporter_of(tmp_path)
    samples(exporter)
    exporter.retire(os.getpid(), crashed=False)
    assert not list(tmp_path.iterdir())
    assert samples(exporter)["switchyard_requests_total|chat|200"] == 1
    recorder.close()
