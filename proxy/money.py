"""Money on a request's way: which budgets count it, what is set aside before an attempt, what is settled after it.

The figures are decided by pure rooms (sizing, budgets); the store keeps them. A request that nothing counts passes through
here without a look at Redis.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from proxy.account import input_estimate
from proxy.budgets.scopes import Book
from proxy.nouns import Candidate, LedgerRow, Plan
from proxy.parse import Request
from proxy.planning.plan import Planner
from proxy.sizing import Sizer, adapted
from proxy.store.label import label
from proxy.store.ledger import Ledger
from proxy.store.ports import HoldRequest
from proxy.trace import Trace

Prepared = TypeVar("Prepared")
_NO_EDITS: Final[Mapping[str, bytes]] = {}


class Money:
    """One per snapshot of the settings; the ledger behind it lives as long as the process (None: nothing is counted,
    which settings allow only without budgets and limits)."""

    __slots__ = ("_book", "_ledger", "_planner", "_sizer")

    def __init__(self, ledger: Ledger | None, book: Book, planner: Planner) -> None:
        self._ledger = ledger
        self._book = book
        self._planner = planner
        self._sizer = Sizer()

    def preferred(self, request: Request, plan: Plan, trace: Trace) -> tuple[Candidate, ...]:
        """The plan's candidates, or the cheaper model that a budget past its soft limit asks for."""
        if self._ledger is None or not self._book.softens:
            return plan.candidates
        tab = self._book.tab(trace.caller, plan.candidates[0].model, trace.user_hash)
        cheaper = self._ledger.downgrade(tab.counters)
        if not cheaper:
            return plan.candidates
        return self._planner.downgraded(request, trace.caller, plan, cheaper, trace.call.at)

    async def hold(
        self,
        request: Request,
        candidate: Candidate,
        trace: Trace,
        prepared: Callable[[Mapping[str, bytes]], Prepared],
    ) -> Prepared:
        """Set aside what the attempt may cost; what was `prepared` with the edits that keep it within that. Raises the
        refusals of budgets, and what `prepared` raises: that is called while Redis is asked, and again if it grants less."""
        call, caller, plan, user_hash = trace.call, trace.caller, trace.plan, trace.user_hash
        tab = self._book.tab(caller, candidate.model, user_hash, again=trace.attempt > 0)
        if not tab.counters or self._ledger is None:
            return prepared(_NO_EDITS)
        assert plan is not None
        sized = self._sizer.sized(request, candidate, tab, plan.default_max_output)
        size = sized.size
        tokens = input_estimate(request) + size.output_tokens if tab.counts_tokens else 0
        if trace.grant is not None:
            self._give_back(trace)
        described = label(
            call.id, str(trace.attempt + 1), call.endpoint._value_, caller.key_id, caller.key_name, caller.team, user_hash,
            plan.asked, candidate.model, candidate.provider, plan.route, plan.task,
        )  # fmt: skip
        made: Prepared | None = None
        edits = sized.edits if tab.budgets else _NO_EDITS

        def meanwhile() -> None:
            nonlocal made
            made = prepared(edits)

        grant = trace.grant = await self._ledger.hold(
            HoldRequest(described, caller.key_name, user_hash, tab, size, tokens, call.at), meanwhile
        )
        if not trace.attempt:  # an attempt after the first meets no rates: what they were still holds
            trace.rates = grant.rate_headers(call.at)
        if tab.budgets:
            if grant.size is not size:  # less was granted
                sized, made = adapted(request, candidate, grant.size), None
            edits, trace.changes = sized.edits, sized.changes
        return prepared(edits) if made is None else made

    def settle(self, trace: Trace, row: LedgerRow, told: bytes = b"") -> None:
        """Enter the bill and the row, of which `told` is the JSON where it is at hand; give back a hold that certainly cost nothing. Never waits. The attempt is over then:
        should the next one be refused before it is sent, there is nothing to bill."""
        if trace.grant is not None and not trace.sent:
            self._give_back(trace)
        hold = trace.grant.hold if trace.grant is not None else None
        trace.grant, trace.sent = None, False
        if self._ledger is not None:
            self._ledger.settle(hold, row.cost_nano, row, told)

    def _give_back(self, trace: Trace) -> None:
        if trace.grant is not None and self._ledger is not None:
            self._ledger.release(trace.grant.hold)
            trace.grant = None
