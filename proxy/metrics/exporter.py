"""What the parent answers on `/metrics`: the workers' cells added up, the ledger's totals, and what the parent knows itself.

Theory of operation. Every process of this replica has one file in `directory` (`cells.py`). A scrape reads them all without
asking anyone, so it costs the workers nothing. When a process ends, `retire` adds its counters to a sum kept here and
removes its file: counters never go down, whether it ended well or by `kill -9`, and its gauges vanish with it.
Adding up is by `Metric.merge`. The ledger is asked with a deadline; when it does not answer, its last numbers are shown and
`switchyard_ledger_up` says 0.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from proxy.metrics import exposition, table
from proxy.metrics.cells import CellsReader, Key
from proxy.metrics.exposition import Samples, number, usd
from proxy.metrics.labels import NONE, Vocabulary, known
from proxy.metrics.table import Metric
from proxy.metrics.totals import LedgerSource, LedgerTotals, Standing, StandingSource

LEDGER_DEADLINE_S: Final = 2.0
KEYS_SHOWN: Final = 2000
_METRICS: Final = {metric.name: metric for metric in table.TABLE}

Sums = dict[Key, tuple[float, ...]]


class Exporter:
    """One per replica, in the parent. `render` is the body of `/metrics`; `retire` is called for every ended process."""

    def __init__(
        self,
        directory: Path,
        *,
        vocabulary: Vocabulary,
        ledger: LedgerSource,
        standing: StandingSource,
        version: str,
    ) -> None:
        self._directory = directory
        self._vocabulary = vocabulary
        self._ledger = ledger
        self._standing = standing
        self._version = version
        self._readers: dict[Path, CellsReader] = {}
        self._retired: Sums = {}
        self._deaths = 0
        self._keys: dict[tuple[str, str], tuple[str, str]] = {}
        self._last = LedgerTotals()
        # Memory, CPU and open files of the parent, under the names every Prometheus client gives them.
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)

    def learn(self, vocabulary: Vocabulary) -> None:
        """Use the names of a new configuration."""
        self._vocabulary = vocabulary

    def retire(self, pid: int, *, crashed: bool) -> None:
        """The process has ended and was reaped: keep its counts, drop its gauges and its file."""
        self._deaths += crashed
        for path in sorted(self._directory.glob(f"{pid}-*.cells")):
            reader = self._readers.pop(path, None) or CellsReader(path)
            for key, cells in reader.read():
                if _METRICS[key[0]].kind != "gauge":
                    self._retired[key] = _added(self._retired.get(key), cells)
            reader.close()
            path.unlink()
        for draft in self._directory.glob(f"{pid}-*.draft"):  # it ended while it was still starting
            draft.unlink()

    async def render(self) -> bytes:
        """The text of one scrape."""
        try:
            totals = await asyncio.wait_for(self._ledger(), LEDGER_DEADLINE_S)
        except TimeoutError:
            totals = None
        self._last = totals or self._last
        families = self._workers()
        families.update(self._ledgers(self._last))
        families.update(self._parents(self._standing(), totals is not None))
        ours = "".join(
            line
            for metric in table.TABLE
            for line in exposition.family(metric, families.get(metric.name, {}))
        )
        return ours.encode() + generate_latest(self._process)

    def _workers(self) -> dict[str, Samples]:
        found: dict[Key, list[tuple[float, ...]]] = {key: [cells] for key, cells in self._retired.items()}
        for path in self._directory.glob("*.cells"):
            reader = self._readers.get(path)
            if reader is None:
                reader = self._readers[path] = CellsReader(path)
            for key, cells in reader.read():
                found.setdefault(key, []).append(cells)
        families: dict[str, dict[tuple[str, ...], str | Sequence[float]]] = {}
        for key in sorted(found):
            metric = _METRICS[key[0]]
            families.setdefault(metric.name, {})[key[1:]] = _sample(metric, found[key])
        return dict(families)

    def _ledgers(self, totals: LedgerTotals) -> dict[str, Samples]:
        cost: dict[tuple[str, ...], int] = {}
        for (model, task, route), nano in sorted(totals.cost_nano.items()):
            names = self._vocabulary
            key = (
                known(model, names.models) or NONE,
                known(task, names.tasks) or NONE,
                known(route, names.routes) or NONE,
            )
            cost[key] = cost.get(key, 0) + nano
        key_cost: dict[tuple[str, ...], int] = {}
        for owner, nano in sorted(totals.key_cost_nano.items()):
            shown = self._owner(owner)
            key_cost[shown] = key_cost.get(shown, 0) + nano
        budgets = {(b.name, b.scope, b.window): b for b in totals.budgets}
        return {
            table.COST.name: {key: usd(nano) for key, nano in cost.items()},
            table.KEY_COST.name: {key: usd(nano) for key, nano in key_cost.items()},
            table.TOKENS_BY_KIND.name: {(kind,): str(count) for kind, count in sorted(totals.tokens.items())},
            table.BUDGET_LIMIT.name: {key: usd(b.limit_nano) for key, b in budgets.items()},
            table.BUDGET_SPENT.name: {key: usd(b.spent_nano) for key, b in budgets.items()},
            table.BUDGET_HELD.name: {key: usd(b.held_nano) for key, b in budgets.items()},
            table.BUDGET_RESET.name: {key: number(b.resets_at) for key, b in budgets.items()},
        }

    def _owner(self, owner: tuple[str, str]) -> tuple[str, str]:
        """The first `KEYS_SHOWN` keys have a series each, the rest share one per team."""
        if owner not in self._keys and len(self._keys) < KEYS_SHOWN:
            self._keys[owner] = owner
        return self._keys.get(owner, (owner[0], "other"))

    def _parents(self, standing: Standing, ledger_up: bool) -> dict[str, Samples]:
        return {
            table.LEDGER_UP.name: {(): str(int(ledger_up))},
            table.DAYS_LEFT.name: {
                key: number(round(days, 3)) for key, days in sorted(standing.days_left.items())
            },
            table.STAGE.name: {(name,): number(percent) for name, percent in sorted(standing.stages.items())},
            table.WORKERS.name: {(): str(standing.workers)},
            table.WORKER_DEATHS.name: {(): str(self._deaths)},
            table.BUILD.name: {(self._version,): "1"},
        }


def _added(before: tuple[float, ...] | None, cells: tuple[float, ...]) -> tuple[float, ...]:
    return cells if before is None else tuple(map(float.__add__, before, cells))


def _sample(metric: Metric, parts: Sequence[tuple[float, ...]]) -> str | Sequence[float]:
    if metric.kind == "histogram":
        return parts[0] if len(parts) == 1 else tuple(map(sum, zip(*parts, strict=True)))
    values = [part[0] for part in parts]
    match metric.merge:
        case "sum":
            return number(sum(values))
        case "min":
            return number(min(values))
        case "max":
            return number(max(values))
