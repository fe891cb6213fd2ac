"""What is warned of and does not keep a configuration from running."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from proxy.app.blueprint import Blueprint
from proxy.app.configuration import read_configuration
from proxy.app.doubts import doubts, foreign_names
from proxy.settings import load

KEYS = "keys:\n  - {name: web, hash: 'sha256:%s', expires: 2027-06-30}\n" % ("a" * 64)
ROAD = "migrations: [{name: m, from: gpt-4.1-mini, to: gpt-6-luna, %s}]"


def warnings(text):
    return [str(each) for each in read_configuration(Blueprint("switchyard.yaml", text), {}).warnings]


def test_authorities_that_cannot_be_read_are_warned_of(tmp_path):
    """No such file, and one that holds no certificate: a command or a simulation runs all the same."""
    text = "providers:\n  openai:\n    ca_file: %s\n"
    assert warnings(text % "/nowhere/ca.pem") == [
        "switchyard.yaml:3: providers.openai.ca_file: No such file or directory; here, no call can be sent to this provider"
    ]
    (tmp_path / "ca.pem").write_text("no certificate")
    assert len(warnings(text % (tmp_path / "ca.pem"))) == 1
    assert warnings(text % "/nowhere/ca.pem" + "    base_url: http://10.0.0.2:8000/v1\n") == []


def test_a_key_whose_last_day_is_over_is_warned_of_and_the_file_still_loads():
    """Else no proxy would start on the morning after."""
    settings = load(text=KEYS, env={})
    ends = datetime(2027, 7, 1, tzinfo=UTC).timestamp()
    assert list(doubts(settings, ends - 1)) == []
    (found,) = doubts(settings, ends)
    assert (found.path, found.message) == (
        ("keys", 0, "expires"),
        '"web" has ended; whoever uses it gets a 401',
    )
    past = KEYS.replace("2027", "2025")
    assert warnings(past) == [
        'switchyard.yaml:2: keys[0].expires: "web" has ended; whoever uses it gets a 401'
    ]


@pytest.mark.parametrize(
    ("written", "at"), [("pins: {wbe: to}", "pins.wbe"), ("exclude: [wbe]", "exclude[0]")]
)
def test_a_key_that_a_migration_names_and_the_file_does_not_is_warned_of(written, at):
    """It may have been made at run time; where the file has no keys at all, all of them were."""
    (said,) = warnings(KEYS + ROAD % written)
    assert said == (
        f'switchyard.yaml:3: migrations[0].{at}: no key of this file is called "wbe"; one made at run time may be; '
        'did you mean "web"? allowed: web'
    )
    assert warnings(KEYS + ROAD % "pins: {web: to}") == []
    assert warnings(ROAD % written) == []


def test_a_misspelt_provider_of_litellms_is_warned_of():
    """Found in what litellm lists. Names that it may well know, and those it does list, are left alone."""
    text = "providers: {far: {kind: litellm, litellm_provider: %s}}"
    (said,) = warnings(text % "antropic")
    assert said == (
        'switchyard.yaml:1: providers.far.litellm_provider: litellm lists no provider "antropic"; '
        'did you mean "anthropic"? allowed: anthropic'
    )
    for name in ("anthropic", "vertex_ai", "hosted_vllm", "nano-gpt", "sagemaker_nova", "quite_another"):
        assert warnings(text % name) == []


def test_without_litellms_lists_nobody_is_suspected(monkeypatch, tmp_path):
    """litellm is not installed, or it came with other files."""
    for spec in (None, type("Spec", (), {"submodule_search_locations": [str(tmp_path)]})):
        monkeypatch.setattr("importlib.util.find_spec", lambda _, spec=spec: spec)
        assert foreign_names() == frozenset()
    (Path(tmp_path) / "provider_endpoints_support_backup.json").write_text("[1]")
    assert foreign_names() == frozenset()
