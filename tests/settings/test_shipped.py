"""The configuration that comes with the program."""

import re

from proxy.settings import TASKS, load, shipped_file

REASONING = ("code", "math", "reasoning", "agentic", "vision_reasoning")
ENV = {"OPENAI_API_KEY": "sk-x", "REDIS_URL": "redis://h", "SWITCHYARD_ADMIN_KEY": "k" * 32}


def uncommented():
    """The file with its commented-out examples made live; prose and rulers stay comments."""
    text = shipped_file().read_text(encoding="utf-8")
    example = re.compile(r"^# ?(?=( {0,12}(- )?[a-z0-9._-]+:( |$)))", re.MULTILINE)
    return example.sub("", text)


def test_the_shipped_route_covers_every_task():
    """Reasoning tasks go to the reasoning mini's line, the others to the fast mini's, each with a living successor."""
    route = load(env={}).routes["auto"]
    assert set(route.tasks) == set(TASKS)
    for task in TASKS:
        for difficulty in ("", "easy", "medium", "hard"):
            first, second, *third = route.candidates(task, difficulty)
            assert first.model == ("o4-mini" if task in REASONING else "gpt-4.1-mini")
            assert second.model == ("gpt-6.1-terra" if task in REASONING else "gpt-6-luna")
            assert (second.effort == "none") == (task not in REASONING)
            # The second stands in for o4-mini already.
            assert [each.model for each in third] == (["gpt-5.4-mini"] if task in REASONING else [])


def test_its_examples_are_valid_when_uncommented():
    """Whoever removes the comment signs gets a configuration that loads."""
    settings = load(text=uncommented(), env=ENV)
    assert settings.server.admin_key is not None
    assert {"openai", "vllm", "azure", "claude"} == set(settings.providers)
    assert settings.providers["openai"].timeouts.connect_s == 5
    assert [budget.name for budget in settings.budgets] == ["company", "per-user", "reasoning"]
    assert settings.migrations[0].shadow is not None
    assert settings.lifecycle.margin_hours == 24
    assert settings.aliases["o4-mini"] == "auto"


def test_a_default_shown_in_a_comment_is_the_default():
    """Uncommenting a line that shows a value alone changes nothing."""
    plain, live = load(env={}), load(text=uncommented(), env=ENV)
    skip = {"admin_key"}
    for section in ("server", "lifecycle", "defaults"):
        one, two = (
            getattr(plain, section).model_dump(exclude=skip),
            getattr(live, section).model_dump(exclude=skip),
        )
        assert one == two
