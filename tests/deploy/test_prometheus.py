"""Dashboards and alerts against Prometheus itself.

With SWITCHYARD_METRICS_URL (and SWITCHYARD_METRICS_KEY for a bearer key) the panels are asked about that running proxy
instead of synthetic traffic.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from proxy.metrics.table import TABLE

from .prometheus import ALERTS, ROOT, ask, available, get, panels, prometheus
from .traffic import exporter_with_traffic

UNIT_TESTS = Path(__file__).with_name("alerts_test.yaml")
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
needs_prometheus = pytest.mark.skipif(not available(), reason="prometheus is not installed")


def alerts() -> list[dict]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


@needs_prometheus
def test_every_panel_gets_data_from_a_prometheus_that_scrapes_us(tmp_path):
    """Each query of each dashboard parses and returns at least one series; the alert rules load and evaluate."""
    data = tmp_path / "prometheus"
    data.mkdir()
    given = os.environ.get("SWITCHYARD_METRICS_URL")
    if given:
        with prometheus(given, data, os.environ.get("SWITCHYARD_METRICS_KEY", "")) as base:
            silent = [panel for panel in panels() if not ask(base, panel.query())]
    else:
        (tmp_path / "cells").mkdir()
        with exporter_with_traffic(tmp_path / "cells") as url, prometheus(url, data) as base:
            silent = [panel for panel in panels() if not ask(base, panel.query())]
            rules = [
                rule for group in get(base, "/api/v1/rules")["data"]["groups"] for rule in group["rules"]
            ]
            assert {rule["name"] for rule in rules} == {rule["alert"] for rule in alerts()}
            assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
            stored = ask(base, '{__name__=~"switchyard_.*|gen_ai_.*"}')
            names = {re.sub("_(bucket|sum|count)$", "", series["metric"]["__name__"]) for series in stored}
            assert names == {metric.name for metric in TABLE}
    assert silent == []


@needs_promtool
def test_promtool_accepts_the_shipped_configuration():
    """prometheus.yml and the rules it names."""
    subprocess.run(
        ["promtool", "check", "config", "--syntax-only", "prometheus.yml"],
        cwd=ALERTS.parent, check=True, capture_output=True,
    )  # fmt: skip
    subprocess.run(
        ["promtool", "check", "rules", ALERTS.name], cwd=ALERTS.parent, check=True, capture_output=True
    )


@needs_promtool
def test_every_alert_fires_when_it_should_and_not_before():
    """promtool runs the unit tests beside this file."""
    done = subprocess.run(
        ["promtool", "test", "rules", UNIT_TESTS.name],
        cwd=UNIT_TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_alerts_that_cannot_fire_fail_their_unit_tests(tmp_path):
    """With every expression turned into one that is never true, promtool's tests fail for each alert by name."""
    rules = yaml.safe_load(ALERTS.read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule["expr"] = f"({rule['expr']}) and vector(1) == 0"
    (tmp_path / "alerts.yaml").write_text(yaml.safe_dump(rules))
    tests = yaml.safe_load(UNIT_TESTS.read_text()) | {"rule_files": ["alerts.yaml"]}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(tests))
    done = subprocess.run(
        ["promtool", "test", "rules", "tests.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    failed = set(re.findall(r"alertname: ?(\w+)", done.stdout + done.stderr))
    assert done.returncode != 0 and failed == {rule["alert"] for rule in alerts()}


def test_every_alert_has_a_unit_test_says_what_to_do_and_how_urgent_it_is():
    """Each is expected to fire at least once, and carries summary, action and a known severity."""
    fired = {
        case["alertname"]
        for test in yaml.safe_load(UNIT_TESTS.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case["exp_alerts"]
    }
    assert fired == {rule["alert"] for rule in alerts()}
    for rule in alerts():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert set(rule["annotations"]) == {"summary", "action"}


def test_queries_name_metrics_and_labels_that_exist():
    """Every switchyard_ and gen_ai_ metric in a panel or alert is in the table, with the labels it is grouped by."""
    known = {metric.name: set(metric.labels) for metric in TABLE}
    labels = {label for names in known.values() for label in names} | {
        "instance",
        "job",
        "le",
        "alertname",
        "alertstate",
        "severity",
        "about",
    }
    for query in [panel.expr for panel in panels()] + [rule["expr"] for rule in alerts()]:
        for name in re.findall(r"\b(?:switchyard|gen_ai_client)_[a-z_]+", query):
            assert name in known or re.sub("_(bucket|sum|count)$", "", name) in known, name
        for grouped in re.findall(r"\b(?:by|on|without) \(([^)]*)\)", query):
            assert {label.strip() for label in grouped.split(",")} <= labels, query
        for label in re.findall(r"[{,]([a-z_]+)(?:=~|!=|=)", query):
            assert label in labels, query


def test_the_ledgers_numbers_are_never_summed_over_replicas():
    """Every replica shows the same ledger: each query takes the maximum over instances before anything else."""
    ledger = "|".join(metric.name for metric in TABLE if metric.source == "ledger")
    for panel in panels():
        for found in re.finditer(
            rf"(?:\w+ by \([^)]*\) |\w+)\((?:rate\(|increase\()?(?:{ledger})\b", panel.expr
        ):
            assert found[0].startswith(("max by", "max(")), panel


def test_the_scrape_config_reaches_the_admin_port_of_the_shipped_configuration():
    """Port, path and bearer key of prometheus.yml."""
    scrape = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    (job,) = scrape["scrape_configs"]
    assert job["job_name"] == "switchyard" and job["metrics_path"] == "/metrics"
    assert all(target.endswith(":4001") for config in job["static_configs"] for target in config["targets"])
    assert job["authorization"]["credentials_file"].startswith("/run/secrets/")
    assert scrape["rule_files"] == ["alerts.yaml"]
