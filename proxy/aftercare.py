"""What may still be done about a refusal that concerns one request: mend a parameter, or go to the model's successor.

Both are rare and both are visible: the reason is `learned` or `successor`, and the changes are listed.
"""

from msgspec.structs import replace

from proxy.errors import ApiError
from proxy.models.draft import REMOVE
from proxy.models.learned import Learned, Mend, Place, apply, mend_for
from proxy.nouns import Caller, Candidate, Plan, Reason
from proxy.parse import Request, decode
from proxy.planning.plan import Planner
from proxy.trace import Trace
from proxy.upstreams.refusals import Failed
from proxy.upstreams.retry import Failure
from proxy.watch import ModelWatch


class Aftercare:
    """One per snapshot of the settings; memory of what was learned and seen lives as long as the process."""

    def __init__(self, planner: Planner, learned: Learned, watch: ModelWatch) -> None:
        self._planner = planner
        self._learned = learned
        self._watch = watch

    def prepared(self, request: Request, candidate: Candidate, caller: Caller, now: float) -> Candidate:
        """The candidate with what is remembered of its provider's refusals."""
        if self._learned.is_empty():
            return candidate
        mends = self._learned.mends(_place(request, candidate, caller), now)
        return _mended(request, candidate, mends) if mends else candidate

    async def candidates(
        self, failed: Failed, candidate: Candidate, request: Request, plan: Plan, trace: Trace
    ) -> tuple[Candidate, ...]:
        """What to try next because of this refusal, nothing for most."""
        if failed.failure is Failure.MODEL_GONE:
            return await self._successors(candidate, request, plan, trace)
        mend = None if plan.rejects_loss else mend_for(failed.status, failed.body, _sent(request, candidate))
        if mend is None or candidate.reason is Reason.LEARNED:
            return ()
        mended = _mended(request, candidate, (mend,))
        self._learned.remember(_place(request, candidate, trace.caller), mend, trace.call.at)
        return (replace(mended, reason=Reason.LEARNED),)

    async def _successors(
        self, candidate: Candidate, request: Request, plan: Plan, trace: Trace
    ) -> tuple[Candidate, ...]:
        if not await self._watch.believed(
            candidate, trace.caller.key_id if trace.caller.credential else "ours"
        ):
            return ()
        try:
            again = self._planner.plan(request, trace.call.asks, trace.caller, trace.call.at)
        except ApiError:
            return ()
        tried = {(one.model, one.provider) for one in plan.candidates}
        return tuple([one for one in again.candidates if (one.model, one.provider) not in tried])


def _place(request: Request, candidate: Candidate, caller: Caller) -> Place:
    effort = candidate.effort or "default"
    return Place(
        candidate.provider,
        candidate.model,
        request.endpoint.value,
        effort,
        b"{" in request.fields.raw("tools"),
        # A refusal of a caller's own key may be about the key.
        caller.key_id if caller.credential else "",
    )


def _sent(request: Request, candidate: Candidate) -> dict[str, object]:
    """The fields as they went up: the caller's after the candidate's edits."""
    kept = {name: request.fields[name] for name in request.fields if name not in candidate.edits}
    return kept | {name: decode(value) for name, value in candidate.edits.items() if value != REMOVE}


def _mended(request: Request, candidate: Candidate, mends: tuple[Mend, ...]) -> Candidate:
    edits, changes = apply(mends, _sent(request, candidate))
    if not edits:
        return candidate
    tokens = (*candidate.changes, *[change.token for change in changes])
    return replace(candidate, edits={**candidate.edits, **edits}, changes=tokens)
