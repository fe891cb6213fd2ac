"""R1 over processes: two replicas with two workers each against one dollar."""

import asyncio
import collections
import functools
import operator

import pytest

from proxy.store.client import connected
from tests.chaos.money_kit import town

pytestmark = pytest.mark.chaos


def test_four_processes_of_many_callers_spend_no_nano_too_much():
    """1,000 callers in 4 processes, random costs, $1.00 strict: overspend 0, ledger = truth, held 0, all four got some."""

    async def scenario():
        async with town() as place:
            for _ in range(4):
                place.spender(callers=250, calls=4, seconds=60)
            lines = await place.ended()
            async with connected(place.server.url) as pipe:
                spent, held, unset = await place.counter(pipe)
            kinds = collections.Counter(
                words[1] for words in functools.reduce(operator.iadd, lines, []) if words[0] == "refused"
            )
            print(f"truth {place.truth} ledger {spent} of {10**9}; refusals {dict(kinds)}")
            assert place.truth == spent <= 10**9
            assert (held, unset) == (0, 0)
            assert spent >= 0.98 * 10**9
            assert all("settled" in {words[0] for words in out} for out in lines)

    asyncio.run(scenario())
