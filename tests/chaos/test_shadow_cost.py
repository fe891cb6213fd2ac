"""What a shadow costs callers when its model is dead: all calls are copied, none of the copies is answered."""

import json
import os
import statistics

import pytest
import town

from tests.chaos.road_kit import road

pytestmark = pytest.mark.chaos
LUNA = (
    "family: gpt-5.6, context: 922000, max_output: 128000, usd_per_m: {input: 0.1, cached: 0.01, output: 0.5}"
)
ROUNDS, CALLS = 6, 1_500
PLAIN, COPIED = "gpt-4.1-mini", "gpt-4o-mini"
TICKS = os.sysconf("SC_CLK_TCK")


def config(where, key):
    """Two migrations that wait, alike but for the shadow."""
    return f"""
server: {{workers: 1, drain_seconds: 2}}
lifecycle: {{allow_dearer: true}}
providers:
  openai: {{kind: openai, base_url: "${{OPENAI_BASE_URL}}", api_key: sk-a}}
  dead: {{kind: openai, base_url: "{where}", api_key: {key}}}
models: {{luna: {{{LUNA}, deployments: [{{provider: dead, model: gpt-6-luna}}]}}}}
migrations:
  - {{name: plain, from: {PLAIN}, to: gpt-6-luna@none}}
  - {{name: copied, from: {COPIED}, to: luna@none, shadow: {{share: 1, usd: 100, per: day}}}}
"""


def worker_cpu_s(way):
    (worker,) = json.loads(town.ask(f"{way.door.admin_url}/admin/status").body)["workers"]
    with open(f"/proc/{worker['pid']}/stat") as stat:
        fields = stat.read().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@pytest.mark.parametrize("how", ["refuses connections", "never answers"])
def test_callers_are_served_as_if_there_were_no_shadow(how, capsys):
    """In turns on one worker: no call fails, and latency and CPU are those of the same migration without a shadow."""
    where = "http://127.0.0.1:9/v1" if how == "refuses connections" else "${OPENAI_BASE_URL}"
    with road(config(where, "sk-dead")) as way:
        way.upstream.fault({"action": "hang", "match": {"key": "sk-dead"}})
        took_s, cpu_s = {PLAIN: [], COPIED: []}, {PLAIN: 0.0, COPIED: 0.0}
        for model in (PLAIN, COPIED) * ROUNDS:
            way.model, way.took_s, before = model, [], worker_cpu_s(way)
            way.traffic(CALLS)
            took_s[model] += way.took_s
            cpu_s[model] += worker_cpu_s(way) - before
        assert way.failed == 0
        half, most = (
            {model: statistics.quantiles(took_s[model], n=20)[at] for model in took_s} for at in (9, 18)
        )
        with capsys.disabled():
            print(
                f"\nshadow at 100 %, its model {how}: {ROUNDS * CALLS:,} calls each, 0 failed; with / without shadow: "
                f"p50 x{half[COPIED] / half[PLAIN]:.2f}, p95 x{most[COPIED] / most[PLAIN]:.2f}, "
                f"CPU x{cpu_s[COPIED] / cpu_s[PLAIN]:.2f} ({cpu_s[PLAIN] / ROUNDS / CALLS * 1e6:.0f} us a call without), "
                f"load {os.getloadavg()[0]:.1f}"
            )
        assert half[COPIED] / half[PLAIN] < 1.5
        assert cpu_s[COPIED] / cpu_s[PLAIN] < 1.5
