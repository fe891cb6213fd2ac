"""Grafana's dashboards as files: complete, and laid out so that nothing overlaps."""

import json

import pytest
import yaml

from .prometheus import DASHBOARDS, ROOT

FILES = sorted(DASHBOARDS.glob("*.json"))


def test_the_four_dashboards_are_there_under_ids_of_their_own():
    """Overview, cost, models and migration."""
    boards = [json.loads(path.read_text()) for path in FILES]
    assert [path.stem for path in FILES] == ["cost", "migration", "models", "overview"]
    assert len({board["uid"] for board in boards}) == len({board["title"] for board in boards}) == 4
    assert all(board["uid"] == f"switchyard-{path.stem}" for board, path in zip(boards, FILES, strict=True))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_panel_explains_itself_and_has_its_own_place(path):
    """Title, description, unit, data source by variable; no two panels on the same cell of the 24-column grid."""
    board = json.loads(path.read_text())
    assert "datasource" in [variable["name"] for variable in board["templating"]["list"]]
    taken: set[tuple[int, int]] = set()
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        assert panel["title"] and panel["description"] and panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["targets"] and len({t["refId"] for t in panel["targets"]}) == len(panel["targets"])
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
