"""What the proxy would do with a request, and why: the same plan, made by the same code, with everything that led to it.

Calls nobody. What only a running worker knows is left out and said so: health and live latency of providers, shutdown
dates they published, refusals that were learned. Budgets are shown as they stand where somebody can tell.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from proxy.api.asks import asks_of
from proxy.app.book import build_book
from proxy.app.configuration import Configuration
from proxy.app.keys import caller_named
from proxy.budgets.scopes import NO_TAB, Counter, Tab
from proxy.errors import ApiError, BadRequest
from proxy.headers import Header
from proxy.nouns import Asks, Caller, Candidate, Endpoint, Plan, Reason
from proxy.parse import NOT_JSON, Request, parse
from proxy.planning.candidates import NOTHING_GONE, Target, Yard
from proxy.planning.choice import Look
from proxy.planning.explanation import Count, Explanation, Heir, Option, Refusal, Task
from proxy.planning.plan import Considered, Planner
from proxy.planning.roadworks import roads_of
from proxy.routing.classifier import Classifier
from proxy.routing.pace import Pace
from proxy.routing.verdicts import Verdicts
from proxy.sizing import bounded, expected_nano
from proxy.store.accounts import RunTime
from proxy.store.ports import Standing
from proxy.trace import usd, user_hash

NOT_CONSULTED: Final = (
    "live health not consulted: neither breakers and live latency nor dates that providers published"
)
STATES_NOT_CONSULTED: Final = (
    "migrations are taken as not started; POST /admin/explain of the running proxy knows where they stand"
)
_EXPLAINED: Final = ("chat", "responses", "completions", "embeddings", "moderations")
_NOBODY: Final = Caller(key_id="", key_name="")

Standings = Callable[[Sequence[Counter]], Awaitable[Sequence[Standing]]]


@dataclass(frozen=True, slots=True)
class Question:
    """A request to explain: its body, its headers (lower-case names), where it would be posted, whose key it has ("" for
    a caller that nothing limits)."""

    body: bytes
    headers: tuple[Header, ...] = ()
    endpoint: Endpoint = Endpoint.CHAT
    key: str = ""


class Explainer:
    """`standings` reads counters ([] when nobody can), `run_time` tells what operators have changed up to now (None: nobody
    knows); `configuration` is asked anew each time, after that. The classifier is loaded at the first question: who never
    asks does not pay for it."""

    def __init__(
        self,
        configuration: Callable[[], Configuration],
        standings: Standings,
        run_time: Callable[[], Awaitable[RunTime]] | None = None,
    ) -> None:
        self._configuration = configuration
        self._standings = standings
        self._run_time = run_time
        self._verdicts: Verdicts | None = None

    async def explain(self, question: Question, now: float) -> Explanation:
        """Raises BadRequest for what is no request, and for a key that there is not."""
        run_time = await self._run_time() if self._run_time is not None else RunTime()
        configuration = self._configuration()
        if self._verdicts is None:
            self._verdicts = Verdicts(Classifier.load())
        room = _Room(configuration, self._verdicts, run_time)
        explanation, counters = room.explain(question, now)
        if self._run_time is None and configuration.settings.migrations:
            explanation = replace(explanation, notes=(*explanation.notes, STATES_NOT_CONSULTED))
        if not counters:
            return explanation
        found = await self._standings(counters)
        if not found:
            return replace(explanation, notes=(*explanation.notes, "spending not consulted"))
        return replace(explanation, counts=tuple([_standing(each) for each in found]))

    async def answer(self, text: bytes) -> dict[str, Any]:
        """The explanation of a bare request body, or of `{"body": …, "headers": …, "endpoint": …, "key": …}`. Raises
        BadRequest."""
        return (await self.explain(question_of(text), time.time())).as_dict()


class _Room:
    """What one explanation is made with: a planner of its own, so that nothing here touches what serves requests."""

    def __init__(self, configuration: Configuration, verdicts: Verdicts, run_time: RunTime) -> None:
        self._configuration = configuration
        self._settings = configuration.settings
        roads = roads_of(self._settings, configuration.catalogue, run_time.migrations)
        self._yard = Yard(self._settings, configuration.catalogue, {}, lambda: NOTHING_GONE, roads)
        self._planner = Planner(self._settings, self._yard, verdicts, Pace())
        self._book = build_book(self._settings, run_time)

    def explain(self, question: Question, now: float) -> tuple[Explanation, tuple[Counter, ...]]:
        caller = self._caller(question.key)
        asks = asks_of(dict(question.headers))
        request = parse(question.endpoint, question.body, asks.session)
        try:
            considered = self._planner.consider(request, asks, caller, now)
        except ApiError as refusal:
            considered = Considered(Plan(asked=request.model, candidates=()), refusal=refusal)
        plan = considered.plan
        first = plan.candidates[0] if plan.candidates else None
        hashed = user_hash(caller.key_id, request.user)
        tab = self._book.tab(caller, first.model, hashed) if first is not None else NO_TAB
        return Explanation(
            asked=request.model,
            route=plan.route,
            model=first.model if first is not None else "",
            reason=first.reason.value if first is not None else "",
            task=self._task(request, asks, considered),
            decision=_decision(considered),
            candidates=tuple(self._options(request, considered, tab, now)),
            successors=tuple(self._heirs(considered, now)),
            counts=tuple([_count(each) for each in tab.counters]),
            refusal=_refusal(considered.refusal),
            notes=(NOT_CONSULTED,),
        ), tab.counters

    def _caller(self, key: str) -> Caller:
        if not key:
            return _NOBODY
        found = caller_named(self._settings, key)
        if found is None:
            raise BadRequest(f"No key of the configuration is called {key!r}.", param="key")
        return found

    def _task(self, request: Request, asks: Asks, considered: Considered) -> Task | None:
        if considered.lane is None:
            return None
        verdict = considered.lane.verdict
        return Task(
            verdict.task,
            round(verdict.confidence, 3),
            round(verdict.p_reasoning, 3),
            verdict.difficulty,
            verdict.unsure,
            () if asks.task else self._planner.evidence(request),
        )

    def _options(self, request: Request, considered: Considered, tab: Tab, now: float) -> list[Option]:
        """Who is tried, in order, then who is not."""
        looks = {_way(look.candidate): look for look in considered.looks if look.candidate is not None}
        plan = considered.plan
        out = []
        for place, candidate in enumerate(plan.candidates, 1):
            look = looks[_way(candidate)]
            expected = expected_nano(request, candidate)
            hold_nano, refused = _hold(request, candidate, tab, plan.default_max_output)
            option = Option(
                place=place,
                target=_written(look.target),
                model=candidate.model,
                provider=candidate.provider,
                reason=candidate.reason.value,
                why="; ".join(text for text in (look.why, refused) if text),
                effort=candidate.effort,
                endpoint="responses" if candidate.bridged else request.endpoint.value,
                changes=candidate.changes,
                expected_usd=usd(expected).decode() if expected is not None else None,
                hold_usd=usd(hold_nano).decode() if hold_nano is not None else None,
                first_token_s=self._planner.first_token_s(candidate, now),
            )
            out.append(option)
        return out + [_dropped(look) for look in considered.looks if not look.kept]

    def _heirs(self, considered: Considered, now: float) -> list[Heir]:
        """Who stands in for every model that was named and has ended."""
        named = dict.fromkeys([look.target.written for look in considered.looks])
        chains = [(name, self._yard.heirs(name, now)) for name in named]
        return [
            Heir(name, step.model, step.effort, round(step.ratio, 2) if step.ratio else None, step.skipped)
            for name, chain in chains
            if chain is not None
            for step in (*chain.living, *chain.skipped)
        ]


def question_of(text: bytes) -> Question:
    """A bare request body, or an object with `body` and what goes with it. Raises BadRequest."""
    try:
        given = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest(NOT_JSON) from None
    if not isinstance(given, dict):
        raise BadRequest("Invalid body: expected an object with a request in it.")
    if not isinstance(given.get("body"), dict):
        return Question(text, endpoint=_endpoint(given))
    headers, key = given.get("headers") or {}, given.get("key") or ""
    if not isinstance(headers, dict) or not isinstance(key, str):
        raise BadRequest(
            "`headers` must be an object of names and values, `key` the name of a key.", param="headers"
        )
    return Question(
        msgspec.json.encode(given["body"]),
        tuple([(name.lower().encode(), str(value).encode()) for name, value in headers.items()]),
        _endpoint(given["body"], given.get("endpoint")),
        key,
    )


def _endpoint(body: Mapping[str, Any], said: Any = None) -> Endpoint:
    """Where the request would be posted: as somebody said, else by its fields."""
    if said is None:
        return Endpoint.RESPONSES if "input" in body and "messages" not in body else Endpoint.CHAT
    if said not in _EXPLAINED:
        raise BadRequest(f"`endpoint` must be one of {', '.join(_EXPLAINED)}.", param="endpoint")
    return Endpoint(said)


def _hold(
    request: Request, candidate: Candidate, tab: Tab, default_max_output: int
) -> tuple[int | None, str]:
    """What budgets would set aside for it (None: nothing counts it), and why that cannot be."""
    if not tab.budgets:
        return None, ""
    try:
        return bounded(request, candidate, tab, default_max_output).amount_nano, ""
    except ApiError as refusal:
        return None, f"a budget refuses it: {refusal.message}"


def _decision(considered: Considered) -> str:
    """One sentence on how the list of candidates came about."""
    plan, lane = considered.plan, considered.lane
    if lane is None:
        return "pinned: the request names its model" if considered.looks else ""
    if lane.why:
        return lane.why
    named = "the caller says" if considered.looks and _by_caller(plan) else "it looks like"
    return f"routed by task on {plan.route}: {named} {lane.verdict.task}, {lane.verdict.difficulty}"


def _by_caller(plan: Plan) -> bool:
    return any(candidate.reason is Reason.CALLER for candidate in plan.candidates)


def _refusal(refusal: ApiError | None) -> Refusal | None:
    return Refusal(refusal.status, refusal.code, refusal.message) if refusal is not None else None


def _dropped(look: Look) -> Option:
    one = look.candidate
    model, provider = (
        (one.model, one.provider) if one is not None else (look.target.written, look.target.provider)
    )
    return Option(0, _written(look.target), model, provider, "", look.why)


def _way(candidate: Candidate) -> tuple[str, str]:
    return candidate.model, candidate.provider


def _written(target: Target) -> str:
    name = f"{target.provider}/{target.written}" if target.provider else target.written
    return f"{name}@{target.effort}" if target.effort else name


def _count(counter: Counter) -> Count:
    return Count(_name(counter), counter.kind, counter.per, counter.limit)


def _standing(found: Standing) -> Count:
    counter = found.counter
    return Count(_name(counter), counter.kind, counter.per, found.limit, found.spent, found.held, found.left)


def _name(counter: Counter) -> str:
    return counter.budget.name if counter.budget is not None else counter.kind
