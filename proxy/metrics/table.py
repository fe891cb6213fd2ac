"""Every metric Switchyard has, in one table; the README's list, the recorder and the exporter all read it.

A metric has one source. `worker`: observed in the processes that serve requests and summed over them (gauges: see
`merge`). `ledger`: the integer counters in Redis, read at scrape, so the numbers equal the bills; every replica shows the
same ones, so aggregate them with `max`, never `sum`, over instances. `parent`: known to the process that is scraped.

Names beginning with `gen_ai_` are OpenTelemetry's GenAI client metrics as of its semantic conventions 1.43 (dots become
underscores, the unit is appended); an operation there is one call to a provider, so a request with a fallback counts twice.
Every label is bounded: its values come from the configuration, the catalogue or a closed list in `labels.py`.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]
Source = Literal["worker", "ledger", "parent"]
Merge = Literal["sum", "min", "max"]

# A reasoning model may think for 22 s before its first token and a long answer ends at the 600 s read timeout of the SDKs.
SECONDS = (
    0.05,
    0.1,
    0.2,
    0.35,
    0.5,
    0.75,
    1.0,
    1.5,
    2.5,
    4.0,
    6.0,
    8.0,
    12.0,
    16.0,
    22.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
)
CHUNK_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0)
OVERHEAD_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
# The boundaries the OpenTelemetry page gives for token counts, up to the largest window on the market.
TOKENS = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0)

_CALL = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_response_model")
_BUDGET = ("budget", "scope", "window")


@dataclass(frozen=True, slots=True)
class Metric:
    """One row: `buckets` (upper bounds, ascending) only for histograms; `merge` says how workers' gauges become one."""

    name: str
    kind: Kind
    source: Source
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    merge: Merge = "sum"

    @property
    def width(self) -> int:
        """Cells one series takes: a histogram has its buckets, the one above them all, and the sum."""
        return len(self.buckets) + 2 if self.kind == "histogram" else 1


DURATION = Metric(
    "gen_ai_client_operation_duration_seconds",
    "histogram",
    "worker",
    "Time of one call, from when it came in to the last byte of the answer",
    (*_CALL, "error_type"),
    SECONDS,
)
FIRST_CHUNK = Metric(
    "gen_ai_client_operation_time_to_first_chunk_seconds",
    "histogram",
    "worker",
    "Time to the first chunk of a streamed answer",
    _CALL,
    SECONDS,
)
PER_CHUNK = Metric(
    "gen_ai_client_operation_time_per_output_chunk_seconds",
    "histogram",
    "worker",
    "Time between chunks of a streamed answer: its mean, counted once per chunk after the first",
    _CALL,
    CHUNK_SECONDS,
)
TOKEN_USAGE = Metric(
    "gen_ai_client_token_usage",
    "histogram",
    "worker",
    "Tokens of one call by gen_ai_token_type: input or output",
    (*_CALL, "gen_ai_token_type"),
    TOKENS,
)
REQUESTS = Metric(
    "switchyard_requests_total",
    "counter",
    "worker",
    "Requests answered, by endpoint and HTTP status",
    ("endpoint", "status"),
)
OVERHEAD = Metric(
    "switchyard_overhead_seconds",
    "histogram",
    "worker",
    "Time a request spent in the proxy itself",
    ("endpoint",),
    OVERHEAD_SECONDS,
)
IN_FLIGHT = Metric("switchyard_requests_in_flight", "gauge", "worker", "Requests being served now")
REFUSALS = Metric(
    "switchyard_refusals_total", "counter", "worker", "Requests refused by the proxy, by reason", ("reason",)
)
DECISIONS = Metric(
    "switchyard_decisions_total",
    "counter",
    "worker",
    "Requests by the model that served them, the task seen (`none`: the caller named its model) and why that model",
    ("model", "task", "reason"),
)
CHANGES = Metric(
    "switchyard_changes_total",
    "counter",
    "worker",
    "Changes made to requests so that a model takes them",
    ("change",),
)
FALLBACKS = Metric(
    "switchyard_fallbacks_total",
    "counter",
    "worker",
    "Requests that moved on to the next candidate, by what the first one did",
    ("from_model", "to_model", "cause"),
)
BREAKER = Metric(
    "switchyard_breaker_state",
    "gauge",
    "worker",
    "Circuit breaker of a deployment: 0 closed, 1 half open, 2 open; the worst of all workers",
    ("provider", "model"),
    merge="max",
)
REDIS_UP = Metric(
    "switchyard_redis_up", "gauge", "worker", "1 while Redis answers; the worst of all workers", merge="min"
)
ARM_REQUESTS = Metric(
    "switchyard_migration_requests_total",
    "counter",
    "worker",
    "Requests under a migration, by arm (old or new) and outcome (ok or error)",
    ("migration", "arm", "outcome"),
)
ARM_FIRST_CHUNK = Metric(
    "switchyard_migration_first_chunk_seconds",
    "histogram",
    "worker",
    "Time to the first byte of an answer under a migration, by arm",
    ("migration", "arm"),
    SECONDS,
)
GUARD_TRIPS = Metric(
    "switchyard_migration_guard_trips_total",
    "counter",
    "worker",
    "Times a guard stopped a migration",
    ("migration", "guard"),
)
RELOADS = Metric(
    "switchyard_config_reloads_total",
    "counter",
    "worker",
    "Configuration reloads, by result: ok or invalid",
    ("result",),
)
RELOAD_OK = Metric(
    "switchyard_config_reload_ok",
    "gauge",
    "worker",
    "0 while the file on disk is invalid and the one before it is in force",
    merge="min",
)
UNSETTLED = Metric(
    "switchyard_unsettled_holds_total",
    "counter",
    "worker",
    "Holds charged in full because their call never reported back",
)
EPOCH_LOST = Metric(
    "switchyard_epoch_lost",
    "gauge",
    "worker",
    "1 while Redis has lost its counters and hard budgets refuse",
    merge="max",
)
SERIES_DROPPED = Metric(
    "switchyard_series_dropped_total",
    "counter",
    "worker",
    "Series not kept because a worker's table was full",
)
COST = Metric(
    "switchyard_cost_usd_total",
    "counter",
    "ledger",
    "Money spent, by model, task and route (`none` where there was none)",
    ("model", "task", "route"),
)
KEY_COST = Metric(
    "switchyard_key_cost_usd_total", "counter", "ledger", "Money spent, by team and key", ("team", "key")
)
TOKENS_BY_KIND = Metric(
    "switchyard_tokens_total",
    "counter",
    "ledger",
    "Tokens billed, by kind; the details are parts of input and output",
    ("kind",),
)
BUDGET_LIMIT = Metric(
    "switchyard_budget_limit_usd", "gauge", "ledger", "Limit of a configured budget", _BUDGET
)
BUDGET_SPENT = Metric(
    "switchyard_budget_spent_usd", "gauge", "ledger", "Spent in the budget's current window", _BUDGET
)
BUDGET_HELD = Metric(
    "switchyard_budget_held_usd", "gauge", "ledger", "Set aside for calls under way", _BUDGET
)
BUDGET_RESET = Metric(
    "switchyard_budget_reset_timestamp_seconds",
    "gauge",
    "ledger",
    "When the window ends (Unix time)",
    _BUDGET,
)
LEDGER_UP = Metric(
    "switchyard_ledger_up",
    "gauge",
    "parent",
    "0 when the ledger did not answer this scrape and its last numbers are shown",
)
DAYS_LEFT = Metric(
    "switchyard_model_days_until_shutdown",
    "gauge",
    "parent",
    "Days until a model stops answering at a provider; negative after it has",
    ("provider", "model"),
)
STAGE = Metric(
    "switchyard_migration_stage_percent",
    "gauge",
    "parent",
    "Share of callers on a migration's new arm",
    ("migration",),
)
WORKERS = Metric("switchyard_workers", "gauge", "parent", "Worker processes alive")
WORKER_DEATHS = Metric(
    "switchyard_worker_deaths_total", "counter", "parent", "Worker processes that ended unasked"
)
BUILD = Metric("switchyard_build_info", "gauge", "parent", "Always 1; the version is its label", ("version",))

TABLE: tuple[Metric, ...] = (
    DURATION,
    FIRST_CHUNK,
    PER_CHUNK,
    TOKEN_USAGE,
    REQUESTS,
    OVERHEAD,
    IN_FLIGHT,
    REFUSALS,
    DECISIONS,
    CHANGES,
    FALLBACKS,
    BREAKER,
    REDIS_UP,
    ARM_REQUESTS,
    ARM_FIRST_CHUNK,
    GUARD_TRIPS,
    RELOADS,
    RELOAD_OK,
    UNSETTLED,
    EPOCH_LOST,
    SERIES_DROPPED,
    COST,
    KEY_COST,
    TOKENS_BY_KIND,
    BUDGET_LIMIT,
    BUDGET_SPENT,
    BUDGET_HELD,
    BUDGET_RESET,
    LEDGER_UP,
    DAYS_LEFT,
    STAGE,
    WORKERS,
    WORKER_DEATHS,
    BUILD,
)


def markdown() -> str:
    """The table as the README shows it."""
    rows = [
        f"| `{m.name}` | {m.kind} | {', '.join(f'`{label}`' for label in m.labels)} | {m.source} | {m.help} |"
        for m in TABLE
    ]
    return "\n".join(["| metric | type | labels | from | meaning |", "|---|---|---|---|---|", *rows, ""])
