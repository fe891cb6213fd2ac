"""Prometheus' text format 0.0.4: samples in, bytes out. Pure.

A label value may hold anything: backslash, quote and newline are escaped, so no value ends its label or its line.
Money is written as an exact decimal from nano-dollars; Prometheus rounds it to a float, we do not.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final

from proxy.metrics.table import Metric
from proxy.nouns import NANO_PER_USD

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Samples = Mapping[tuple[str, ...], str | Sequence[float]]
"""Label values to a number already written out, or to a histogram's cells."""


def family(metric: Metric, samples: Samples) -> Iterator[str]:
    """The lines of one metric; none when it has no samples, since a bare header says nothing."""
    if not samples:
        return
    yield f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n"
    for values, sample in samples.items():
        labels = _labels(metric.labels, values)
        if isinstance(sample, str):
            yield f"{metric.name}{{{labels}}} {sample}\n" if labels else f"{metric.name} {sample}\n"
        else:
            yield from _histogram(metric, labels, sample)


def _histogram(metric: Metric, labels: str, cells: Sequence[float]) -> Iterator[str]:
    *buckets, total = cells
    head = f"{metric.name}_bucket{{{labels}," if labels else f"{metric.name}_bucket{{"
    counts = list(accumulate(buckets))
    for bound, count in zip(metric.buckets, counts, strict=False):
        yield f'{head}le="{number(bound)}"}} {number(count)}\n'
    braces = f"{{{labels}}}" if labels else ""
    yield f'{head}le="+Inf"}} {number(counts[-1])}\n'
    yield f"{metric.name}_sum{braces} {number(total)}\n{metric.name}_count{braces} {number(counts[-1])}\n"


def _labels(names: Iterable[str], values: Iterable[str]) -> str:
    return ",".join(f'{name}="{escape(value)}"' for name, value in zip(names, values, strict=True))


def escape(value: str) -> str:
    """A label value between quotes; lone surrogates, which UTF-8 has no bytes for, become question marks."""
    if value.isascii() and value.isprintable() and '"' not in value and "\\" not in value:
        return value
    value = value.encode("utf-8", "replace").decode()
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def number(value: float) -> str:
    """A float as Prometheus reads it: whole numbers without a fraction."""
    return str(int(value)) if value == value // 1 and abs(value) < 2**53 else repr(value)


def usd(nano: int) -> str:
    """Nano-dollars as exact decimal dollars."""
    whole, rest = divmod(abs(nano), NANO_PER_USD)
    return f"{'-' if nano < 0 else ''}{whole}.{rest:09d}"
