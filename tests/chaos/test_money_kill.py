"""R4: kill -9 with calls in flight, a hundred times."""

import asyncio
import os
import random

import pytest

from proxy.store.client import connected
from tests.chaos.money_kit import housekeeping, town

pytestmark = pytest.mark.chaos

KILLS = int(os.environ.get("SWITCHYARD_KILLS", "100"))
LEASE_S = 2.0


def still_open(lines):
    """Holds that may have been open: not settled, or settled so shortly before that nobody had been told."""
    opened = {words[1]: int(words[2]) for words in lines if words[0] == "opened" and len(words) == 3}
    settled = [words[1] for words in lines if words[0] == "settled" and len(words) == 2]
    told = set(settled[:-50])
    return [amount for hold, amount in opened.items() if hold not in told]


def test_a_killed_process_leaves_no_money_untold_and_none_held():
    """truth <= ledger <= truth + holds open at the kills; held returns to 0 within lease + 5 s, without traffic."""
    rng = random.Random(4)

    async def scenario():
        async with town() as place, housekeeping(place), connected(place.server.url) as pipe:
            open_at_kills = 0
            for _ in range(KILLS):
                process = place.spender(
                    limit=9 * 10**15, most=10**6, callers=50, lease_s=LEASE_S, answer_s=0.3
                )
                await asyncio.sleep(0.2 + rng.random() * 0.4)
                open_at_kills += sum(still_open(await asyncio.to_thread(process.kill)))
            took_s = await place.until_quiet(pipe, LEASE_S + 5)
            spent, held, unset = await place.counter(pipe)
            print(
                f"{KILLS} kills: truth {place.truth} <= ledger {spent} (unsettled {unset}); held 0 after {took_s:.1f} s"
            )
            assert place.truth <= spent <= place.truth + open_at_kills
            assert (held, unset > 0) == (0, True)

    asyncio.run(scenario())
