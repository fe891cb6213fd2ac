"""What a provider was found to have no more is missing until it is found again, or for five minutes."""

import asyncio

from house_kit import Home

from proxy.models.missing import MEMORY_S
from proxy.nouns import Candidate, Reason
from proxy.planning.candidates import NOTHING_GONE
from proxy.watch import ModelWatch

GONE = Candidate("gpt-4.1-mini", "openai", Reason.PINNED)


def test_what_is_missing_is_forgotten_after_five_minutes():
    """Two credentials got a 404, and no list can be had that says otherwise. Afterwards it counts as if nothing had been."""

    async def main():
        now = [1_000.0]
        watch = ModelWatch(lambda: now[0], lambda: 0.0, lambda: None)
        watch.take_up(Home("http://127.0.0.1:1").house.providers, {})
        assert watch.missing() is NOTHING_GONE
        assert not await watch.believed(GONE, "one")
        assert watch.missing() == NOTHING_GONE
        assert await watch.believed(GONE, "another")
        assert watch.missing() == {("openai", "gpt-4.1-mini")}
        assert watch.gone("openai", "gpt-4.1-mini")
        now[0] += MEMORY_S - 1
        assert watch.missing()
        now[0] += 1
        assert watch.missing() == NOTHING_GONE
        assert not watch.gone("openai", "gpt-4.1-mini")
        assert not await watch.believed(GONE, "one"), "one credential proves nothing again"
        assert watch.missing() == NOTHING_GONE

    asyncio.run(main())
