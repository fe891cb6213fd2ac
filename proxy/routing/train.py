"""Fits the classifier's weights: `python -m proxy.routing.train --data FILE [--folds 20] [--out weights.bin]`.

Needs numpy and scipy, which the proxy itself does not. A softmax over named facts with a ridge penalty: words and pairs are
penalised harder than structure and word classes and must occur in several sources, and sources count less than in
proportion to their size. Everything printed comes from folds that hold out whole sources: a random split flatters by
twenty points and is never shown. Same data, same bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np  # type: ignore[import-not-found,unused-ignore]
from scipy.optimize import minimize  # type: ignore[import-not-found,import-untyped,unused-ignore]
from scipy.sparse import csr_matrix, diags  # type: ignore[import-not-found,import-untyped,unused-ignore]

from proxy.routing.features import facts
from proxy.routing.lexicon import Lexicon
from proxy.routing.priors import known, prior
from proxy.routing.report import Scored, held_out_report
from proxy.routing.tasks import REASONING_TASKS, TASKS
from proxy.routing.view import read
from proxy.routing.weights import OFFSET, VALUE_BYTES, Calibration, dump

RIDGE = 15.0
PRIOR_SCALE = 1.7
SMOOTHING = 0.03
WORD_SCALE, PAIR_SCALE = 0.4, 0.5
WORD_SOURCES, WORD_ROWS = 3, 3
SOURCE_POWER, CLASS_POWER = -0.4, -0.5
STEPS = 120
STEP = 0.01
_WORD_MARK = "w."


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled request: its facts, its label's number, and the source that is held out as a whole."""

    facts: tuple[str, ...]
    label: int
    source: str
    lang: str


@dataclass(frozen=True, slots=True)
class Model:
    names: list[str]
    table: Any
    bias: Any

    def logits(self, rows: Sequence[Row]) -> Any:
        return _matrix(rows, self.names) @ self.table + self.bias


def load(path: Path, lexicon: Lexicon) -> list[Row]:
    """The rows of a JSON-lines file of labelled requests."""
    out = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            source = row["source"].split(":")[0]
            out.append(Row(tuple(facts(read(row), lexicon)), TASKS.index(row["label"]), source, row["lang"]))
    return out


def _is_word(fact: str) -> bool:
    return fact.removeprefix("I.").removeprefix("T.").startswith(_WORD_MARK)


def _vocabulary(rows: Sequence[Row]) -> list[str]:
    """Facts worth a weight: seen in a few rows, and (a word in several) sources."""
    count: Counter[str] = Counter()
    sources: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        count.update(row.facts)
        for fact in row.facts:
            sources[fact].add(row.source)

    def needed(fact: str) -> int:
        return WORD_SOURCES if _is_word(fact) else 1 if fact.startswith("I.") else 2

    kept = {f for f, n in count.items() if n >= WORD_ROWS and len(sources[f]) >= needed(f)}
    return sorted(kept.union(known()))


def _prior_table(names: Sequence[str]) -> Any:
    table = np.zeros((len(names), len(TASKS)))
    for index, name in enumerate(names):
        for task, logit in prior(name).items():
            table[index, TASKS.index(task)] = PRIOR_SCALE * logit
    return table


def _matrix(rows: Sequence[Row], names: Sequence[str]) -> Any:
    at = {name: index for index, name in enumerate(names)}
    columns: list[int] = []
    starts = [0]
    for row in rows:
        columns += [at[f] for f in row.facts if f in at]
        starts.append(len(columns))
    return csr_matrix((np.ones(len(columns)), columns, starts), shape=(len(rows), len(names)))


def _row_weights(rows: Sequence[Row]) -> Any:
    size = Counter(row.source for row in rows)
    weight = np.array([float(size[row.source]) ** SOURCE_POWER for row in rows])
    labels = np.array([row.label for row in rows])
    mass = np.bincount(labels, weight, len(TASKS))
    weight *= (mass[labels] / mass.mean()) ** CLASS_POWER
    return weight / weight.mean()


def fit(rows: Sequence[Row]) -> Model:
    """The softmax of these rows, pulled towards the hand-set priors instead of towards zero."""
    names = _vocabulary(rows)
    scale = np.array([WORD_SCALE if _is_word(f) else PAIR_SCALE if "&" in f else 1.0 for f in names])
    matrix, before = _matrix(rows, names), _prior_table(names)
    told = matrix @ before
    seen = matrix @ diags(scale)
    turned = seen.T.tocsr()
    weight = _row_weights(rows)[:, None]
    wide, tall = len(TASKS), len(names)
    target = np.full((len(rows), wide), SMOOTHING / wide)
    target[np.arange(len(rows)), [row.label for row in rows]] += 1 - SMOOTHING

    def loss(flat: Any) -> tuple[float, Any]:
        table, bias = flat[: tall * wide].reshape(tall, wide), flat[tall * wide :]
        z = told + seen @ table + bias
        z -= z.max(1, keepdims=True)
        p = np.exp(z)
        total = p.sum(1, keepdims=True)
        cost = -(weight * target * (z - np.log(total))).sum() + RIDGE / 2 * (table * table).sum()
        slope = weight * (p / total - target)
        return float(cost), np.concatenate([(turned @ slope + RIDGE * table).ravel(), slope.sum(0)])

    best = minimize(
        loss, np.zeros((tall + 1) * wide), jac=True, method="L-BFGS-B", options={"maxiter": STEPS}
    ).x
    learned = best[: tall * wide].reshape(tall, wide) * scale[:, None]
    return Model(names, before + learned, best[tall * wide :])


def _folds(rows: Sequence[Row], count: int) -> Iterator[set[str]]:
    """Whole sources, dealt largest first to the emptiest fold."""
    held: list[set[str]] = [set() for _ in range(count)]
    size = [0] * count
    for source, number in sorted(
        Counter(r.source for r in rows).items(), key=lambda item: (-item[1], item[0])
    ):
        smallest = size.index(min(size))
        held[smallest].add(source)
        size[smallest] += number
    return iter(held)


def out_of_fold(rows: Sequence[Row], count: int) -> Any:
    """Each row's logits from a model that never saw its source."""
    logits = np.zeros((len(rows), len(TASKS)))
    for held in _folds(rows, count):
        tested = [i for i, row in enumerate(rows) if row.source in held]
        model = fit([row for row in rows if row.source not in held])
        logits[tested] = model.logits([rows[i] for i in tested])
    return logits


def _softmax(z: Any) -> Any:
    p = np.exp(z - z.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def calibrate(logits: Any, labels: Any) -> Calibration:
    """Temperature, then slope and shift of the side's log-odds, by likelihood on out-of-fold logits."""
    index = np.arange(len(labels))
    grid = np.linspace(0.5, 3.0, 101)
    temperature = float(min(grid, key=lambda t: -np.log(_softmax(logits / t)[index, labels] + 1e-12).sum()))
    side = _softmax(logits / temperature)[:, : len(REASONING_TASKS)].sum(1)
    odds = np.log((side + 1e-9) / (1 - side + 1e-9))
    truth = labels < len(REASONING_TASKS)

    def loss(pair: Any) -> float:
        signed = np.where(truth, 1, -1) * (pair[0] * odds + pair[1])
        return float(np.logaddexp(0, -signed).sum())

    slope, shift = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return Calibration(temperature, float(slope), float(shift))


def pack(model: Model, calibration: Calibration, lexicon: str) -> bytes:
    """The weights file of a model: weights rounded to steps of `STEP`, facts that round to nothing left out."""
    steps = np.clip(np.rint(model.table / STEP), 1 - OFFSET, OFFSET - 1).astype(int)
    kept = [i for i in range(len(model.names)) if steps[i].any()]
    rows = [b"".join(int(v + OFFSET).to_bytes(VALUE_BYTES, "big") for v in steps[i]) for i in kept]
    names = [model.names[i] for i in kept]
    return dump(names, rows, [float(b) for b in model.bias], STEP, fit=calibration, lexicon=lexicon)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("weights.bin"))
    asked = parser.parse_args()
    words = resources.files("proxy.routing").joinpath("lexicon.txt").read_text(encoding="utf-8")
    rows = load(asked.data, Lexicon(words))
    labels = np.array([row.label for row in rows])
    logits = out_of_fold(rows, asked.folds)
    calibration = calibrate(logits, labels)
    scored = [
        Scored(TASKS[row.label], TASKS[int(z.argmax())], row.source, row.lang, float(p.max()))
        for row, z, p in zip(rows, logits, _softmax(logits / calibration.temperature), strict=True)
    ]
    sys.stdout.write(held_out_report(scored))
    asked.out.write_bytes(pack(fit(rows), calibration, words))
    sys.stdout.write(f"wrote {asked.out} ({asked.out.stat().st_size:,} bytes)\n")


if __name__ == "__main__":
    main()
