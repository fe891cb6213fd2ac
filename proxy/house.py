"""What a request meets on its way: the client it answers, and the rooms that flow calls."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from proxy.aftercare import Aftercare
from proxy.fanout import attempt_parts
from proxy.headers import Header
from proxy.loops import Loops
from proxy.models.bridge.memory import ReasoningMemory, Sealed
from proxy.money import Money
from proxy.nouns import Candidate, LedgerRow
from proxy.parse import Request
from proxy.planning.plan import Planner
from proxy.question import question_for
from proxy.routing.pace import Pace
from proxy.tasks import TaskOwner
from proxy.tenants import Tenants
from proxy.trace import Trace
from proxy.upstreams.attempt import Answered, Outcome, Question, Streaming, attempt
from proxy.upstreams.breaker import Breakers, State
from proxy.upstreams.providers import Provider
from proxy.upstreams.refusals import Failed
from proxy.upstreams.retry import RetryAllowance


class Client(Protocol):
    """The caller's side of one request. `cutting` is set when a drain has run out of patience."""

    @property
    def cutting(self) -> bool: ...
    @property
    def started(self) -> bool: ...

    async def start(self, status: int, headers: list[Header], first: bytes) -> None:
        """Send the head of an answer whose length is not known, and what there is of its body, in one packet."""

    async def write(self, block: bytes) -> None:
        """Send part of the body; waits while the client reads slowly."""

    def push(self, block: bytes) -> bool:
        """Send part of the body now; False, and nothing is sent, when that means waiting: then `write` it."""

    def chunk_writer(self) -> Callable[[bytes], object] | None:
        """Where a chunk of the body may be written now, in the frame it has on the wire (`chunked`); None: `push` it."""

    async def end(self) -> None:
        """The answer is complete."""

    async def whole(self, status: int, headers: list[Header], body: bytes) -> None:
        """Send a complete answer."""


class ServedClient(Client, Protocol):
    """A client as its request comes in: a drain knows what to cut."""

    def answered_by(self, task: asyncio.Task[None]) -> None:
        """It is this task that a drain has to cut: the request's own may end without it."""


class Onlooker(Protocol):
    """Sees how attempts under a migration end. Nothing it does may wait or raise."""

    def listen(self, client: Client, trace: Trace) -> Client:
        """The client for the rest of the call: one that is listened to, or the same."""

    def failed(self, failed: Failed, trace: Trace, now_s: float) -> None:
        """An attempt gave no answer."""

    def ended(self, outcome: Outcome | None, trace: Trace, now_s: float, house: "House") -> None:
        """The call is over, and its answer out. `outcome` None: the client left before there was one, or we refused."""


@dataclass(slots=True)
class House:
    """What a request meets on its way: one snapshot of the settings, swapped as a whole on reload. `loops` None: there are
    no migrations."""

    planner: Planner
    providers: Mapping[str, Provider]
    money: Money
    aftercare: Aftercare
    tenants: Tenants
    loops: Loops | None
    breakers: Breakers
    pace: Pace
    health_changed: Callable[[Candidate, State], None]
    moved_on: Callable[[Candidate, Candidate, str], None]
    record: Callable[[LedgerRow, bytes, bool, int], None]
    tasks: TaskOwner
    wall_clock: Callable[[], float]
    clock: Callable[[], float]
    rng: Callable[[], float]
    onlooker: Onlooker | None = None
    passthrough: bool = False
    retries: RetryAllowance = field(default_factory=RetryAllowance)
    reasoning: ReasoningMemory = field(default_factory=ReasoningMemory)

    def hold(self, request: Request, candidate: Candidate, trace: Trace) -> Awaitable[Question]:
        """Set aside what an attempt may cost; what to `send` then. Raises the refusals of budgets."""
        asks_usage = self.providers[candidate.provider].stream_usage

        def prepared(edits: Mapping[str, bytes]) -> Question:
            return question_for(trace, candidate, edits, ask_for_usage=asks_usage, recall=self.recall)

        return self.money.hold(request, candidate, trace, prepared)

    def send(self, candidate: Candidate, question: Question, trace: Trace) -> Awaitable[Outcome]:
        """One attempt, from now on; what comes of it is to be `heard`."""
        provider = self.providers[candidate.provider]
        trace.sending(self.clock())
        if candidate.fan_out > 1:
            return attempt_parts(provider, question, candidate.fan_out, self.tasks)
        return attempt(provider, question)

    def heard(self, outcome: Outcome, trace: Trace) -> None:
        """Note in its trace what came of an attempt."""
        trace.heard(self.clock())
        if isinstance(outcome, Answered):
            whole = outcome.whole
            trace.seen, trace.status = whole.seen, whole.status
        elif isinstance(outcome, Streaming):
            trace.seen, trace.status = outcome.stream.seen, outcome.response.status
        else:
            trace.error, trace.status, trace.sent = outcome.name, outcome.status, outcome.may_be_billed
            trace.seen = outcome.seen

    def recall(self, key_id: str, model: str, call_id: str) -> Sequence[Mapping[str, Any]]:
        """The sealed reasoning behind a tool call."""
        return self.reasoning.recall(key_id, model, call_id, self.wall_clock())

    def remember(self, sealed: Sealed | None, trace: Trace) -> None:
        """Keep sealed reasoning for the next step of a tool loop."""
        if sealed is not None and trace.candidate is not None:
            self.reasoning.keep(trace.caller.key_id, trace.candidate.model, sealed, self.wall_clock())
