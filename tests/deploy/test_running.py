"""A running proxy with traffic of every kind: each metric that requests should move moves, and each panel has data."""

import contextlib
import datetime as dt
import hashlib
import json
import threading
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.metrics.table import TABLE
from tests import town

from .prometheus import ask, available, panels, prometheus

needs_prometheus = pytest.mark.skipif(not available(), reason="prometheus is not installed")
SECRETS = {"search": "sk-running-search", "spent": "sk-running-spent"}
ENDS = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=20)
CONFIG = f"""
auth: {{mode: keys}}
models: {{gpt-4.1: {{shutdown: {ENDS}}}}}
teams: [{{name: web, budgets: [{{usd: 50, per: month}}]}}]
keys:
  - {{name: search, team: web, hash: "sha256:{hashlib.sha256(SECRETS["search"].encode()).hexdigest()}"}}
  - name: spent
    team: web
    hash: "sha256:{hashlib.sha256(SECRETS["spent"].encode()).hexdigest()}"
    budgets: [{{usd: 0.0001, per: day}}]
budgets: [{{name: company, scope: global, usd: 50, per: month}}]
migrations:
  - {{name: leave-5.2, from: gpt-5.2, to: gpt-6-luna@none, stages: [50, 100], hold_hours: 100, sticky: conversation, start: now}}
"""
QUIET = {
    "switchyard_migration_guard_trips_total": "the new model is as good as the old one",
    "switchyard_unsettled_holds_total": "every call reports back",
    "switchyard_epoch_lost": "Redis keeps its counters",
    "switchyard_series_dropped_total": "no table is full",
    "switchyard_worker_deaths_total": "no worker dies",
    "switchyard_requests_in_flight": "nothing is under way when it is read",
    "switchyard_budget_held_usd": "nothing is under way when it is read",
}


def turn(door, number):
    """One request of each kind: routed and streamed, retired, whole, under a migration, embedded, failing upstream, unknown, out of money."""
    chats = [
        ("search", {"model": "auto", "stream": True}, "Translate into German: good morning, all of you"),
        ("search", {"model": "o4-mini", "max_tokens": 200}, "How many primes are there below 100?"),
        ("search", {"model": "gpt-4.1", "stream": True}, "hello"),
        ("search", {"model": "gpt-5.2", "stream": True}, "hello"),
        ("search", {"model": "auto"}, "Summarise this for me. [[sandbox:500]]"),
        ("search", {"model": "no-such-model"}, "hello"),
        ("spent", {"model": "gpt-4.1", "max_tokens": 100}, "hello"),
    ]
    for key, fields, text in chats:
        body = {"messages": [{"role": "user", "content": f"{number} {text}"}], **fields}
        town.ask(f"{door.url}/chat/completions", body, key=SECRETS[key])
    town.ask(f"{door.url}/embeddings", {"model": "text-embedding-3-small", "input": "x"}, SECRETS["search"])


@contextlib.contextmanager
def traffic(door):
    """Turn after turn, until the end."""
    over = threading.Event()

    def go():
        number = 0
        while not over.is_set():
            turn(door, number := number + 1)

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def door():
    with town.sandbox("--time-scale", "0") as upstream, town.proxy(upstream, CONFIG) as running:
        yield running


def values(door):
    """Every sample of the proxy's /metrics: metric name to its values other than 0."""
    text = town.ask(f"{door.admin_url}/metrics").body.decode()
    return {
        name: [sample.value for sample in family.samples if sample.value]
        for family in text_string_to_metric_families(text)
        for name in (family.name, f"{family.name}_total")
    }


def test_every_metric_moves_but_those_that_nothing_happened_to(door):
    """No row of the table is one that nobody counts; the quiet ones are there and say 0, each for its reason."""
    for number in range(6):  # five failures open a breaker
        turn(door, number)
    deadline = time.monotonic() + 20
    still = {metric.name for metric in TABLE} - QUIET.keys()
    while still := {name for name in still if not values(door).get(name)}:
        assert time.monotonic() < deadline, still
        turn(door, number := number + 1)  # the migration begins a second after the proxy
    # What the last answers held is settled in a moment, and then shown at the next look.
    while moved := {name for name in QUIET if values(door).get(name)}:
        assert time.monotonic() < deadline, moved


@needs_prometheus
def test_every_panel_has_data_while_there_is_traffic(door, tmp_path):
    """Overview, costs, models and migrations: no query is empty, and none is all NaN."""
    asked = panels()
    with prometheus(f"{door.admin_url}/metrics", tmp_path) as base, traffic(door):
        deadline = time.monotonic() + 30
        while silent := [panel for panel in asked if not told(base, panel)]:
            assert time.monotonic() < deadline, json.dumps([panel.title for panel in silent])


def told(base, panel):
    return [found for found in ask(base, panel.query()) if found["value"][1] != "NaN"]
