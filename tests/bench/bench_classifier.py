"""CPU time and memory of the classifier: `python tests/bench/bench_classifier.py [--data FILE]`. Prints, asserts nothing.

Without a file it measures the hand-written set; long prompts (240,000 characters) and long conversations are added to both.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from tests.routing import handmade

ROUNDS = 3


def _rss_kb() -> int:
    with Path("/proc/self/statm").open() as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() // 1024


def _bodies(data: Path | None) -> list[dict[str, Any]]:
    if data is not None:
        with data.open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]
    return [body for _, _, _, body in handmade.rows()]


def _long() -> list[dict[str, Any]]:
    prose = "The committee met on Tuesday; 14 members (of 20) voted, and the report was adopted. "
    code = "def f(x):\n    return self.cache.get(x_key) or {'a': 1}  # see utils.py\n"
    texts = [(unit * 20_000)[:240_000] for unit in (prose, code, "数字を計算してください。", "a" * 99 + "\n")]
    asked = [{"messages": [{"role": "user", "content": f"Summarize:\n{text}"}]} for text in texts]
    talk = [{"role": "user" if i % 2 == 0 else "assistant", "content": prose * 20} for i in range(4_001)]
    return [*asked, {"messages": talk}]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    bodies = _bodies(parser.parse_args().data)
    long = _long()
    gc.collect()
    before = _rss_kb()
    from proxy.routing.classifier import Classifier

    classifier = Classifier.load()
    gc.collect()
    loaded = _rss_kb()
    times: list[int] = []
    for _ in range(ROUNDS):
        for body in bodies + long:
            started = time.process_time_ns()
            classifier.classify(body)
            times.append(time.process_time_ns() - started)
    gc.collect()
    times.sort()
    p50, p99 = times[len(times) // 2] / 1e3, times[int(len(times) * 0.99)] / 1e3
    sys.stdout.write(
        f"{len(times)} verdicts: CPU p50 {p50:.0f} us, p99 {p99:.0f} us, max {times[-1] / 1e3:.0f} us\n"
    )
    sys.stdout.write(
        f"memory: {(loaded - before) / 1024:.1f} MB to load, {(_rss_kb() - before) / 1024:.1f} MB after use\n"
    )
    for body in long:
        started = time.process_time_ns()
        classifier.classify(body)
        sys.stdout.write(
            f"  240k characters or 4,001 messages: {(time.process_time_ns() - started) / 1e3:.0f} us\n"
        )


if __name__ == "__main__":
    main()
