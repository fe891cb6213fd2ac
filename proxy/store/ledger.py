"""The money of one request: held before it is sent, settled after it is answered, in Redis or, failing that, in a journal.

    hold life:   open → settled | released | expired → settled (trued up)

`hold` is the one awaited round trip before a provider is called. `settle` and `release` never wait. `run` does the rest:
sends, renews leases, enters bills, replays the journal, notices a lost epoch. A request without counters touches no Redis
before it is sent and still gets its ledger row.

While Redis is away: a request whose hold was not answered in time is refused within 250 ms (503), or goes ahead on the allowance
of its budgets if all of them allow it; its hold is released by id later, so that one that arrives late is given back. A
request that only rates count goes ahead: they protect providers, not money.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from msgspec import Raw

from proxy.budgets.holds import granted
from proxy.budgets.scopes import Counter
from proxy.errors import ApiError
from proxy.nouns import Hold, LedgerRow
from proxy.store import keys, refusals
from proxy.store.client import Pipe, StoreAway, StoreRefused, StoreUnsent, Word, meanwhile
from proxy.store.epoch import Epoch
from proxy.store.journal import Journal
from proxy.store.openholds import OpenHolds, Standings
from proxy.store.outage import Allowances
from proxy.store.ports import Grant, HoldRequest, Settlement
from proxy.store.scripts import HOLD, RELEASE, RENEW
from proxy.store.snapshot import known_epoch
from proxy.store.taking import Places, Taking
from proxy.store.writer import BATCH, Writer, enter

HOLD_TIMEOUT_S: Final = 0.2
"""Less than the 250 ms within which a caller is told: a busy process looks at its timers late."""
_BULK_TIMEOUT_S: Final = 2.0
_TICK_S: Final = 0.5
_LOOK_EVERY_TICKS: Final = 4
_RENEW_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class LedgerOptions:
    """`lease_s`: how long a hold lives without being renewed. `most_new_users`: per key and day; the rest share a bucket.
    `directory` is where journals and snapshots are."""

    directory: Path = Path(".switchyard")
    lease_s: float = 30.0
    hold_timeout_s: float = HOLD_TIMEOUT_S
    most_new_users: int = 10_000


class Ledger:
    """One per worker process. `await start()`, then keep `run()` running until after `close()`."""

    def __init__(
        self,
        url: str,
        options: LedgerOptions,
        *,
        wall_clock: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        """`new_id` returns 16 or so random letters and digits, never the same twice."""
        self._options = options
        self._lease_ms = int(options.lease_s * 1000)
        self._wall_clock = wall_clock
        self._new_id = new_id
        self._hot = Pipe(url, timeout_s=options.hold_timeout_s)
        self._bulk = Pipe(url, timeout_s=_BULK_TIMEOUT_S)
        self._epoch = Epoch(known_epoch(options.directory), new_id)
        self._writer = Writer(self._hot, self._bulk, self._epoch, Journal(options.directory, new_id()))
        self._allowances = Allowances()
        self._places = Places()
        self._skew_s = 0.0
        self._open = OpenHolds()
        self._standings = Standings()

    # What flow calls.

    async def hold(self, request: HoldRequest, meanwhile: Callable[[], None] | None = None) -> Grant:
        """Set money aside in every counter of the request, or in none. `meanwhile` is called while Redis is asked, if it is.

        Raises InsufficientQuota (never again in this window), RateLimited (later), UpstreamUnavailable (Redis is away), and what
        `meanwhile` raises: then nothing stays held.
        """
        hold_id, epoch, options = self._id_at(request.at), self._epoch, self._options
        if not request.tab.counters:
            hold = Hold(hold_id, request.size.amount_nano, (), 0.0)
            self._open.add(hold)
            return Grant(hold, request.size, request.tab)
        if epoch.lost:
            return self._blind(request, refusals.lost())
        if not epoch.name:
            return self._blind(request, refusals.away())
        # One round trip; another only where a window turned, or the first reply told what time Redis has.
        while True:
            attempt = Taking(request, hold_id, self._places.at(request, self._now_s()))
            packed = attempt.packed(epoch.name, epoch.seq, self._lease_ms, options.most_new_users)
            answer = self._hot.packed(packed, HOLD)
            try:
                if meanwhile is not None and not answer.done():
                    if self._hot.gathering:
                        await asyncio.sleep(0)  # the question leaves first
                    work, meanwhile = meanwhile, None
                    work()
                reply = await answer
            except (StoreUnsent, StoreRefused):
                return self._blind(request, refusals.away())
            except BaseException as fault:
                # It may have been taken, or may yet be: released by id, whichever comes first.
                answer.cancel()
                self._open.releases[hold_id] = (*attempt.place.names, *attempt.place.shared)
                if isinstance(fault, StoreAway):
                    return self._blind(request, refusals.away())
                raise
            self._skew_s = reply[2] / 1000 - self._wall_clock()
            if reply[0] != b"window":
                return self._answered(attempt, reply)

    def settle(self, hold: Hold | None, cost_nano: int, row: LedgerRow, told: bytes = b"") -> None:
        """Enter the bill and its row, exactly once, soon. `hold` None: a request that never got as far as a hold. `told` is the
        row as JSON, where it is at hand."""
        if hold is None:
            hold = Hold(self._id_at(row.at), 0, (), 0.0)
        if unseen := self._open.close(hold):
            self._allowances.give_back(unseen, hold.amount_nano - cost_nano)
        tokens = row.usage.input_tokens + row.usage.output_tokens
        self._writer.put(Settlement(hold.id, cost_nano, tokens, hold.counters, Raw(told or row.as_json())))

    def release(self, hold: Hold) -> None:
        """Give a hold back whose request was not sent, or certainly not billed. Its ledger row is settled apart (None)."""
        if unseen := self._open.close(hold):
            self._allowances.give_back(unseen, hold.amount_nano)
        if hold.counters:
            self._open.releases[hold.id] = hold.counters

    def downgrade(self, counters: Iterable[Counter]) -> str:
        """The cheaper model (`model` or `model@effort`) that a budget past its soft limit asks for; "" when none does."""
        return self._standings.downgrade(counters, self._now_s())

    # What the process calls.

    async def start(self) -> None:
        """Find the epoch. Does not fail when Redis is away: `run` goes on looking."""
        with suppress(StoreAway):
            async with meanwhile(self._bulk.run()):
                await self._epoch.look(self._bulk)

    async def run(self) -> None:
        """Everything that goes on in the background. Runs until cancelled; call `close` before that. When one part fails all
        of it ends, and with it the process: bills that nobody enters any more go to the journal."""
        parts = (
            self._hot.run(),
            self._bulk.run(),
            self._writer.run(),
            self._maintain(),
            self._keep_renewing(),
        )
        async with asyncio.TaskGroup() as tasks:
            for part in parts:
                tasks.create_task(part)

    async def drain(self, timeout_s: float) -> int:
        """Wait until no hold is open; returns how many still are when the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._open.drained()
        return len(self._open)

    async def close(self) -> None:
        """Enter or journal every bill taken over so far, and give back what is to be released."""
        await self._writer.flush()
        await self._send_releases()

    @property
    def pipe(self) -> Pipe:
        """The connection for what is not urgent: accounts and stored objects share it."""
        return self._bulk

    @property
    def open_holds(self) -> int:
        """Requests between hold and settle in this process."""
        return len(self._open)

    @property
    def healthy(self) -> bool:
        """Whether budgets can be checked at the moment."""
        return bool(self._epoch.name) and not self._epoch.lost and not self._hot.away

    @property
    def lost(self) -> bool:
        """Whether counters were lost and wait for a rebuild."""
        return self._epoch.lost

    @property
    def journalled(self) -> int:
        """Bills that Redis has not been told yet."""
        return self._writer.journalled

    # Holding.

    def _answered(self, attempt: Taking, reply: list[Any]) -> Grant:
        if reply[0] == b"ok":
            _, seq, now_ms, amount_nano, in_shared_bucket, *told = reply
            place, tab = attempt.place, attempt.request.tab
            self._epoch.saw(seq)
            standings = place.standings(told)
            if tab.softens:
                self._standings.learn(standings, self._now_s())
            counters = attempt.in_shared_bucket() if in_shared_bucket else place.names
            hold = Hold(attempt.hold_id, amount_nano, counters, now_ms / 1000 + self._options.lease_s)
            self._open.add(hold, taken=attempt)
            return Grant(hold, granted(attempt.request.size, amount_nano), tab, standings)
        if reply[0] == b"no":
            standing, refusal = attempt.refusal(reply, self._now_s())
            self._standings.learn([standing], self._now_s())
            raise refusal
        if reply[0] == b"epoch":
            self._epoch.lost = True
            raise refusals.lost()
        raise refusals.away()

    def _blind(self, request: HoldRequest, refusal: ApiError) -> Grant:
        """Without Redis: on the allowance of the budgets, freely where only rates are counted, or not at all."""
        budgets = tuple([budget.name for budget in request.tab.budgets])
        amount: int | None = request.size.amount_nano
        if budgets:
            amount = None if self._epoch.lost else self._allowances.take(request.tab.budgets, request.size)
        if amount is None:
            raise refusal
        counters = self._places.at(request, self._now_s()).names
        # An id of its own: the one that Redis may have seen is being released.
        hold = Hold(self._id_at(request.at), amount, counters, 0.0)
        self._open.add(hold, unseen=budgets)
        return Grant(hold, granted(request.size, amount), request.tab)

    def _id_at(self, at: float) -> str:
        """An id that begins with its hour, by which the store finds where its end is noted."""
        return f"{int(at // 3600):x}-{self._new_id()}"

    def _now_s(self) -> float:
        """Redis' time, as far as known: it decides which window counts."""
        return self._wall_clock() + self._skew_s

    # In the background.

    async def _keep_renewing(self) -> None:
        while True:
            await asyncio.sleep(self._options.lease_s / 3)
            ids = self._open.leased()
            for start in range(0, len(ids), _RENEW_AT_ONCE):
                words: list[Word] = [self._lease_ms, *ids[start : start + _RENEW_AT_ONCE]]
                await _quietly(self._bulk.script(RENEW, [keys.OPEN], words))

    async def _maintain(self) -> None:
        tick = 0
        while True:
            await self._send_releases()
            if self._epoch.lost or not self._epoch.name or tick % _LOOK_EVERY_TICKS == 0:
                await self._look()
            if self._writer.journalled:
                await self._writer.replay()
            elif self._allowances.used:
                await self._renew_allowances()
            tick += 1
            await asyncio.sleep(_TICK_S)

    async def _renew_allowances(self) -> None:
        """Make them whole once Redis has every bill of the outage and answers again where requests ask it; a breaker that
        is not open yet says nothing, at the start of a stall least of all."""
        granted = self._allowances.granted
        with suppress(StoreAway):
            await self._hot.call("PING")
            entered = self._writer.idle and not self._writer.journalled and not self._allowances.open
            if entered and granted == self._allowances.granted:
                self._allowances.renew()

    async def _look(self) -> None:
        """Check the epoch; after a rebuild, hold again what is open and enter again what the snapshot did not have."""
        before = self._epoch.name
        with suppress(StoreAway):
            again = await self._epoch.look(self._bulk)
            if before and self._epoch.name != before:
                await self._hold_again()
            for start in range(0, len(again), BATCH):
                await enter(self._bulk, self._epoch, again[start : start + BATCH])

    async def _hold_again(self) -> None:
        """What was granted is not refused now; a window that is over needs no hold, its late bill still enters it."""
        for taken in self._open.taken():
            packed = taken.packed(self._epoch.name, 0, self._lease_ms, self._options.most_new_users)
            await self._bulk.packed(packed, HOLD)

    async def _send_releases(self) -> None:
        waiting = list(self._open.releases.items())
        for start in range(0, len(waiting), BATCH):
            some = waiting[start : start + BATCH]
            if not all(await asyncio.gather(*[self._released(*each) for each in some])):
                return

    async def _released(self, hold_id: str, counters: tuple[str, ...]) -> bool:
        names = [keys.OPEN, keys.done(hold_id), keys.hold(hold_id), *counters]
        if not await _quietly(self._bulk.script(RELEASE, names, [hold_id, keys.IDS_KEPT_S])):
            return False
        self._open.releases.pop(hold_id, None)
        return True


async def _quietly(answer: "asyncio.Future[Any]") -> bool:
    """Whether it worked; when not, it is tried again later."""
    try:
        await answer
    except StoreAway:
        return False
    return True
