"""Grafana's dashboards as files: complete, and laid out so that nothing overlaps."""

import json

import pytest
import yaml

from .prometheus import DASHBOARDS, ROOT
from .shapes import Each, faults, one_of

FILES = sorted(DASHBOARDS.glob("*.json"))
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {"short", "s", "reqps", "percent", "percentunit", "currencyUSD", "dateTimeFromNow"}
COLOURS = {"green", "yellow", "orange", "red", "blue", "text", "transparent"}


def ascending(steps):
    """Thresholds as Grafana wants them: the first without a value, the others above one another, colours it knows."""
    values = [step["value"] for step in steps]
    return values[0] is None and values[1:] == sorted(values[1:]) and {s["color"] for s in steps} <= COLOURS


def mapped(mapping):
    """A mapping of values to words and colours."""
    shape = {"type": "value", "options": Each({"text?": str, "color": one_of(*COLOURS), "index?": int})}
    return not list(faults(mapping, shape))


DEFAULTS = {
    "unit": lambda unit: unit in UNITS or unit.startswith("suffix:"),
    "decimals?": int,
    "min?": int,
    "max?": int,
    "noValue?": str,
    "mappings?": [mapped],
    "color?": {"mode": one_of("thresholds")},
    "thresholds?": {"mode": one_of("absolute"), "steps": ascending},
    "custom?": dict,
}
PANEL = {
    "id": int,
    "title": str,
    "description": str,
    "type": one_of("stat", "bargauge", "table", "timeseries"),
    "datasource": SOURCE,
    "gridPos": {"x": int, "y": int, "w": int, "h": int},
    "targets": [
        {
            "refId": one_of(*"ABC"),
            "datasource": SOURCE,
            "expr": str,
            "legendFormat": str,
            "instant?": bool,
            "range?": bool,
            "format?": one_of("table"),
        }
    ],
    "fieldConfig": {"defaults": DEFAULTS, "overrides": list},
    "options": dict,
    "transformations?": [{"id": one_of("merge", "organize", "joinByField"), "options": dict}],
    "links?": [{"title": str, "url": str, "targetBlank": bool}],
}


def defaults(panel):
    return panel["fieldConfig"]["defaults"]


def test_the_four_dashboards_are_there_under_ids_of_their_own():
    """Overview, cost, models and migration."""
    boards = [json.loads(path.read_text()) for path in FILES]
    assert [path.stem for path in FILES] == ["cost", "migration", "models", "overview"]
    assert len({board["uid"] for board in boards}) == len({board["title"] for board in boards}) == 4
    assert all(board["uid"] == f"switchyard-{path.stem}" for board, path in zip(boards, FILES, strict=True))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_panel_explains_itself_and_has_its_own_place(path):
    """Title, description, unit, data source by variable, a word for an empty panel where emptiness is good news; no two
    panels on the same cell of the 24-column grid."""
    board = json.loads(path.read_text())
    assert "datasource" in [variable["name"] for variable in board["templating"]["list"]]
    taken: set[tuple[int, int]] = set()
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        if panel["type"] != "row":
            assert list(faults(panel, PANEL, panel["title"])) == []
            assert len({t["refId"] for t in panel["targets"]}) == len(panel["targets"])
            assert all(
                not t["expr"].rstrip(")").endswith("> 0") or "noValue" in defaults(panel)
                for t in panel["targets"]
            )
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells, panel["title"]
        taken |= cells


def test_provisioning_points_where_compose_mounts_the_dashboards():
    """Data source and folder as compose.yaml mounts them."""
    grafana = ROOT / "deploy" / "grafana" / "provisioning"
    source = yaml.safe_load((grafana / "datasources" / "prometheus.yaml").read_text())["datasources"][0]
    folder = yaml.safe_load((grafana / "dashboards" / "switchyard.yaml").read_text())["providers"][0]
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    mounts = dict(
        volume.split(":")[:2]
        for volume in compose["services"]["grafana"]["volumes"]
        if volume.startswith("./")
    )
    assert source["url"] == "http://prometheus:9090" and "prometheus" in compose["services"]
    assert mounts["./grafana/dashboards"] == folder["options"]["path"]
    assert mounts["./grafana/provisioning"] == "/etc/grafana/provisioning"
