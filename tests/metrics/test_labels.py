"""Which label values exist."""

import inspect

import pytest

from proxy import errors
from proxy.metrics import labels
from proxy.metrics.labels import Snapshots, Vocabulary, change_label, error_label, refusal_label, status_label
from proxy.nouns import Endpoint, Reason

NAMES = Vocabulary(models=frozenset({"o4-mini"}))


def test_every_refusal_of_ours_has_a_label_by_code_and_by_class():
    """No error in proxy/errors.py is `other`."""
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.ApiError)]
    for kind in set(classes) - {errors.ApiError}:
        assert refusal_label(kind.__name__) != labels.OTHER, kind
        assert kind.default_code is None or refusal_label(kind.default_code) == kind.default_code
    assert refusal_label("") == refusal_label("x" * 100_000) == refusal_label("café") == labels.OTHER


@pytest.mark.parametrize(
    ("error", "label"),
    [
        ("", ""),
        ("overloaded:503", "overloaded"),
        ("our_key:insufficient_quota", "our_key"),
        ("caller:made up by an upstream\n", "caller"),
        ("ConnectTimeout", "connect_timeout"),
        ("ConnectionCut", "connection_cut"),
        ("rate_limit_exceeded", "rate_limit_exceeded"),
        ("anything else", "other"),
    ],
)
def test_an_error_is_its_kind_without_detail(error, label):
    """Details after a colon and class names become one closed word."""
    assert error_label(error) == label


@pytest.mark.parametrize(
    ("change", "label"),
    [
        ("max_tokens->max_completion_tokens", "max_tokens"),
        ("stop:emulated", "stop"),
        ("cap:100000->4096", "cap"),
        ("reasoning_effort:high->medium", "reasoning_effort"),
        ("evil\n", "other"),
        ("", "other"),
        ("→", "other"),
    ],
)
def test_a_change_is_the_field_it_begins_with(change, label):
    """Values after the field's name never reach a label."""
    assert change_label(change, NAMES) == label


def test_statuses_endpoints_and_reasons_are_closed_lists():
    """Known ones pass, the rest are `other`."""
    assert [status_label(s) for s in (200, 499, 529, 599, -1, 10**30)] == [
        "200",
        "499",
        "529",
        "other",
        "other",
        "other",
    ]
    assert {e.value for e in Endpoint} == labels.ENDPOINTS and {r.value for r in Reason} == labels.REASONS


def test_snapshots_are_known_names_with_a_date():
    """A dated spelling passes for a known model only."""
    snapshots = Snapshots()
    given = (
        "",
        "o4-mini",
        "o4-mini-2025-04-16",
        "o5-mini-2025-04-16",
        "o4-mini-2025-04-16x",
        "o4-mini-２025-04-16",
    )
    assert [snapshots.label(name, NAMES) for name in given] == [
        "",
        "o4-mini",
        "o4-mini-2025-04-16",
        *["other"] * 3,
    ]
