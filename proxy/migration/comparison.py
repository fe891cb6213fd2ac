"""Both arms (and the shadow) side by side: counts as the store keeps them, and the figures people read. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from proxy.migration.observation import SIDES, ShownSide, quantile

_NANO: Final = 1e9


class Seen:
    """Counts of one share, or of several added up: read by side, task and what."""

    def __init__(self, counts: Mapping[tuple[str, str, str], int]) -> None:
        self._counts = counts

    def count(self, side: ShownSide, task: str, what: str) -> int:
        """One counter."""
        return self._counts.get((side, task, what), 0)

    def kinds(self, side: ShownSide, task: str, family: str) -> dict[str, int]:
        """Counters that differ in what follows the colon, such as `error:` and `finish:`; most frequent first."""
        found = {
            what.partition(":")[2]: count
            for (at, of, what), count in self._counts.items()
            if at == side and of == task and what.startswith(family + ":")
        }
        return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))

    def histogram(self, side: ShownSide, task: str, name: str) -> dict[int, int]:
        """The buckets of a histogram."""
        return {int(bucket): count for bucket, count in self.kinds(side, task, name).items()}

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks that were seen, in order of name; "" (all) is not among them."""
        return tuple(sorted({task for _, task, _ in self._counts} - {""}))

    def __bool__(self) -> bool:
        return bool(self._counts)


@dataclass(frozen=True, slots=True)
class Column:
    """One side of the table for one task. Shares are of the calls they are about (`judged` for what takes a look at the answer,
    those that were to be looked at for `failed`); None where there were none. `usd` and tokens are means of billed calls,
    seconds upper edges of buckets a tenth wide."""

    side: ShownSide
    calls: int
    failed: float | None
    errors: Mapping[str, int]
    finishes: Mapping[str, int]
    judged: int
    refused: float | None
    invalid: Mapping[str, int]
    first_p50_s: float | None
    first_p95_s: float | None
    whole_p50_s: float | None
    whole_p95_s: float | None
    total_p50_s: float | None
    total_p95_s: float | None
    output_tokens: float | None
    reasoning_tokens: float | None
    usd: float | None
    left: int


def columns(seen: Seen, task: str = "") -> list[Column]:
    """The sides that had calls of a task ("" for all)."""
    return [_column(seen, side, task) for side in SIDES if seen.count(side, task, "calls")]


def _column(seen: Seen, side: ShownSide, task: str) -> Column:
    def count(what: str) -> int:
        return seen.count(side, task, what)

    def seconds(name: str, share: float) -> float | None:
        return quantile(seen.histogram(side, task, name), share)

    billed = count("billed")
    return Column(
        side=side,
        calls=count("calls"),
        failed=_part(count("failed"), count("drawn")),
        errors=seen.kinds(side, task, "error"),
        finishes=seen.kinds(side, task, "finish"),
        judged=count("judged"),
        refused=_part(count("refusal"), count("judged")),
        invalid=seen.kinds(side, task, "invalid"),
        first_p50_s=seconds("first", 0.5),
        first_p95_s=seconds("first", 0.95),
        whole_p50_s=seconds("whole", 0.5),
        whole_p95_s=seconds("whole", 0.95),
        total_p50_s=seconds("total", 0.5),
        total_p95_s=seconds("total", 0.95),
        output_tokens=_part(count("output"), billed),
        reasoning_tokens=_part(count("reasoning"), billed),
        usd=None if not billed else count("cost") / billed / _NANO,
        left=count("left"),
    )


def cost_against(seen: Seen, planned_ratio: float) -> float | None:
    """The measured cost of a call on the new model as a multiple of what was planned; None without both, and where the plan is that it costs nothing."""
    old, new = (_part(seen.count(side, "", "cost"), seen.count(side, "", "billed")) for side in SIDES[:2])
    return new / (old * planned_ratio) if old and planned_ratio and new is not None else None


def _part(some: int, of_all: int) -> float | None:
    return some / of_all if of_all > 0 else None
