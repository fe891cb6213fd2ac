"""The JSON Schema for editors."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from proxy.settings import schema, shipped_file
from proxy.settings.environment import hide, show
from proxy.settings.schema import allowed_at

EVERYTHING = Path(__file__).parent / "good" / "everything.yaml"


def plain(node):
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(item) for item in node]
    return show(node) if isinstance(node, str) else str(node) if hasattr(node, "isoformat") else node


@pytest.mark.parametrize("file", [EVERYTHING, shipped_file()], ids=["everything", "shipped"])
def test_good_files_satisfy_it(file):
    """An editor shows no error where the program sees none, `${NAME}` included."""
    jsonschema.Draft202012Validator(schema()).validate(plain(yaml.safe_load(hide(file.read_text()))))


@pytest.mark.parametrize(
    "text",
    [
        "serverr: {}",
        "auth: {mode: key}",
        "server: {port: 99999}",
        "routes: {auto: {default: [a], tasks: {maths: [b]}}}",
        "routes: {auto: {default: [a@hi]}}",
        "budgets: [{name: a, scope: global, usd: -1, per: day}]",
        "keys: [{name: a, hash: sk-x}]",
    ],
)
def test_bad_files_do_not(text):
    """The common mistakes are seen while typing."""
    assert not jsonschema.Draft202012Validator(schema()).is_valid(yaml.safe_load(text))


def test_every_key_is_described():
    """An editor explains whatever it offers."""
    told = schema()
    jsonschema.Draft202012Validator.check_schema(told)
    records = {"": told, **told["$defs"]}
    silent = [
        f"{name}.{key}"
        for name, record in records.items()
        for key, node in record.get("properties", {}).items()
        if not node.get("description")
    ]
    assert len(records) > 20
    assert silent == []


def test_what_may_be_written_at_a_path():
    """Messages list the keys of a record, the values of a choice, the tasks of a route."""
    assert allowed_at(("auth", "mode")) == ("keys", "passthrough", "open")
    assert "port" in allowed_at(("server",))
    assert allowed_at(("routes", "auto", "tasks", "code")) == ("default", "easy", "medium", "hard")
    assert "code" in allowed_at(("routes", "auto", "tasks"))
    assert allowed_at(("keys", 0, "name")) == ()
