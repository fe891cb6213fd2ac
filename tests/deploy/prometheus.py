"""A real Prometheus on loopback that scrapes one target every quarter of a second, and the dashboards' queries to put to it."""

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

ROOT = Path(__file__).parents[2]
DASHBOARDS = ROOT / "deploy" / "grafana" / "dashboards"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
SAMPLES, DEADLINE_S = 10, 60.0


@dataclass(frozen=True)
class Panel:
    dashboard: str
    title: str
    expr: str

    def query(self) -> str:
        """The expression with Grafana's variables filled in for a Prometheus that is seconds old."""
        return self.expr.replace("$__rate_interval", "20s").replace("$__range", "1h")


def panels() -> list[Panel]:
    """Every query of every dashboard."""
    return [
        Panel(path.stem, panel["title"], target["expr"])
        for path in sorted(DASHBOARDS.glob("*.json"))
        for panel in json.loads(path.read_text())["panels"]
        if panel["type"] != "row"
        for target in panel["targets"]
    ]


def available() -> bool:
    return shutil.which("prometheus") is not None


def config(target: str, bearer: str) -> dict:
    parts = urlsplit(target)
    job = {"job_name": "switchyard", "scheme": parts.scheme, "metrics_path": parts.path or "/metrics"}
    job["static_configs"] = [{"targets": [parts.netloc]}]
    if bearer:
        job["authorization"] = {"type": "Bearer", "credentials": bearer}
    return {
        "global": {"scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "250ms"},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [job],
    }


@contextmanager
def prometheus(target: str, folder: Path, bearer: str = "") -> Iterator[str]:
    """Base URL of a Prometheus that has scraped `target` (its /metrics URL) at least `SAMPLES` times."""
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config(target, bearer)))
    process = subprocess.Popen(
        [
            "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
            "--web.listen-address=127.0.0.1:0", "--log.format=json",
        ],
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        base = f"http://{_address(process)}"
        _scraped(base)
        yield base
    finally:
        process.terminate()
        process.communicate()


def _address(process: subprocess.Popen) -> str:
    log = []
    for line in process.stderr:
        log.append(line)
        entry = json.loads(line)
        if entry.get("msg") == "Listening on":
            return entry["address"]
    raise AssertionError(b"".join(log).decode())


def _scraped(base: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        found = ask(base, 'sum_over_time(up{job="switchyard"}[1m])')
        if found and float(found[0]["value"][1]) >= SAMPLES:
            return
        time.sleep(0.1)
    raise AssertionError(f"the target was not scraped: {get(base, '/api/v1/targets')}")


def get(base: str, path: str, **query: str) -> dict:
    url = f"{base}{path}?{urllib.parse.urlencode(query)}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 503:  # still starting
                return {"data": {"result": []}}
            raise AssertionError(f"{query}: {error.read().decode()}") from error


def ask(base: str, expr: str) -> list[dict]:
    """The result of an instant query."""
    return get(base, "/api/v1/query", query=expr)["data"]["result"]
