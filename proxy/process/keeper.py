"""The parent's side of the store: where Redis is, the housekeeping of one leader among the replicas, the totals of a scrape."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from proxy.app.blueprint import Blueprint
from proxy.app.book import build_book
from proxy.app.configuration import Configuration, with_run_time
from proxy.budgets.scopes import Book, Counter
from proxy.metrics.log import Log
from proxy.metrics.recorder import Recorder
from proxy.metrics.totals import BudgetTotals, LedgerTotals
from proxy.migration.roads import States, newest
from proxy.settings import Limits
from proxy.store.accounts import POLL_S, Accounts, RunTime
from proxy.store.client import Pipe, StoreAway, connected
from proxy.store.embedded import DIRECTORY, EmbeddedError, EmbeddedServer
from proxy.store.housekeeping import Housekeeping
from proxy.store.migrations import give_back, read_states
from proxy.store.ports import Standing
from proxy.store.rollups import sums
from proxy.store.server_check import check_server, why_away
from proxy.store.states import BudgetState, budget_states, standings

_LOOK_EVERY_S: Final = 1.0
_AGAIN_AFTER_S: Final = 5.0
_WHY_S: Final = 1.0
_LOOK_S: Final = 0.5
"""How long somebody is kept waiting for what was changed last, should Redis hang."""


class StoreKeeper:
    """Finds or starts the store before the workers, looks after it while they run, stops it after them.

    `why_not` says why there is none, `warnings` what an operator should know of the one there is.
    """

    def __init__(self) -> None:
        self._embedded = EmbeddedServer()
        self._housekeeping: Housekeeping | None = None
        self._accounts: Accounts | None = None
        self._configuration: Configuration | None = None
        self._merged: Configuration | None = None
        self._run_time = RunTime()
        self._lost = False
        self._book = Book((), {})
        self.url = ""
        self.why_not = ""
        self.warnings: list[str] = []

    async def start(self, configuration: Configuration) -> str:
        """The URL of the configured Redis, else of the embedded one; `""` where none can be had and nothing needs one.

        Raises EmbeddedError when budgets, limits or migrations are configured and nobody can keep them, UnfitServer when the server
        must not be trusted with money.
        """
        self.take_up(configuration)
        self.url = await self._found_or_started(configuration)
        if self.url:
            await self._check()
            self._housekeeping = Housekeeping(
                self.url, DIRECTORY, wall_clock=time.time, new_id=lambda: secrets.token_hex(8)
            )
            self._accounts = Accounts(self._housekeeping.pipe, self._changed)
        return self.url

    def take_up(self, configuration: Configuration) -> None:
        """Watch the budgets of this configuration from now on."""
        self._configuration = configuration
        merged, _ = with_run_time(configuration, self._run_time)
        self._merged = merged
        book = build_book(merged.settings, self._run_time)
        # Of the budgets of users there may be thousands; `switchyard budgets` shows them.
        self._book = Book([each for each in book.budgets if each.scope != "user"], {})

    def last_copy(self, blueprint: Blueprint) -> Blueprint:
        """The blueprint for a new worker: with what operators changed, should Redis be away when it starts."""
        return blueprint.knowing(self._run_time)

    async def run(self, recorder: Recorder, log: Log) -> None:
        """Look after the store until cancelled."""
        if self._housekeeping is None:
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_house(self._housekeeping, log))
            tasks.create_task(self._follow(self._housekeeping.pipe))
            tasks.create_task(self._watch(self._housekeeping, recorder, log))

    async def stop(self) -> None:
        """Stop the embedded server if it is ours; its data is written first."""
        await self._embedded.stop()

    async def look(self) -> None:
        """Take up what operators changed, now: who was told that it is done must not be shown what was before."""
        if self._accounts is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._accounts.poll()

    async def totals(self) -> LedgerTotals | None:
        """What the ledger has counted, for a scrape; None while Redis does not answer."""
        if self._housekeeping is None:
            return LedgerTotals()
        await self.look()
        pipe = self._housekeeping.pipe
        try:
            added = await sums(pipe)
            states = await budget_states(pipe, self._book)
        except StoreAway:
            return None
        return LedgerTotals(
            added.cost_nano, added.key_cost_nano, added.tokens, tuple([_totals(state) for state in states])
        )

    async def standings(self, counters: Sequence[Counter]) -> list[Standing]:
        """Counters as they are now; [] while Redis does not answer."""
        if self._housekeeping is None:
            return []
        try:
            return await standings(self._housekeeping.pipe, counters)
        except StoreAway:
            return []

    @property
    def pipe(self) -> Pipe | None:
        """The connection of the parent; None where there is no store."""
        return self._housekeeping.pipe if self._housekeeping is not None else None

    @property
    def configuration(self) -> Configuration:
        """The configuration with the keys made at run time."""
        assert self._merged is not None, "start comes first"
        return self._merged

    @property
    def states(self) -> States:
        """Where migrations stand, by the last copy."""
        return self._run_time.migrations

    async def run_time_now(self) -> RunTime:
        """What operators changed, up to now; as far as the last copy knows while Redis does not answer."""
        await self.look()
        return self._run_time

    @property
    def book(self) -> Book:
        """The budgets in force, those of users left out."""
        return self._book

    @property
    def is_leader(self) -> bool:
        """Whether this replica does what only one of them should do."""
        return self._housekeeping is not None and self._housekeeping.is_leader

    async def _found_or_started(self, configuration: Configuration) -> str:
        settings = configuration.settings
        if settings.redis.url is not None:
            return settings.redis.url.get_secret_value()
        try:
            await self._embedded.start()
        except EmbeddedError as error:
            if (
                settings.has_budgets()
                or settings.migrations
                or any(key.limits != Limits() for key in settings.keys)
            ):
                raise
            self.why_not = str(error)
            return ""
        return self._embedded.url

    async def _check(self) -> None:
        try:
            async with connected(self.url) as pipe:
                self.warnings += await check_server(pipe)
        except StoreAway:
            why = await why_away(self.url, timeout_s=_WHY_S)
            self.warnings.append(
                f"Redis does not answer ({why}); what is under a budget or a limit is refused until it does"
            )

    async def _follow(self, pipe: Pipe) -> None:
        """Keep the copy of what operators change, and give the store back what it has lost of migrations."""
        while True:
            await self.look()
            if self._lost:
                self._lost = False  # before it is given back: meanwhile somebody may find that more is lost
                try:
                    await give_back(pipe, self.states, await read_states(pipe), time.time())
                except StoreAway:
                    self._lost = True
            await asyncio.sleep(POLL_S)

    async def _keep_house(self, housekeeping: Housekeeping, log: Log) -> None:
        while True:
            try:
                await housekeeping.run()
            except OSError as error:
                # A disk without room for a snapshot must not end the parent, and with it the workers.
                log.event("housekeeping_failed", "error", why=str(error), again_in_s=_AGAIN_AFTER_S)
            await asyncio.sleep(_AGAIN_AFTER_S)

    async def _watch(self, housekeeping: Housekeeping, recorder: Recorder, log: Log) -> None:
        """Tell the metrics how Redis is, and start the embedded server again should it have died."""
        told = 0
        while True:
            recorder.unsettled(housekeeping.charged - told)
            told = housekeeping.charged
            recorder.redis(up=not housekeeping.pipe.away)
            if housekeeping.pipe.away and self._embedded.owned and await self._is_gone():
                try:
                    await self._embedded.ensure()
                except EmbeddedError as error:
                    log.event("embedded_store_down", "error", why=str(error))
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _is_gone(self) -> bool:
        """Whether nobody listens any more. A server that is only slow still does, and is not to be waited for here."""
        try:
            _, writer = await asyncio.open_unix_connection(self.url.removeprefix("unix://"))
        except OSError:
            return True
        writer.close()
        return False

    def _changed(self, found: RunTime) -> None:
        """Of migrations the later copy stands: a store that lost its data is given back what it had."""
        states = newest(self._run_time.migrations, found.migrations)
        self._lost = states != found.migrations
        self._run_time = replace(found, migrations=states)
        if self._configuration is not None:
            self.take_up(self._configuration)


def _totals(state: BudgetState) -> BudgetTotals:
    return BudgetTotals(
        name=state.budget.name,
        scope=state.budget.scope,
        window=state.budget.per,
        limit_nano=state.limit_nano,
        spent_nano=state.spent_nano,
        held_nano=state.held_nano,
        resets_at=state.window.end,
    )
