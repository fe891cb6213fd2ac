"""Figures about a set of verdicts: accuracy, macro-F1, the two-class view, confusion, calibration, languages, cost. Plain text."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from proxy.routing.tasks import REASONING_TASKS, TASKS

BINS = 10


@dataclass(frozen=True, slots=True)
class Scored:
    """One verdict beside the truth; `confidence` is the verdict's P(task)."""

    truth: str
    task: str
    source: str
    lang: str
    confidence: float


def accuracy(rows: Sequence[Scored]) -> float:
    return sum(r.truth == r.task for r in rows) / max(len(rows), 1)


def two_class(rows: Sequence[Scored]) -> float:
    return sum((r.truth in REASONING_TASKS) == (r.task in REASONING_TASKS) for r in rows) / max(len(rows), 1)


def recall_and_fpr(rows: Sequence[Scored]) -> tuple[float, float]:
    """(share of reasoning-side requests kept there, share of the others sent there by mistake)."""
    hard = [r.task in REASONING_TASKS for r in rows if r.truth in REASONING_TASKS]
    soft = [r.task in REASONING_TASKS for r in rows if r.truth not in REASONING_TASKS]
    return sum(hard) / max(len(hard), 1), sum(soft) / max(len(soft), 1)


def f1_by_task(rows: Sequence[Scored]) -> dict[str, float]:
    """F1 of every task that occurs, in truth or verdict."""
    hits = Counter(r.truth for r in rows if r.truth == r.task)
    sizes = Counter(r.truth for r in rows) + Counter(r.task for r in rows)
    return {task: 2 * hits[task] / sizes[task] for task in TASKS if sizes[task]}


def macro_f1(rows: Sequence[Scored]) -> float:
    scores = f1_by_task(rows)
    return sum(scores.values()) / max(len(scores), 1)


def headline(rows: Sequence[Scored]) -> str:
    recall, fpr = recall_and_fpr(rows)
    return (
        f"{len(rows)} requests: accuracy {accuracy(rows):.3f}, macro-F1 {macro_f1(rows):.3f}, "
        f"two-class {two_class(rows):.3f} (reasoning recall {recall:.3f}, false-positive rate {fpr:.3f})\n"
    )


def by(rows: Sequence[Scored], name: str, key: Callable[[Scored], str]) -> str:
    """Accuracy and two-class accuracy per language or source, largest group first."""
    groups: defaultdict[str, list[Scored]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    lines = [f"\n{name:<36}{'rows':>6}{'acc':>7}{'2-class':>9}"]
    for group, inside in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        lines.append(f"{group:<36}{len(inside):>6}{accuracy(inside):>7.2f}{two_class(inside):>9.2f}")
    return "\n".join(lines) + "\n"


def confusion(rows: Sequence[Scored]) -> str:
    """Rows are the truth, columns the verdict, with F1 at the end."""
    cells = Counter((r.truth, r.task) for r in rows)
    scores = f1_by_task(rows)
    lines = ["\n" + " " * 17 + "".join(f"{task[:7]:>8}" for task in TASKS) + "      F1"]
    for truth in TASKS:
        counts = "".join(f"{cells[truth, task] or '.':>8}" for task in TASKS)
        lines.append(f"{truth:<17}{counts}{scores.get(truth, 0.0):>8.2f}")
    return "\n".join(lines) + "\n"


def calibration(rows: Sequence[Scored]) -> str:
    """Reliability bins of the confidence and the expected calibration error."""
    bins: list[list[Scored]] = [[] for _ in range(BINS)]
    for row in rows:
        bins[min(int(row.confidence * BINS), BINS - 1)].append(row)
    lines, error = ["\nconfidence    rows   said  right"], 0.0
    for index, inside in enumerate(bins):
        if inside:
            said = sum(r.confidence for r in inside) / len(inside)
            error += abs(said - accuracy(inside)) * len(inside) / len(rows)
            lines.append(
                f"{index / BINS:.1f}-{(index + 1) / BINS:.1f}{len(inside):>10}{said:>7.2f}{accuracy(inside):>7.2f}"
            )
    return "\n".join(lines) + f"\nexpected calibration error {error:.3f}\n"


def held_out_report(rows: Sequence[Scored]) -> str:
    """Everything worth knowing about out-of-fold verdicts, whole sources held out."""
    return "".join(
        (
            "held-out sources: ",
            headline(rows),
            confusion(rows),
            calibration(rows),
            by(rows, "source", lambda r: r.source),
            by(rows, "language", lambda r: r.lang),
        )
    )
