"""Scores the packaged classifier: `python -m proxy.routing.evaluate --data FILE`.

Prints accuracy, macro-F1, the two-class view, confusion, calibration, figures per language and source, what routing by its
verdicts costs and saves, and the CPU time of a verdict. Figures on the file it was trained on are flattering: the
honest ones for that file are the held-out-source figures `proxy.routing.train` prints.

Costs assume that one call answered by the reasoning mini costs ten times one answered by the fast mini (hidden reasoning
tokens on top of a 2.75-fold list price; `--cost-ratio`). List prices are dollars per million tokens, input/output.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.routing.classifier import Classifier, Verdict
from proxy.routing.report import (
    Scored,
    accuracy,
    by,
    calibration,
    confusion,
    headline,
    recall_and_fpr,
)
from proxy.routing.tasks import REASONING_TASKS

REASONING_PRICES, FAST_PRICES = (1.10, 4.40), (0.40, 1.60)
COST_RATIO = 10.0
MIX = 0.4


@dataclass(frozen=True, slots=True)
class Timed:
    """A labelled request, its verdict, and the CPU time the verdict took."""

    scored: Scored
    verdict: Verdict
    cpu_s: float


def run(classifier: Classifier, rows: Iterable[dict[str, Any]]) -> list[Timed]:
    """Classifies labelled rows one by one."""
    out = []
    for row in rows:
        started = time.process_time_ns()
        verdict = classifier.classify(row)
        cpu_s = (time.process_time_ns() - started) / 1e9
        source = str(row.get("source", "?")).split(":")[0]
        lang = str(row.get("lang", "?"))
        out.append(
            Timed(Scored(row["label"], verdict.task, source, lang, verdict.confidence), verdict, cpu_s)
        )
    return out


def routing_cost(rows: Sequence[Scored], ratio: float) -> str:
    """Share and cost of each model under the verdicts, in calls of the fast mini, on this file's mix and on a 40 % mix."""
    share = sum(r.task in REASONING_TASKS for r in rows) / len(rows)
    routed = share * ratio + (1 - share)
    recall, fpr = recall_and_fpr(rows)
    mixed = MIX * recall + (1 - MIX) * fpr
    saved = 1 - (mixed * ratio + 1 - mixed) / ratio
    return (
        f"\nrouted to the reasoning mini {share:.1%} of calls ({share * ratio / routed:.1%} of cost), "
        f"to the fast mini {1 - share:.1%} ({(1 - share) / routed:.1%} of cost)\n"
        f"against always the reasoning mini: {1 - routed / ratio:.1%} saved; against always the fast mini: {routed:.2f} times the cost\n"
        f"on a mix with {MIX:.0%} reasoning-side calls: {saved:.1%} saved against all-reasoning while {recall:.1%} of them stay there "
        f"(recovers {recall:.2f} of what a perfect type router recovers)\n"
    )


def prices(reasoning: Sequence[float], fast: Sequence[float], ratio: float) -> str:
    """The prices and the ratio the cost figures rest on."""
    return (
        f"\nlist prices $/M: reasoning mini {reasoning[0]:.2f}/{reasoning[1]:.2f}, fast mini {fast[0]:.2f}/{fast[1]:.2f} "
        f"({reasoning[1] / fast[1]:.2f} times per token); assumed {ratio:.0f}:1 per call, hidden reasoning tokens included"
    )


def effort(rows: Sequence[Timed]) -> str:
    """How much of code and maths looks easy enough to leave to low effort or the fast mini."""
    lines = ["\ndifficulty     easy medium   hard"]
    for task in ("code", "math"):
        said = [t.verdict.difficulty for t in rows if t.verdict.task == task]
        lines.append(f"{task:<12}" + "".join(f"{said.count(d):>7}" for d in ("easy", "medium", "hard")))
    return "\n".join(lines) + "\n"


def latency(rows: Sequence[Timed]) -> str:
    times = sorted(t.cpu_s for t in rows)
    p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
    return (
        f"\nCPU per verdict: p50 {p50 * 1e6:.0f} us, p99 {p99 * 1e6:.0f} us, max {times[-1] * 1e6:.0f} us\n"
    )


def unsure(rows: Sequence[Timed]) -> str:
    sure = [t.scored for t in rows if not t.verdict.unsure]
    return f"\nsure of {len(sure) / len(rows):.1%} of requests, right on {accuracy(sure):.1%} of those\n"


def report(rows: Sequence[Timed], ratio: float, reasoning: Sequence[float], fast: Sequence[float]) -> str:
    scored = [t.scored for t in rows]
    return "".join(
        (
            headline(scored),
            confusion(scored),
            calibration(scored),
            unsure(rows),
            by(scored, "language", lambda r: r.lang),
            by(scored, "source", lambda r: r.source),
            prices(reasoning, fast, ratio),
            routing_cost(scored, ratio),
            effort(rows),
            latency(rows),
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cost-ratio", type=float, default=COST_RATIO)
    parser.add_argument("--reasoning-prices", type=float, nargs=2, default=REASONING_PRICES)
    parser.add_argument("--fast-prices", type=float, nargs=2, default=FAST_PRICES)
    asked = parser.parse_args()
    classifier = Classifier.load()
    with asked.data.open(encoding="utf-8") as lines:
        rows = run(classifier, map(json.loads, lines))
    sys.stdout.write(report(rows, asked.cost_ratio, asked.reasoning_prices, asked.fast_prices))


if __name__ == "__main__":
    main()
