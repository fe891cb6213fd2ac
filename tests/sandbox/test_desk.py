"""The desk: the day it believes in, and requests that are no JSON."""

from datetime import date

import pytest

from proxy.sandbox import SandboxConfig
from proxy.sandbox.catalogue import MODELS
from proxy.sandbox.desk import Desk, Request
from proxy.sandbox.refusals import Refusal
from tests.sandbox.kit import NOW

DAY_S = 86_400


def test_the_day_follows_the_clock_unless_it_is_set():
    """Injected seconds, UTC."""
    clock = [NOW]
    desk = Desk(SandboxConfig(), lambda: clock[0])
    assert desk.today() == date(2026, 11, 18)
    assert not desk.retired(MODELS["gpt-5-mini"])
    clock[0] += 30 * DAY_S
    assert desk.retired(MODELS["gpt-5-mini"])
    desk.control.change({"today": "2026-01-01"})
    assert not desk.retired(MODELS["o4-mini"])


@pytest.mark.parametrize(("query", "number"), [("", 20), ("limit=3", 3), ("a=b&limit=4", 4)])
def test_numbers_are_read_from_the_query(query, number):
    """With a default."""
    assert Request("GET", "/", query, {}, b"").number("limit", 20) == number


@pytest.mark.parametrize("query", ["limit=x", "limit=-1", "limit=1.5"])
def test_what_is_no_number_is_refused(query):
    """400, not a crash."""
    with pytest.raises(Refusal):
        Request("GET", "/", query, {}, b"").number("limit", 20)


@pytest.mark.parametrize("name", [None, 5])
def test_a_model_must_be_named_by_a_string(name):
    """Each endpoint in its own words."""
    desk = Desk(SandboxConfig(), lambda: NOW)
    for path in ("/v1/chat/completions", "/v1/responses"):
        with pytest.raises(Refusal) as refused:
            desk.model(Request("POST", path, "", {}, b"{}"), name)
        assert refused.value.status == 400
