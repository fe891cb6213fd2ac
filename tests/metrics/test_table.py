"""The table of metrics and what is made from it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.metrics.table import TABLE, markdown

ROOT = Path(__file__).parents[2]


def test_names_and_labels_follow_prometheus():
    """Names are unique and valid, counters end in `_total`, histograms alone have ascending buckets."""
    names = [metric.name for metric in TABLE]
    assert len(set(names)) == len(names)
    for metric in TABLE:
        assert re.fullmatch(r"(gen_ai|switchyard)_[a-z_]+", metric.name)
        assert (metric.kind == "counter") == metric.name.endswith("_total")
        assert (metric.kind == "histogram") == bool(metric.buckets)
        assert list(metric.buckets) == sorted(set(metric.buckets))
        assert len(set(metric.labels)) == len(metric.labels) and "le" not in metric.labels


def test_the_command_prints_the_list():
    """`python -m proxy.metrics` prints one row a metric."""
    printed = subprocess.run(
        [sys.executable, "-m", "proxy.metrics"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert printed == markdown()
    assert printed.count("\n| `") == len(TABLE)


def test_the_readme_shows_the_table_as_it_is():
    """Between its markers the README carries exactly what the command prints."""
    readme = ROOT / "README.md"
    text = readme.read_text() if readme.exists() else ""
    found = re.search(r"<!-- metrics:begin -->\n(.*?)<!-- metrics:end -->", text, re.DOTALL)
    if found is None:
        pytest.skip("the README has no metrics markers yet")
    assert found[1].strip() == markdown().strip()
