"""What providers say about their models while we run: published shutdown dates, and which 404s are to be believed.

Every worker reads `GET /v1/models` of each provider whose key is ours, at start and every `lifecycle.poll_minutes`, and
once more, at most every 15 s, when a live model is answered with `model_not_found`. In passthrough mode nothing is polled:
a caller's key may not have access to what others have.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from proxy.models.lifecycle import published_dates, read_model_list
from proxy.models.missing import UNSUSPECTED, Event, Sighting, State, Verdict, is_gone, step
from proxy.models.rows import ModelRow
from proxy.nouns import Candidate
from proxy.planning.candidates import NOTHING_GONE, Gone
from proxy.upstreams.http import UpstreamError
from proxy.upstreams.providers import Provider

_LIST_TIMEOUT_S: Final = 10.0
_NEAR_S: Final = 86_400.0
"""A 404 this close to the published end is the end: clocks differ, and nobody switches off on the second."""


class ModelWatch:
    """One per worker; mutable. `published` and `missing` are what the yard plans with."""

    def __init__(
        self, clock: Callable[[], float], wall_clock: Callable[[], float], changed: Callable[[], None]
    ) -> None:
        """`clock` is monotonic; `changed` hears of new dates, so that plans are made anew."""
        self._clock = clock
        self._wall_clock = wall_clock
        self._changed = changed
        self._providers: Mapping[str, Provider] = {}
        self._rows: Mapping[str, ModelRow] = {}
        self._checks: dict[tuple[str, str], asyncio.Event] = {}
        self._sightings: dict[tuple[str, str], Sighting] = {}
        self._gone: set[tuple[str, str]] = set()
        self._by_provider: dict[str, dict[tuple[str, str], float | None]] = {}
        self.published: Mapping[tuple[str, str], float | None] = {}

    def take_up(self, providers: Mapping[str, Provider], rows: Mapping[str, ModelRow]) -> None:
        """Watch these providers and models from now on."""
        self._providers, self._rows = providers, rows
        self._by_provider = {name: dates for name, dates in self._by_provider.items() if name in providers}

    def gone(self, provider: str, model: str) -> bool:
        """Whether the provider was found to have no such model, against what its dates say."""
        return (provider, model) in self.missing()

    def missing(self) -> Gone:
        """Every (provider, model) that is gone."""
        if not self._gone:  # as nearly always
            return NOTHING_GONE
        now_s = self._clock()
        return frozenset([one for one in self._gone if is_gone(self._sightings[one], now_s)])

    async def run(self, poll_minutes: Callable[[], int]) -> None:
        """Poll until cancelled; 0 minutes: never."""
        while True:
            minutes = poll_minutes()
            if minutes:
                await self.poll()
            await asyncio.sleep(max(minutes, 1) * 60)

    async def poll(self) -> None:
        """Ask every provider once."""
        for provider in tuple(self._providers.values()):
            if not provider.passthrough:
                await self._look(provider)

    async def believed(self, candidate: Candidate, credential: str) -> bool:
        """Whether a 404 for a live model means that it is gone: by a fresh list, or because a second key got it too."""
        provider = self._providers.get(candidate.provider)
        if provider is None:
            return False
        key = (candidate.provider, candidate.model)
        under_way = self._checks.get(key)
        if under_way is not None:  # many requests meet the same end at once; one of them asks for all
            await under_way.wait()
            return self.gone(*key)
        verdict = self._step(key, Event.NOT_FOUND, credential, passthrough=provider.passthrough)
        if verdict is not Verdict.CHECK:
            return verdict is Verdict.SUCCEED
        checked = self._checks[key] = asyncio.Event()
        try:
            return await self._unlisted(provider, key, credential)
        finally:
            del self._checks[key]
            checked.set()

    async def _unlisted(self, provider: Provider, key: tuple[str, str], credential: str) -> bool:
        """Whether a fresh list of the same credential lacks the model, or dates its end."""
        listed = await self._look(provider)
        if listed is None:
            return False
        ends = [listed[name] for name in self._names(key[1]) if name in listed]
        named = any(end is None or end > self._wall_clock() + _NEAR_S for end in ends)
        return self._step(key, Event.LISTED if named else Event.UNLISTED, credential) is Verdict.SUCCEED

    def _names(self, model: str) -> tuple[str, ...]:
        row = self._rows.get(model)
        return row.names if row is not None else (model,)

    def _step(
        self, key: tuple[str, str], event: Event, credential: str, *, passthrough: bool = False
    ) -> Verdict:
        before = self._sightings.get(key, UNSUSPECTED)
        after, verdict = step(before, event, self._clock(), credential, passthrough=passthrough)
        self._sightings[key] = after
        if after.state is State.GONE:
            self._gone.add(key)
        else:
            self._gone.discard(key)
        return verdict

    async def _look(self, provider: Provider) -> Mapping[str, float | None] | None:
        """One provider's list; None when it could not be had, which says nothing about its models."""
        try:
            listed = read_model_list(await provider.list_models(_LIST_TIMEOUT_S))
        except (UpstreamError, ValueError):
            return None
        dates = published_dates(provider.name, listed, self._rows)
        if dates != self._by_provider.get(provider.name, {}):
            self._by_provider[provider.name] = dates
            self.published = {key: end for found in self._by_provider.values() for key, end in found.items()}
            self._changed()
        return listed
