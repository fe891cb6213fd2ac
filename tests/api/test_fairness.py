"""One tenant cannot starve others: shares of a busy house, and room kept for who comes new."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.api.fairness import may_have
from proxy.api.guard import Gate
from proxy.errors import RateLimited


def test_up_to_half_full_nobody_is_counted() -> None:
    """A quiet house is anybody's."""
    assert may_have(mine=8, keys=8, inside=8, most=16)
    assert not may_have(mine=9, keys=2, inside=9, most=16)


def test_a_tenant_alone_may_have_all_but_the_reserve() -> None:
    """Seven eighths; the rest is for who comes new."""
    assert may_have(mine=14, keys=1, inside=14, most=16)
    assert not may_have(mine=15, keys=1, inside=15, most=16)


@given(
    st.lists(st.tuples(st.sampled_from([0, 0, 0, 0, 1, 1, 2]), st.booleans()), max_size=300),
    st.integers(24, 48),
)
def test_a_newcomer_always_finds_a_place(steps, most) -> None:
    """Whatever three keys do, a fourth one gets in, and the counts return to zero."""
    gate = Gate(most, 1000)
    inside: list = []
    for key, leaves in steps:
        if leaves and len(inside) % 3 == 0 and inside:
            inside.pop(0).close()
            continue
        ticket = gate.enter()
        try:
            ticket.claim(b"key %d" % key)
            inside.append(ticket)
        except RateLimited:
            ticket.close()
        with gate.enter() as newcomer:
            newcomer.claim(b"newcomer")
    for ticket in inside:
        ticket.close()
    assert (gate.requests, gate.keys) == (0, {})


def test_over_its_share_a_key_is_told_to_come_back() -> None:
    """A 429 as OpenAI's, with `retry-after`; the other key is served meanwhile."""
    gate = Gate(16, 1000)
    for _ in range(14):
        gate.enter().claim(b"greedy")
    with gate.enter() as ticket, pytest.raises(RateLimited) as refusal:
        ticket.claim(b"greedy")
    assert refusal.value.code == "rate_limit_exceeded"
    assert (b"retry-after", b"1") in refusal.value.headers()
    gate.enter().claim(b"modest")
    gate.enter().claim(b"another")
    assert gate.requests == 16
