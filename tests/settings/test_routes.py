"""Candidates of a route."""

from proxy.routing.tasks import TASKS as CLASSIFIED
from proxy.settings import TASKS, load


def names(targets):
    return [str(target) for target in targets]


def test_the_most_exact_list_wins():
    """Difficulty, then the task's default, then the route's default."""
    text = "routes: {r: {default: [d], tasks: {code: {hard: [h], default: [c]}, math: {easy: [e@low]}, chat: [t]}}}"
    route = load(text=text, env={}).routes["r"]
    assert names(route.candidates("code", "hard")) == ["h"]
    assert names(route.candidates("code", "easy")) == names(route.candidates("code")) == ["c"]
    assert names(route.candidates("math", "easy")) == ["e@low"]
    assert names(route.candidates("math", "hard")) == ["d"]
    assert names(route.candidates("chat", "hard")) == ["t"]
    assert names(route.candidates("vision")) == names(route.candidates("no such task")) == ["d"]


def test_tasks_are_those_the_classifier_answers():
    """The two rooms may not import each other; this test does."""
    assert TASKS == CLASSIFIED
