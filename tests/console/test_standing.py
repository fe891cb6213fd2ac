"""Budgets, models and migrations as they stand: the fullest and the soonest on top."""

from dataclasses import replace

import pytest

from proxy.app.blueprint import Blueprint
from proxy.app.configuration import read_configuration
from proxy.budgets.scopes import Budget
from proxy.budgets.windows import NEVER, Window
from proxy.console import standing
from proxy.migration.comparison import Seen, columns
from proxy.migration.guards import GuardVerdict, Judgement, Measure
from proxy.migration.state import State, Status
from proxy.settings import models_named
from proxy.store.states import BudgetState

NOW = 1795219200.0
"""2026-11-21."""


@pytest.fixture(scope="module")
def shipped():
    return read_configuration(Blueprint(), {})


def state(name, spent, end=1796083200):
    budget = Budget(name, "global", 100, "month")
    return BudgetState(budget, f"b:{name}", f"c:{name}", Window(0, end), 100, spent, 5, 0)


def test_the_fullest_budget_comes_first_and_an_endless_one_never_resets():
    """What is about to refuse somebody is seen without scrolling."""
    shown = standing.budgets([state("calm", 10), state("tight", 90), state("once", 50, NEVER)])
    assert [each["name"] for each in shown] == ["tight", "once", "calm"]
    assert [each["left"] for each in shown] == [5, 45, 85]
    assert shown[1]["resets_at"] is None


def test_a_called_model_with_an_end_comes_before_all_others(shipped):
    """Ended ones that are still asked for first, then by days left; what nobody calls and nobody wrote down only when
    its end is near."""
    called = {"o4-mini": {"web": 3}, "gpt-4.1": {"web": 1, "lab": 7}, "gpt-6-luna": {"web": 9}}
    shown = standing.models(
        shipped.settings, shipped.catalogue, called, set(models_named(shipped.settings)), NOW
    )
    names = [each["name"] for each in shown]
    assert names[:2] == ["o4-mini", "gpt-4.1"]
    first, second = shown[:2]
    assert first["ended"] and first["successor"] == "gpt-6.1-terra@medium" and first["configured"]
    assert second["callers"] == [{"key": "lab", "requests": 7}, {"key": "web", "requests": 1}]
    assert second["days_left"] == 54
    assert all(each["days_left"] <= 30 for each in shown if not each["requests"] and not each["configured"])


def test_a_model_with_many_callers_names_the_busiest(shipped):
    """Two thousand keys do not make a cell of two thousand names."""
    keys = {f"key-{n:04}": n for n in range(2000)}
    shown = standing.models(shipped.settings, shipped.catalogue, {"gpt-6-luna": keys}, set(), NOW)
    luna = next(each for each in shown if each["name"] == "gpt-6-luna")
    assert (
        len(luna["callers"]) == 6 and luna["more_callers"] == 1994 and luna["callers"][0]["key"] == "key-1999"
    )


def test_a_migration_shows_who_moved_it_and_what_comes_next():
    """The same as `migrate status`: the next stage, when it may come at the earliest, and the last step with who and why."""
    text = "migrations: [{name: leave, from: gpt-4.1-mini, to: gpt-6-luna@none, stages: [5, 100], sticky: user, hold_hours: 2}]"
    (settings,) = read_configuration(Blueprint("switchyard.yaml", text), {}).settings.migrations
    state = State(
        "leave", "gpt-4.1-mini", "gpt-6-luna@none", (5, 100), Status.RUNNING, since=NOW, changed=NOW, who="me@desk", why="go"
    )  # fmt: skip
    shown = standing.migration(settings, state, (), Judgement((), ready=False, why="", verdicts=()))
    assert (shown["next"], shown["not_before"], shown["sticky"]) == (100, NOW + 7200, "user")
    assert (shown["who"], shown["why"], shown["changed"]) == ("me@desk", "go", NOW)


def test_a_migration_shows_both_sides_and_what_each_guard_says():
    """Figures of the share measured last; a guard over a single task is left to the report."""
    configuration = read_configuration(
        Blueprint("switchyard.yaml", "migrations: [{name: leave, from: gpt-4.1-mini, to: gpt-6-luna@none}]"),
        {},
    )
    (settings,) = configuration.settings.migrations
    state = State("leave", "gpt-4.1-mini", "gpt-6-luna@none", (1, 100), Status.ROLLED_BACK, why="odd answers")
    counts = {
        ("new", "", "calls"): 4,
        ("new", "", "drawn"): 4,
        ("new", "", "failed"): 1,
        ("new", "", "invalid:json"): 1,
        ("new", "", "first:0"): 3,
    }
    guard = GuardVerdict(
        Measure.FAILED, "", 0.01, 0.2, 0.18, 0.1, 0.3, breached=True, near=True, judged=True, units=(90, 80),
        calls=(900, 800), needed_units=50, needed_calls=500,
    )  # fmt: skip
    by_task = replace(guard, task="code")
    judgement = Judgement((guard,), ready=False, why="failed", verdicts=(guard, by_task))
    shown = standing.migration(settings, state, columns(Seen(counts)), judgement)
    assert (shown["status"], shown["percent"], shown["why"]) == ("rolled back", 0, "odd answers")
    assert (shown["next"], shown["not_before"], shown["sticky"]) == (None, None, "user")
    (side,) = shown["sides"]
    assert (side["model"], side["calls"], side["failed"], side["invalid"]) == ("gpt-6-luna@none", 4, 0.25, 1)
    assert side["first_p95_ms"] == pytest.approx(1.0)
    assert side["cost"] is None
    assert [(each["says"], each["units"], each["calls"]) for each in shown["guards"]] == [
        ("breached", 170, [900, 800])
    ]
