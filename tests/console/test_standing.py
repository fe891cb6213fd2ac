"""Budgets, models and migrations as they stand: the fullest and the soonest on top."""

import pytest

from proxy.app import Blueprint, read_configuration
from proxy.budgets.scopes import Budget
from proxy.budgets.windows import NEVER, Window
from proxy.console import standing
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


def test_without_migrations_there_are_none(shipped):
    """The page says so instead of showing an empty table."""
    assert standing.migrations(shipped.settings, lambda _: {}) == []
