"""Planted bugs, each the mistake another gateway made, and the test that must catch it.

    python tests/chaos/mutants.py            every mutant; exit 1 if one survives
    python tests/chaos/mutants.py NAME …     some of them

A mutant is a copy of the package with one text replaced; its test runs there and has to fail.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Mutant:
    """`old` in `file` becomes `new`; the tests named `caught_by` must notice."""

    name: str
    file: str
    old: str
    new: str
    caught_by: str


MUTANTS = (
    Mutant(
        "what is held is not counted against the limit",
        "proxy/store/scripts/hold_v2.lua",
        "if smallest > limit - spent - held and not waiting then",
        "if smallest > limit - spent and not waiting then",
        "tests/store/test_ledger.py::test_a_thousand_concurrent_calls_never_spend_more_than_the_budget",
    ),
    Mutant(
        "a settle counts every time it is delivered",
        "proxy/store/scripts/settle_v2.lua",
        "if state == 's' then",
        "if state == 'never' then",
        "tests/store/test_ledger.py::test_every_bill_counts_once_however_often_and_in_whatever_order_it_comes",
    ),
    Mutant(
        "a release of an unknown hold leaves no tombstone",
        "proxy/store/scripts/release_v1.lua",
        "redis.call('HSET', KEYS[2], id, 'r')",
        "if record then redis.call('HSET', KEYS[2], id, 'r') end",
        "tests/store/test_ledger.py::test_a_hold_that_comes_after_its_release_is_refused",
    ),
    Mutant(
        "a hold whose answer did not come is not released",
        "proxy/store/ledger.py",
        "self._open.releases[hold_id] = (*attempt.place.names, *attempt.place.shared)",
        "pass",
        "tests/store/test_outage.py::test_deny_refuses_with_503_and_nothing_is_held_afterwards",
    ),
    Mutant(
        "a call that was not answered is sent again",
        "proxy/store/client.py",
        "        _fail(calls, fault)\n        if self.breaker.is_open or timed_out:",
        "        self._queue[:0] = calls\n        calls.clear()\n        if self.breaker.is_open:",
        "tests/store/test_client.py::test_a_slow_redis_never_counts_twice",
    ),
    Mutant(
        "the proxy's own clock chooses the window",
        "proxy/store/scripts/hold_v2.lua",
        "if now < first or now >= last then",
        "if false then",
        "tests/store/test_ledger.py::test_a_hold_settles_in_the_window_it_was_taken_in",
    ),
    Mutant(
        "leases are not renewed",
        "proxy/store/ledger.py",
        "ids = self._open.leased()",
        "ids = self._open.leased()[:0]",
        "tests/store/test_housekeeping.py::test_a_renewed_lease_is_not_reaped",
    ),
    Mutant(
        "lost data passes for a fresh start",
        "proxy/store/scripts/hold_v2.lua",
        "if meta[1] ~= epoch or seq < tonumber(least) then",
        "if false then",
        "tests/store/test_housekeeping.py::test_flushed_data_is_noticed_at_once_and_rebuilt_to_the_nano",
    ),
    Mutant(
        "the hold shrinks and the answer does not",
        "proxy/budgets/holds.py",
        "cap = max(0, granted_nano - size.fixed_nano) * _TOKENS_PER_RATE // (size.output_rate * size.n)",
        "cap = size.output_tokens // size.n",
        "tests/budgets/test_holds.py::test_a_smaller_grant_lowers_the_cap_to_what_it_pays_for",
    ),
    Mutant(
        "a bill that Redis could not be told is dropped",
        "proxy/store/writer.py",
        "                await self._to_disk(self._under_way)",
        "                pass",
        "tests/store/test_outage.py::test_a_bill_whose_answer_was_lost_is_entered_once",
    ),
    Mutant(
        "the tail is trimmed before it is rolled up",
        "proxy/store/scripts/rollup_v1.lua",
        "for a = 5, #ARGV, 3 do",
        "for a = 5, 4, 3 do",
        "tests/store/test_housekeeping.py::test_rollups_and_tail_add_up_to_the_counters",
    ),
)


def caught(mutant: Mutant) -> bool:
    """Whether the test fails on the mutant. Raises ValueError when there is nothing to plant it in."""
    with tempfile.TemporaryDirectory(prefix="sy") as place:
        for part in ("proxy", "tests/store", "tests/budgets"):
            shutil.copytree(ROOT / part, Path(place, part), ignore=shutil.ignore_patterns("__pycache__"))
        Path(place, "tests/chaos").mkdir()
        for part in ("pyproject.toml", "tests/chaos/toxic.py"):
            shutil.copy(ROOT / part, Path(place, part))
        file = Path(place, mutant.file)
        text = file.read_text()
        if text.count(mutant.old) != 1:
            raise ValueError(f"{mutant.file} has {text.count(mutant.old)} places for mutant {mutant.name!r}")
        file.write_text(text.replace(mutant.old, mutant.new))
        return run(place, mutant.caught_by) == 1


def run(place: str, test: str) -> int:
    """Pytest's exit code; a test that hangs on a mutant has noticed it, too."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", test]
    env = dict(os.environ, PYTHONPATH=place, PYTHONDONTWRITEBYTECODE="1")
    process = subprocess.Popen(
        command,
        cwd=place,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()
        return 1


def main(names: list[str]) -> int:
    """Try the mutants named, or all; the number that survived decides the exit code."""
    survivors = 0
    for mutant in [each for each in MUTANTS if not names or each.name in names]:
        dead = caught(mutant)
        survivors += not dead
        print("caught  " if dead else "SURVIVED", mutant.name, flush=True)
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
