"""Money on a request's way: which budgets count it, what is set aside before an attempt, what is settled after it.

The figures are decided by pure rooms (sizing, budgets); the store keeps them. A request that nothing counts passes through
here without a look at Redis.
"""

from collections.abc import Mapping
from typing import Final

from proxy.account import input_estimate
from proxy.budgets.scopes import Book, Counter
from proxy.nouns import Candidate, LedgerRow, Plan
from proxy.parse import Request
from proxy.plan import Planner
from proxy.sizing import bounded, edits_for
from proxy.store.ledger import Ledger
from proxy.store.ports import HoldRequest
from proxy.trace import Trace

_NO_EDITS: Final[Mapping[str, bytes]] = {}


class Money:
    """One per snapshot of the settings; the ledger behind it lives as long as the process (None: nothing is counted,
    which settings allow only without budgets and limits)."""

    __slots__ = ("_book", "_ledger", "_planner")

    def __init__(self, ledger: Ledger | None, book: Book, planner: Planner) -> None:
        self._ledger = ledger
        self._book = book
        self._planner = planner

    def preferred(self, request: Request, plan: Plan, trace: Trace) -> tuple[Candidate, ...]:
        """The plan's candidates, or the cheaper model that a budget past its soft limit asks for."""
        counters = self._counters(plan.candidates[0], trace)
        cheaper = self._ledger.downgrade(counters) if counters and self._ledger else ""
        if not cheaper:
            return plan.candidates
        return self._planner.downgraded(request, trace.caller, plan, cheaper, trace.call.at)

    async def hold(self, request: Request, candidate: Candidate, trace: Trace) -> Mapping[str, bytes]:
        """Set aside what the attempt may cost; the edits that keep it within that. Raises the refusals of budgets."""
        counters = self._counters(candidate, trace)
        if not counters or self._ledger is None:
            return _NO_EDITS
        budgets = [counter.budget for counter in counters if counter.budget is not None]
        plan = trace.plan
        assert plan is not None
        size = bounded(request, candidate, budgets, plan.default_max_output)
        if trace.grant is not None:
            self._give_back(trace)
        trace.grant = await self._ledger.hold(
            HoldRequest(
                request_id=trace.call.id,
                attempt=trace.attempt + 1,
                endpoint=trace.call.endpoint._value_,
                caller=trace.caller,
                user_hash=trace.user_hash,
                asked=plan.asked,
                served=candidate.model,
                provider=candidate.provider,
                route=plan.route,
                task=plan.task,
                counters=counters,
                size=size,
                tokens=input_estimate(request) + size.output_tokens,
                at=trace.call.at,
            )
        )
        trace.rates = trace.grant.rate_headers(trace.call.at)
        if not budgets:
            return _NO_EDITS
        size = trace.grant.size
        if size.changes:
            trace.changes = (*candidate.changes, *[f"{change} {size.cap_to_set}" for change in size.changes])
        else:
            trace.changes = candidate.changes
        return edits_for(request, candidate, size)

    def settle(self, trace: Trace, row: LedgerRow) -> None:
        """Enter the bill and the row; give back a hold that certainly cost nothing. Never waits. The attempt is over then:
        should the next one be refused before it is sent, there is nothing to bill."""
        if trace.grant is not None and not trace.sent:
            self._give_back(trace)
        hold = trace.grant.hold if trace.grant is not None else None
        trace.grant, trace.sent = None, False
        if self._ledger is not None:
            self._ledger.settle(hold, row.cost_nano, row)

    def _give_back(self, trace: Trace) -> None:
        if trace.grant is not None and self._ledger is not None:
            self._ledger.release(trace.grant.hold)
            trace.grant = None

    def _counters(self, candidate: Candidate, trace: Trace) -> tuple[Counter, ...]:
        return self._book.counters(
            trace.caller, candidate.model, trace.user_hash, money_only=trace.attempt > 0
        )
