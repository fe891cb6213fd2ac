"""What a worker counts, read back through the exporter as Prometheus would."""

import asyncio
import random
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from proxy.metrics.cells import Cells
from proxy.metrics.exporter import Exporter
from proxy.metrics.recorder import Recorder, open_recorder
from proxy.metrics.totals import LedgerTotals, Standing
from proxy.nouns import Usage

from .rows import NAMES, row


async def no_ledger() -> LedgerTotals:
    return LedgerTotals()


def scrape(folder: Path) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of a scrape by name and sorted non-empty labels."""
    exporter = Exporter(folder, vocabulary=NAMES, ledger=no_ledger, standing=Standing, version="0")
    text = asyncio.run(exporter.render()).decode()
    return {
        (sample.name, tuple(sorted((k, v) for k, v in sample.labels.items() if v))): sample.value
        for found in text_string_to_metric_families(text)
        for sample in found.samples
    }


def test_one_streamed_answer_appears_in_every_metric_it_concerns(tmp_path):
    """Duration, first chunk, chunk gaps, tokens, overhead, request, decision and change of one row, with their labels."""
    recorder = open_recorder(tmp_path, NAMES)
    recorder.observe(row(changes=("max_tokens→max_completion_tokens",)), chunks=101)
    seen = scrape(tmp_path)
    call = {
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": "openai",
        "gen_ai_request_model": "gpt-4.1-mini",
        "gen_ai_response_model": "gpt-4.1-mini-2025-04-14",
    }

    def value(name: str, **labels: str) -> float:
        return seen[name, tuple(sorted({**call, **labels}.items()))]

    assert round(value("gen_ai_client_operation_duration_seconds_sum"), 9) == 2.31125
    assert value("gen_ai_client_operation_duration_seconds_bucket", le="1.5") == 0
    assert value("gen_ai_client_operation_duration_seconds_bucket", le="2.5") == 1
    assert value("gen_ai_client_operation_time_to_first_chunk_seconds_bucket", le="0.5") == 1
    assert value("gen_ai_client_operation_time_per_output_chunk_seconds_count") == 100
    assert round(value("gen_ai_client_operation_time_per_output_chunk_seconds_sum"), 6) == 1.89875
    assert value("gen_ai_client_token_usage_sum", gen_ai_token_type="input") == 900
    assert value("gen_ai_client_token_usage_sum", gen_ai_token_type="output") == 120
    assert seen["switchyard_requests_total", (("endpoint", "chat"), ("status", "200"))] == 1
    assert seen["switchyard_overhead_seconds_bucket", (("endpoint", "chat"), ("le", "0.0005"))] == 1
    assert (
        seen["switchyard_decisions_total", (("model", "gpt-4.1-mini"), ("reason", "task"), ("task", "chat"))]
        == 1
    )
    assert seen["switchyard_changes_total", (("change", "max_tokens"),)] == 1
    recorder.close()


def test_a_refusal_is_a_request_but_not_a_call_to_a_provider(tmp_path):
    """A row that never reached a provider counts as answered and adds nothing to the provider's metrics."""
    recorder = open_recorder(tmp_path, NAMES)
    recorder.observe(row(provider="", served="", finish="refused", status=429, error="insufficient_quota"))
    recorder.refusal("InvalidApiKey", status=401)
    recorder.refusal("body_too_large", endpoint="chat", status=413)
    seen = scrape(tmp_path)
    assert seen["switchyard_requests_total", (("endpoint", "chat"), ("status", "429"))] == 1
    assert seen["switchyard_refusals_total", (("reason", "insufficient_quota"),)] == 1
    assert seen["switchyard_requests_total", (("status", "401"),)] == 1
    assert seen["switchyard_refusals_total", (("reason", "invalid_api_key"),)] == 1
    assert seen["switchyard_requests_total", (("endpoint", "chat"), ("status", "413"))] == 1
    assert not [name for name, _ in seen if name.startswith("gen_ai")]
    recorder.close()


def test_a_billed_attempt_before_the_last_is_a_call_but_not_a_request(tmp_path):
    """Two rows of one request: two provider calls, one request."""
    recorder = open_recorder(tmp_path, NAMES)
    recorder.observe(row(error="timeout", status=504, stream=False), final=False)
    recorder.observe(row(stream=False))
    seen = scrape(tmp_path)
    counts = [v for (name, _), v in seen.items() if name == "gen_ai_client_operation_duration_seconds_count"]
    assert counts == [1, 1]
    assert sum(v for (name, _), v in seen.items() if name == "switchyard_requests_total") == 1
    recorder.close()


def test_unknown_usage_is_not_counted_as_zero_tokens(tmp_path):
    """A row whose usage has source `none` leaves the token histograms alone."""
    recorder = open_recorder(tmp_path, NAMES)
    recorder.observe(row(usage=Usage(source="none"), first_byte_ms=0.0))
    seen = scrape(tmp_path)
    counts = {v for (name, _), v in seen.items() if name == "gen_ai_client_token_usage_count"}
    assert counts == {0}
    assert {v for (name, _), v in seen.items() if name.endswith("to_first_chunk_seconds_count")} == {0}
    recorder.close()


def test_every_small_verb_moves_its_own_number(tmp_path):
    """In-flight, fallback, breaker, redis, guard, reload, unsettled, epoch and arms."""
    recorder = open_recorder(tmp_path, NAMES)
    recorder.started()
    recorder.started()
    recorder.ended()
    recorder.fallback("o4-mini", "gpt-6-luna", "overloaded")
    recorder.breaker("openai", "o4-mini", "open")
    recorder.redis(up=False)
    recorder.guard_tripped("leave-4.1-mini", "cost_ratio")
    recorder.reloaded(ok=False)
    recorder.unsettled(3)
    recorder.epoch_lost(lost=True)
    recorder.arm("leave-4.1-mini", "new", row())
    recorder.arm("leave-4.1-mini", "old", row(status=502, first_byte_ms=0.0))
    seen = scrape(tmp_path)
    assert seen["switchyard_requests_in_flight", ()] == 1
    fallback = (("cause", "overloaded"), ("from_model", "o4-mini"), ("to_model", "gpt-6-luna"))
    assert seen["switchyard_fallbacks_total", fallback] == 1
    assert seen["switchyard_breaker_state", (("model", "o4-mini"), ("provider", "openai"))] == 2
    assert seen["switchyard_redis_up", ()] == 0
    trip = (("guard", "cost_ratio"), ("migration", "leave-4.1-mini"))
    assert seen["switchyard_migration_guard_trips_total", trip] == 1
    assert seen["switchyard_config_reloads_total", (("result", "invalid"),)] == 1
    assert seen["switchyard_config_reload_ok", ()] == 0
    assert seen["switchyard_unsettled_holds_total", ()] == 3
    assert seen["switchyard_epoch_lost", ()] == 1
    arm = (("arm", "new"), ("migration", "leave-4.1-mini"), ("outcome", "ok"))
    assert seen["switchyard_migration_requests_total", arm] == 1
    arm = (("arm", "old"), ("migration", "leave-4.1-mini"), ("outcome", "error"))
    assert seen["switchyard_migration_requests_total", arm] == 1
    recorder.close()


def test_ten_thousand_hostile_names_make_no_new_series(tmp_path):
    """After one unknown name has made `other`, random names in every field add nothing: not in the file, not in memory."""
    rng = random.Random(7)
    nasty = [
        '"',
        "\n",
        "\\",
        "{",
        "}",
        "\x00",
        "\x1b[31m",
        "\u202e",
        "\ud800",
        "é",
        "a",
        "-",
        "2025-01-01",
        "<script>",
    ]

    def name() -> str:
        return "".join(rng.choice(nasty) for _ in range(rng.randrange(1, 40))) + str(rng.random())

    recorder = open_recorder(tmp_path, NAMES)

    def storm() -> None:
        recorder.observe(
            row(
                endpoint=name(), provider=name(), served=name(), response_model="gpt-5-" + name(), task=name(),
                route=name(), reason=name(), error=name(), asked=name(), user_hash=name(), key_name=name(), team=name(),
                status=rng.randrange(1000, 10**9), changes=(name(), "dropped:x" + name()),
            ),
            chunks=3,
        )  # fmt: skip
        recorder.refusal(name(), endpoint=name(), status=rng.randrange(1000, 10**9))
        recorder.fallback(name(), name(), name())
        recorder.breaker(name(), name(), "open")
        recorder.guard_tripped(name(), name())
        recorder.arm(name(), "new", row())

    storm()
    before = set(scrape(tmp_path))
    for _ in range(10_000):
        storm()
    assert set(scrape(tmp_path)) == before
    assert recorder._places == {}
    recorder.close()


def test_dated_spellings_of_a_known_model_are_kept_up_to_a_few(tmp_path):
    """A provider that answers with ever new dates fills four series per model, then `other`."""
    recorder = open_recorder(tmp_path, NAMES)
    for day in range(10, 30):
        recorder.observe(row(response_model=f"o4-mini-2025-04-{day}", served="o4-mini"))
    names = {
        dict(labels)["gen_ai_response_model"]
        for name, labels in scrape(tmp_path)
        if name.startswith("gen_ai")
    }
    assert names == {
        "o4-mini-2025-04-10",
        "o4-mini-2025-04-11",
        "o4-mini-2025-04-12",
        "o4-mini-2025-04-13",
        "other",
    }
    recorder.close()


def test_a_reload_makes_new_names_known_and_keeps_old_counts(tmp_path):
    """`learn` takes a new vocabulary; a name counted as `other` before has its own series from then on."""
    recorder = open_recorder(tmp_path, NAMES)
    recorder.observe(row(served="new-model", response_model=""))
    recorder.learn(type(NAMES)(models=NAMES.models | {"new-model"}, providers=NAMES.providers))
    recorder.observe(row(served="new-model", response_model=""))
    decisions = {
        dict(k)["model"]: v
        for (name, k), v in scrape(tmp_path).items()
        if name == "switchyard_decisions_total"
    }
    assert decisions == {"other": 1, "new-model": 1}
    recorder.close()


def test_a_full_table_drops_series_and_says_so(tmp_path):
    """With no room left, recording goes on, kept series stay right, and a counter tells how many were dropped."""
    recorder = Recorder(Cells(tmp_path / "1-1.cells", 1, size_bytes=8192), NAMES)
    models = ["gpt-4.1-mini", "o4-mini", "gpt-6-luna"]
    for model in models:
        recorder.observe(row(served=model))
    for endpoint in ("responses", "completions", "embeddings", "audio"):
        recorder.observe(row(endpoint=endpoint))
    seen = scrape(tmp_path)
    assert seen["switchyard_series_dropped_total", ()] > 0
    assert seen["switchyard_requests_total", (("endpoint", "chat"), ("status", "200"))] == 3
    recorder.close()
