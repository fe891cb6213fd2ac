"""Ends of models: whose date counts, from which second on, and what callers are told."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.models.catalogue import SHIPPED_PATH, Catalogue, load
from proxy.models.lifecycle import (
    days_left,
    is_retired,
    published_dates,
    read_model_list,
    shutdown_of,
    sunset_headers,
    warning,
)
from proxy.models.rowreader import day

CATALOGUE = load()
ROWS = {row.name: row for row in CATALOGUE}
O4, MINI, LUNA = CATALOGUE.get("o4-mini"), CATALOGUE.get("gpt-4.1-mini"), CATALOGUE.get("gpt-6-luna")


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_a_model_ends_a_margin_before_its_day():
    """24 hours by default: nobody's request meets the last minute."""
    first = at("2027-01-13T00:00:00")
    assert not is_retired(MINI, "openai", first - 1, margin_hours=24, published={})
    assert is_retired(MINI, "openai", first, margin_hours=24, published={})
    assert not is_retired(MINI, "openai", first, margin_hours=0, published={})
    assert not is_retired(LUNA, "openai", at("2036-01-01"), margin_hours=24, published={})


def test_a_published_date_wins_over_the_catalogue_and_the_operator_over_both():
    """YAML of the operator, then the provider's list, then the shipped file."""
    published = {("openai", "gpt-4.1-mini"): day("2027-03-01"), ("openai", "o3"): None}
    assert shutdown_of(MINI, "openai", published) == day("2027-03-01")
    assert shutdown_of(MINI, "other", published) == MINI.shutdown
    assert shutdown_of(CATALOGUE.get("o3"), "openai", published) is None
    text = SHIPPED_PATH.read_text(encoding="utf-8")
    pinned = Catalogue.build(text, {"gpt-4.1-mini": {"shutdown": "2027-02-02"}}).get("gpt-4.1-mini")
    assert shutdown_of(pinned, "openai", published) == day("2027-02-02")


def test_openais_dates_do_not_end_a_model_at_another_kind_of_provider():
    """Azure keeps its own calendar."""
    assert shutdown_of(O4, "azure-eu", {}, "azure") is None


def test_the_headers_are_those_of_the_design():
    """Sunset is the true day; Deprecation the day it was announced; Link the successor."""
    assert sunset_headers(O4, O4.shutdown, "gpt-6.1-terra") == (
        (b"sunset", b"Fri, 23 Oct 2026 00:00:00 GMT"),
        (b"deprecation", b"@1776816000"),
        (b"link", b'</v1/models/gpt-6.1-terra>; rel="successor-version"'),
    )
    assert sunset_headers(LUNA, None) == ()
    unannounced = CATALOGUE.get("gpt-5.1")
    assert [name for name, _ in sunset_headers(unannounced, unannounced.shutdown)] == [b"sunset"]


@pytest.mark.parametrize(
    ("now", "left", "warned"),
    [
        ("2026-11-20", 55, None), ("2026-12-15", 30, 30), ("2026-12-31", 14, 14), ("2027-01-07", 7, 7),
        ("2027-01-12T12:00:00", 2, 7), ("2027-01-13", 1, 1), ("2027-01-13T23:59:59", 1, 1), ("2027-01-14", 0, 0),
        ("2027-02-14", -31, 0),
    ],
)  # fmt: skip
def test_days_left_and_warnings(now, left, warned):
    """A begun day counts as one; the warning changes at 30, 14, 7, 1 and when it has ended."""
    days = days_left(MINI.shutdown, at(now))
    assert (days, warning(days)) == (left, warned)


def test_no_end_is_no_warning():
    """None stays None."""
    assert (days_left(None, 0), warning(None)) == (None, None)


def test_a_providers_list_is_read_by_catalogue_name():
    """The model's own entry counts before its snapshots; the last snapshot to end decides."""
    body = msgspec.json.encode(
        {"data": [{"id": "o4-mini", "shutdown_date": "2026-10-23"}, {"id": "gpt-4o-2024-08-06", "shutdown_date": "2027-01-14"},
                  {"id": "gpt-4o-2024-11-20", "shutdown_date": "2027-02-14"}, {"id": "gpt-6-luna", "shutdown_date": None},
                  {"id": "odd", "shutdown_date": "soon"}, {"id": 3}, "x"]}
    )  # fmt: skip
    dates = published_dates("p", read_model_list(body), ROWS)
    assert dates == {
        ("p", "o4-mini"): day("2026-10-23"),
        ("p", "gpt-4o"): day("2027-02-14"),
        ("p", "gpt-6-luna"): None,
    }


def test_a_provider_that_dates_nothing_says_nothing():
    """Nulls of a gateway that never dates its models do not bring ours back to life."""
    assert published_dates("p", {"o4-mini": None, "gpt-6-luna": None}, ROWS) == {}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"data": []}', b'{"data": 3}', b"<html>"])
def test_an_outage_is_not_a_list_without_models(body):
    """Otherwise one bad answer would retire everything."""
    with pytest.raises(ValueError, match="not a model list"):
        read_model_list(body)


@given(st.floats(0, 4e9), st.floats(0, 100))
def test_a_retired_model_stays_retired(now, margin_hours):
    """There is one moment, and no way back with the same dates."""
    if is_retired(MINI, "openai", now, margin_hours=margin_hours, published={}):
        assert is_retired(MINI, "openai", now + 1, margin_hours=margin_hours, published={})
