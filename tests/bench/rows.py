"""What is promised about speed, as rows: how each is computed from the figures, what it must be and what it should be.

Ratios are of figures from one run, so that neighbours on the machine, which hit all alike, cancel out. A row whose targets
did not run has no value. `ours` has a key, a budget held and settled in Redis for every request, metrics and the log;
`ours limits` has three limits on top.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

Figures = Mapping[str, Mapping[str, float]]
"""Target → measure → median over the rounds."""


@dataclass(frozen=True)
class Row:
    """`load` says under which load it holds. `least`: the value must be at least `must`, otherwise at most."""

    name: str
    load: str
    value: Callable[[Figures], float]
    must: float
    aim: float
    unit: str = "x"
    least: bool = False

    def judged(self, figures: Figures) -> str:
        """The row as Markdown."""
        sign = "≥" if self.least else "≤"
        limits = f"{sign} {self.must:g} {self.unit} | {sign} {self.aim:g} {self.unit}"
        try:
            value = self.value(figures)
        except (KeyError, ZeroDivisionError):
            return f"| {self.name} | {self.load} | – | {limits} | not measured |"
        return f"| {self.name} | {self.load} | {value:.3g} {self.unit} | {limits} | {self.verdict(value)} |"

    def verdict(self, value: float) -> str:
        for limit, word in ((self.aim, "aim met"), (self.must, "pass")):
            if value >= limit if self.least else value <= limit:
                return word
        return "**MISS**"


def _ratio(measure: str, over: str, under: str, to: str = "") -> Callable[[Figures], float]:
    """What one target's measure is of another's; of another measure, where `to` names one."""
    return lambda figures: figures[over][measure] / figures[under][to or measure]


def _of(target: str, measure: str) -> Callable[[Figures], float]:
    return lambda figures: figures[target][measure]


def _more(measure: str, target: str, base: str) -> Callable[[Figures], float]:
    return lambda figures: figures[target][measure] - figures[base][measure]


def _added(measure: str, target: str, other: str) -> Callable[[Figures], float]:
    """How many times what `target` adds to a direct call fits into what `other` adds."""
    return lambda figures: (
        (figures[other][measure] - figures["direct"][measure])
        / max(1.0, figures[target][measure] - figures["direct"][measure])
    )


ROWS: Final = (
    Row("plain, CPU: times less than LiteLLM", "32 conn", _ratio("cpu_32", "litellm", "ours"), 40, 80, least=True),
    Row("plain, CPU: times less than LiteLLM", "1 conn", _ratio("cpu_1", "litellm", "ours"), 15, 30, least=True),
    Row(
        "plain, CPU: times less than LiteLLM with Redis, budget, Prometheus",
        "32 conn",
        _ratio("cpu_32", "litellm full", "ours"),
        60,
        120,
        least=True,
    ),
    Row("plain, CPU: over the bare Python relay", "32 conn", _ratio("cpu_32", "ours", "relay"), 6, 4),
    Row("plain, CPU: over a Rust gateway (tensorzero)", "32 conn", _ratio("cpu_32", "ours", "tensorzero"), 1.5, 1),
    Row(
        "plain, CPU, no keys or limits: over tensorzero",
        "32 conn",
        _ratio("cpu_32", "ours open", "tensorzero"),
        1.5,
        1,
    ),
    Row("routed, CPU: over pinned, one prompt again and again", "32 conn", _ratio("cpu_32", "ours routed", "ours"), 2.5, 2),
    Row(
        "routed, CPU: over pinned, every prompt new under one instruction",
        "32 conn",
        _ratio("cpu_32_new", "ours routed", "ours", to="cpu_32"),
        2.5,
        2,
    ),
    Row(
        "routed, CPU: over pinned, every instruction new as well",
        "32 conn",
        _ratio("cpu_32_other", "ours routed", "ours", to="cpu_32"),
        2.5,
        2,
    ),
    Row("under a migration, CPU: over pinned", "32 conn", _ratio("cpu_32", "ours migrating", "ours"), 2.5, 2),
    Row(
        "20 KB of code in the prompt, CPU: over a short one",
        "32 conn",
        _ratio("cpu_32_code", "ours", "ours", to="cpu_32"),
        2,
        1.5,
    ),
    Row("plain, requests/s: over naive FastAPI + httpx", "32 conn", _ratio("rps_32", "ours", "naive"), 10, 20, least=True),
    Row("added p50: times less than LiteLLM", "1 conn", _added("p50_1", "ours", "litellm"), 20, 40, least=True),
    Row("stream, CPU per event: over nginx", "500 streams x 20 ms", _ratio("cpu_500", "ours", "nginx"), 2.5, 1.8),
    Row("stream, CPU per event: over nginx", "100 streams x 20 ms", _ratio("cpu_100", "ours", "nginx"), 2.5, 1.8),
    Row(
        "stream, CPU per event: times less than LiteLLM",
        "100 streams x 20 ms",
        _ratio("cpu_100", "litellm", "ours"),
        12,
        18,
        least=True,
    ),
    Row(
        "stream, CPU per event, usage taken out again: over nginx",
        "100 streams x 20 ms",
        lambda figures: figures["ours"]["cpu_100_strip"] / figures["nginx"]["cpu_100"],
        2.5,
        1.8,
    ),
    Row(
        "flood, events/s: over pydantic for every event",
        "100 streams x 100 events, no pauses",
        _ratio("eps_flood", "ours", "typed relay"),
        3,
        5,
        least=True,
    ),
    Row(
        "first event, added p50",
        "15 streams",
        lambda figures: (figures["ours"]["first_15"] - figures["direct"]["first_15"]) / 1000,
        1,
        0.5,
        unit="ms",
    ),
    Row("first event, added p50: times less than LiteLLM", "15 streams", _added("first_15", "ours", "litellm"), 10, 20, least=True),
    Row(
        "event, added p50",
        "100 streams x 20 ms",
        lambda figures: (figures["ours"]["event_100"] - figures["direct"]["event_100"]) / 1000,
        0.4,
        0.2,
        unit="ms",
    ),
    Row("2,000 open streams: failed", "10 events/s each", _of("ours", "failed_2000"), 0, 0, unit=""),
    Row("2,000 open streams: memory each", "10 events/s each", _of("ours", "kb_2000"), 40, 22, unit="KB"),
    Row("idle memory: share of LiteLLM's", "idle", _ratio("idle_mb", "ours open", "litellm"), 1 / 3, 1 / 5, unit=""),
    Row("cold start: share of LiteLLM's", "to the first answer", _ratio("cold_s", "ours open", "litellm"), 1 / 5, 1 / 12, unit=""),
    Row("a budget in Redis, CPU over none", "32 conn", _more("cpu_32", "ours", "ours keys"), 40, 10, unit="us"),
    Row("three limits on top, CPU over none", "32 conn", _more("cpu_32", "ours limits", "ours"), 40, 10, unit="us"),
    Row("metrics, CPU per request", "in process", _of("ours", "metrics_us"), 5, 1.5, unit="us"),
    Row("TLS to the provider, CPU over none", "32 conn", _more("cpu_32", "ours tls", "ours open"), 60, 30, unit="us"),
)  # fmt: skip

COLUMNS: Final = (
    ("CPU us/req, 32 conn", "cpu_32"),
    ("store us/req", "store_32"),
    ("req/s", "rps_32"),
    ("CPU us/req, 1 conn", "cpu_1"),
    ("p50 us, 1 conn", "p50_1"),
    ("CPU us/event, 100", "cpu_100"),
    ("stripped", "cpu_100_strip"),
    ("event p50 us, 100", "event_100"),
    ("CPU us/event, 500", "cpu_500"),
    ("first p50 us, 15", "first_15"),
    ("flood events/s", "eps_flood"),
    ("flood CPU us/event", "cpu_flood"),
    ("KB/stream, 2000", "kb_2000"),
    ("failed, 2000", "failed_2000"),
    ("idle MB", "idle_mb"),
    ("cold start s", "cold_s"),
)


def tables(figures: Figures) -> str:
    """The promises judged, then every figure, as Markdown."""
    out = ["| promise | load | measured | must | aim | verdict |", "|---|---|---|---|---|---|"]
    out += [row.judged(figures) for row in ROWS]
    shown = [column for column in COLUMNS if any(column[1] in found for found in figures.values())]
    out += ["", "| target | " + " | ".join(name for name, _ in shown) + " |", "|---" * (len(shown) + 1) + "|"]
    for target, found in figures.items():
        cells = [
            f"{found[key]:.3g}" if key in found and found[key] < 1000 else f"{found.get(key, 0):.0f}"
            for _, key in shown
        ]
        cells = [cell if key in found else "–" for cell, (_, key) in zip(cells, shown, strict=True)]
        out.append(f"| {target} | " + " | ".join(cells) + " |")
    return "\n".join(out)
