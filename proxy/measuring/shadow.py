"""A share of the old model's calls, sent to the new one as well once their answer went out, and thrown away but for measures.

Nothing here can reach a caller: a copy begins after the answer, waits for no one and is waited for by no one. At most
`MOST_AT_ONCE` are under way in a process, and never more than a quarter of a provider's connections; what comes on top is
dropped. After a failure copies pause, longer each time, so that a dead model costs next to nothing.

Money: a copy is the call of a caller of its own, `shadow/NAME`, whose budget is the migration's `shadow.usd`; global budgets
and those of models count it too. It has its own hold, settled once whatever happens, and a ledger row with reason `shadow`.

Not copied: what asks for hosted tools (they act, and cost), what goes on from a stored answer or would be stored on behalf of nobody, large
bodies, and calls with a caller's own credential, which is not ours to spend.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec.structs import replace

from proxy.errors import ApiError
from proxy.house import House
from proxy.measuring.answers import answered, judged
from proxy.migration.observation import Observation
from proxy.nouns import Caller, Candidate, Endpoint, Reason
from proxy.parse import REMOVE, Request
from proxy.routing.verdicts import Verdicts
from proxy.tasks import TaskOwner
from proxy.trace import Trace
from proxy.upstreams import http
from proxy.upstreams.attempt import Answered, Outcome, Streaming
from proxy.upstreams.refusals import Failed

MOST_AT_ONCE: Final = 8
MOST_S: Final = 120.0
"""How long a copy may take; then it is closed and charged as what was never seen."""
_MOST_BYTES: Final = 256 * 1024
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
_OWN_TOOLS: Final = frozenset({"function", "custom"})
_STATEFUL: Final = ("previous_response_id", "conversation", "background", "web_search_options")
_COPIED: Final = frozenset({Endpoint.CHAT, Endpoint.RESPONSES})
_HEADERS: Final = ((b"content-type", b"application/json"), (b"accept", b"*/*"))
_BUCKETS: Final = 10_000


@dataclass(frozen=True, slots=True)
class ShadowCourse:
    """A migration's shadow: the share of calls that is copied, and where to (`model` or `model@effort`)."""

    share: float
    target: str


@dataclass(slots=True)
class _Rest:
    """When copies of one migration go on, after how many failures in a row."""

    failures: int = 0
    until_s: float = 0.0


@dataclass(slots=True)
class _Copy:
    """One copy under way."""

    trace: Trace
    candidate: Candidate
    found: Observation
    house: House
    said: list[bytes] = field(default_factory=list)


class Shadows:
    """One per process. `seen` is told of every copy that was answered, or failed."""

    def __init__(
        self, verdicts: Verdicts, clock: Callable[[], float], seen: Callable[[Observation], None]
    ) -> None:
        self._verdicts = verdicts
        self._clock = clock
        self._seen = seen
        self._tasks = TaskOwner()
        self._courses: Mapping[str, ShadowCourse] = {}
        self._most: Mapping[str, int] = {}
        self._under_way: dict[str, int] = {}
        self._rests: dict[str, _Rest] = {}
        self._homes: dict[str, str] = {}
        self._stopped = False

    def take_up(self, courses: Mapping[str, ShadowCourse], connections: Mapping[str, int]) -> None:
        """Migrations by name that have a shadow, and how many connections each provider may have."""
        self._courses = courses
        self._most = {name: min(MOST_AT_ONCE, max(1, count // 4)) for name, count in connections.items()}

    def stop(self) -> None:
        """End every copy; each settles its hold on its way out."""
        self._stopped = True
        self._tasks.cancel()

    def offer(self, trace: Trace, house: House) -> None:
        """Copy this call, if it is one of the share and there is room. Never waits, never raises."""
        with suppress(ApiError):  # a body that turns out to be no JSON is not copied
            self._offer(trace, house)

    def _offer(self, trace: Trace, house: House) -> None:
        request, plan = trace.request, trace.plan
        arm = trace.candidate.arm if trace.candidate is not None else None
        course = self._courses.get(arm.migration) if arm is not None else None
        if (
            self._stopped
            or arm is None
            or course is None
            or request is None
            or plan is None
            or house.passthrough
        ):
            return
        if (
            not self._may_go_on(arm.migration)
            or not _drawn(trace.call.id, course.share)
            or not may_be_copied(request)
        ):
            return
        now = house.wall_clock()
        ways = house.planner.toward(request, plan, course.target, now)
        if not ways or self._is_full(ways[0].provider):
            return
        self._homes[arm.migration] = ways[0].provider
        name = f"shadow/{arm.migration}"
        call = replace(
            trace.call,
            id=f"{trace.call.id}.shadow",
            headers=_HEADERS,
            credentials=(),
            at=now,
            started_s=house.clock(),
        )
        copy = Trace(
            call,
            Caller(name, name),
            replace(request, user=""),
            replace(plan, candidates=ways[:1]),
        )
        candidate = house.aftercare.prepared(request, _private(ways[0], request), copy.caller, now)
        task = plan.task or self._verdicts.of(request.fields).task
        found = Observation(arm.migration, arm.version, "shadow", "", task, request.stream)
        self._under_way[candidate.provider] = self._under_way.get(candidate.provider, 0) + 1
        self._tasks.start(self._run(_Copy(copy, candidate, found, house)))

    async def _run(self, copy: _Copy) -> None:
        outcome: Outcome | None = None
        try:
            async with asyncio.timeout(MOST_S):
                outcome = await _ask(copy)
        except (ApiError, TimeoutError) as why:
            copy.trace.error = "timeout" if isinstance(why, TimeoutError) else why.code or "refused"
        finally:
            # No await: this may be a cancelled task.
            self._under_way[copy.candidate.provider] -= 1
            _close(copy)
        self._rested(copy.found.migration, failed=outcome is None or isinstance(outcome, Failed))
        if copy.trace.attempt:
            self._seen(await _measured(copy, outcome))

    def _may_go_on(self, migration: str) -> bool:
        """Whether copies neither pause nor wait for room: asked first, since it costs next to nothing."""
        rest = self._rests.get(migration)
        if rest is not None and self._clock() < rest.until_s:
            return False
        return not self._is_full(self._homes.get(migration, ""))

    def _is_full(self, provider: str) -> bool:
        return self._under_way.get(provider, 0) >= self._most.get(provider, 1)

    def _rested(self, migration: str, *, failed: bool) -> None:
        rest = self._rests.setdefault(migration, _Rest())
        rest.failures = rest.failures + 1 if failed else 0
        pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(rest.failures - 1, 10)) if failed else 0.0
        rest.until_s = self._clock() + pause_s


async def _ask(copy: _Copy) -> Outcome:
    """One attempt on its own hold, read to its end. Raises the refusals of budgets."""
    trace, candidate, house = copy.trace, copy.candidate, copy.house
    request = trace.request
    assert request is not None
    trace.considering(candidate, fallback=False)
    trace.reason = Reason.SHADOW.value
    question = await house.hold(request, candidate, trace)
    outcome = await house.send(candidate, question, trace)
    house.heard(outcome, trace)
    if isinstance(outcome, Answered):
        copy.said.append(outcome.whole.body)
    elif isinstance(outcome, Streaming):
        await _read(outcome, copy)
    return outcome


async def _read(answer: Streaming, copy: _Copy) -> None:
    response, stream, trace = answer.response, answer.stream, copy.trace
    copy.said.append(answer.first)
    try:
        while not stream.ended and (block := await response.read_chunk()):
            copy.said.append(stream.feed(block))
        copy.said.append(stream.finish())
        if not (stream.over or stream.seen.complete):
            trace.error = "cut"
    except http.UpstreamError as error:
        trace.error = type(error).__name__
    finally:
        response.close()


def _close(copy: _Copy) -> None:
    trace, house = copy.trace, copy.house
    trace.account()
    house.money.settle(trace, trace.row(house.clock()))


async def _measured(copy: _Copy, outcome: Outcome | None) -> Observation:
    trace, found = copy.trace, copy.found
    ended_s = copy.house.clock()
    found = replace(found, total_s=ended_s - trace.sent_s)
    if outcome is None or isinstance(outcome, Failed):
        return replace(found, failure=outcome.failure.value if outcome is not None else "timeout")
    found = answered(replace(found, first_s=trace.first_byte_s - trace.sent_s), trace)
    request = trace.request
    assert request is not None
    return found if found.failure else await judged(found, request, b"".join(copy.said))


def may_be_copied(request: Request) -> bool:
    """Whether asking this a second time does nothing but cost."""
    fields = request.fields
    if request.endpoint not in _COPIED or request.size_bytes > _MOST_BYTES:
        return False
    if any(fields.raw(name) not in (b"", b"null", b"false") for name in _STATEFUL):
        return False
    tools = fields.get("tools")
    return all(_is_own(tool) for tool in tools) if isinstance(tools, list) else True


def _is_own(tool: Any) -> bool:
    return isinstance(tool, dict) and tool.get("type") in _OWN_TOOLS


def _private(candidate: Candidate, request: Request) -> Candidate:
    """Nothing of a copy is kept by its provider: `store` is false, and what goes with storing is left out."""
    knows = candidate.takes_tiers or request.endpoint is Endpoint.RESPONSES or "store" in request.fields
    edits = {**candidate.edits, "metadata": REMOVE} | ({"store": b"false"} if knows else {})
    return replace(candidate, edits=edits, arm=None)


def _drawn(call_id: str, share: float) -> bool:
    digest = hashlib.blake2b(call_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % _BUCKETS < share * _BUCKETS
