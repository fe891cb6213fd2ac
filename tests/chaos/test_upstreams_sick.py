"""A provider that fails everything, in each way it can, while another is well: who answers, and how often the sick one is
asked. Figures are printed (`-s`)."""

import concurrent.futures
import time

import pytest
from town import PROVIDER_KEY, proxy, sandbox

from tests.test_sick_upstreams import CONFIG, chat

pytestmark = pytest.mark.chaos

REQUESTS = 400
CLOSED = "http://127.0.0.1:9"


@pytest.fixture
def town():
    with sandbox() as a, sandbox() as b:
        config = CONFIG.format(a=a.url, b=b.url, gone=CLOSED)
        with proxy(None, config, {"OPENAI_API_KEY": PROVIDER_KEY}) as door:
            yield a, b, door


def ask(door, number, model):
    began = time.perf_counter()
    status = chat(door, f"request {number}", model=model)[0]
    return status, time.perf_counter() - began


@pytest.mark.parametrize("sickness", ["500", "429", "hang", "refuse"])
def test_everything_is_answered_and_the_sick_one_is_left_alone(town, sickness):
    """All requests are answered by the other; the sick deployment is asked by those already under way and by few more."""
    a, b, door = town
    model = "gpt-4o-mini" if sickness == "refuse" else "gpt-4.1-mini"
    if sickness != "refuse":
        a.fault({"action": sickness})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda number: ask(door, number, model), range(REQUESTS)))
    answered = sum(status == 200 for status, _ in seen)
    asked = len(a.calls())
    print(
        f"\n{sickness}: {answered}/{REQUESTS} answered, the sick one asked {asked} times, {len(b.calls())} the other"
    )
    assert answered == REQUESTS
    assert len(b.calls()) == REQUESTS
    assert asked <= 5 + 8 + REQUESTS * 0.1


def test_an_open_breaker_lets_one_probe_through_after_its_pause(town):
    """For thirty seconds nobody asks the sick one, then one request does; once it is well it answers again."""
    a, _, door = town
    a.fault({"action": "500"})
    for number in range(8):
        assert ask(door, number, "gpt-4.1-mini")[0] == 200
    opened, at_open = time.monotonic(), len(a.calls())
    while time.monotonic() - opened < 28:
        assert ask(door, 100, "gpt-4.1-mini")[0] == 200
        time.sleep(0.2)
    assert len(a.calls()) == at_open
    while time.monotonic() - opened < 33:
        assert ask(door, 100, "gpt-4.1-mini")[0] == 200
        time.sleep(0.1)
    assert len(a.calls()) - at_open <= 2
    a.forget()
    while time.monotonic() - opened < 65 and not a.calls():
        assert ask(door, 100, "gpt-4.1-mini")[0] == 200
        time.sleep(0.2)
    door.wait_for(lambda line: line.get("event") == "breaker" and line["state"] == "closed")
    before = len(a.calls())
    for number in range(5):
        ask(door, number, "gpt-4.1-mini")
    assert len(a.calls()) - before == 5


def test_the_sick_one_alone_is_asked_hardly_more_than_it_was_called(town):
    """Without anybody to fall back to, retries stay a tenth of the traffic."""
    a, _, door = town
    a.fault({"action": "500"})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda number: ask(door, number, "a/gpt-4.1-mini"), range(300)))
    assert {status for status, _ in seen} == {500}
    print(f"\nretries {len(a.calls()) - 300} of 300")
    assert len(a.calls()) <= 300 * 1.1 + 10
