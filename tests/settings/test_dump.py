"""The settings for the admin port."""

import json
from pathlib import Path

import yaml

from proxy.settings import load, redacted
from proxy.settings.dump import SET

EVERYTHING = Path(__file__).parent / "good" / "everything.yaml"
ENV = {
    "OPENAI_API_KEY": "sk-one",
    "ANTHROPIC_API_KEY": "sk-two",
    "REDIS_URL": "redis://:pw@h",
    "SWITCHYARD_ADMIN_KEY": "k" * 40,
}


def test_no_secret_is_shown_and_the_keys_are_those_of_the_file():
    """Whoever sees the page learns that a secret is set, nothing of it."""
    shown = redacted(load(EVERYTHING, env=ENV))
    text = json.dumps(shown)
    assert (
        shown["server"]["admin_key"] == shown["redis"]["url"] == shown["providers"]["openai"]["proxy"] == SET
    )
    assert shown["providers"]["vllm-a"]["api_key"] is None
    assert shown["keys"][0]["hash"] == "sha256:9f86d081…"
    assert shown["budgets"][0]["usd"] == "2000"
    assert shown["routes"]["auto"]["tasks"]["code"]["default"] == ["o4-mini", "openai/gpt-6.1-terra@low"]
    for secret in ("sk-one", "sk-two", "pw", "kkkk", "3128", "9f86d081884c"):
        assert secret not in text


def test_what_is_shown_can_be_loaded_again():
    """Amounts, dates and targets are written as they are read."""
    env = dict.fromkeys(ENV, "") | {"OPENAI_API_KEY": "x", "ANTHROPIC_API_KEY": "x"}
    settings = load(EVERYTHING, env=env)
    text = yaml.safe_dump(redacted(settings), allow_unicode=True).replace(
        "sha256:9f86d081…", settings.keys[0].hash
    )
    again = load(text=text, env={})
    assert redacted(again) == redacted(settings)
    for section in ("routes", "models", "budgets", "keys", "migrations", "lifecycle", "defaults", "aliases"):
        assert getattr(again, section) == getattr(settings, section)
