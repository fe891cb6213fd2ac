"""From a parsed request to ordered candidates. Pure: same request, settings and state, same plan.

Precedence (who decides the model):
    the caller's `x-switchyard-route`/`-task` → an alias → a route's name is routed by task, any other known name is pinned
then every model named there becomes candidates (candidates.py): past its end → successors, hard limits, deployments.
`model@effort` and `provider/model` are accepted wherever a model is.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, NamedTuple

import msgspec

from proxy.candidates import Errand, Found, Target, Yard
from proxy.errors import BadRequest, NotAllowed, NotFound
from proxy.minute import Minute
from proxy.models.rowreader import split_effort
from proxy.nouns import Asks, Caller, Candidate, Endpoint, Plan, Reason
from proxy.parse import Request
from proxy.routing.classifier import Classifier, Verdict
from proxy.routing.tasks import TASKS
from proxy.settings import CallRules, Route, Settings

_LONGEST_KEPT: Final = 200
"""Characters of a name and an effort: what callers make up must not fill the memory."""


class _Named(NamedTuple):
    """All that the plan of an untouched request depends on."""

    model: str
    endpoint: Endpoint
    effort: bytes


class _Kept(NamedTuple):
    """A plan, and the names a key may list to be allowed it."""

    plan: Plan
    names: tuple[str, ...]


class Planner:
    """Holds one snapshot of the settings and the models; swapped as a whole on reload. It remembers for a minute what it
    planned for requests that name a living model: most traffic is the same few names over and over."""

    __slots__ = ("_classifier", "_kept", "_settings", "_yard")

    def __init__(self, settings: Settings, yard: Yard, classifier: Classifier) -> None:
        self._settings = settings
        self._yard = yard
        self._classifier = classifier
        self._kept = Minute[_Named, _Kept]()

    def plan(self, request: Request, asks: Asks, caller: Caller, now: float) -> Plan:
        """The ordered candidates for one request. Raises NotFound, NotAllowed or BadRequest when there are none."""
        if not asks.route and (plan := self._again(request, caller, now)) is not None:
            return plan
        asked = asks.route or request.model
        name = self._settings.resolve(asked)
        route = self._settings.routes.get(name)
        if asks.route and route is None:
            raise BadRequest(f"x-switchyard-route names no route: {asks.route!r}", param="x-switchyard-route")
        plan = Plan(asked=request.model, candidates=(), headers=self._yard.sunset(request.model, now))
        if route is None:
            return self._pinned(request, caller, plan, name, now)
        _check_allowed(caller, (asked, name), asked)
        return self._routed(request, asks, replace(plan, route=name), route, now)

    def home(self, model: str, caller: Caller) -> Candidate:
        """The one way of a call that is passed through as it is; `model` may be `""`. Raises NotAllowed, NotFound."""
        name = self._settings.resolve(model)
        target = self._read(name)
        row = self._yard.row(target.written) if model else None
        if model:
            _check_allowed(caller, (model, name, target.written, row.name if row else name), model)
        place = self._yard.home(target.written, target.provider)
        if place is None:
            raise _unknown(model)
        sent = place.upstream_model or target.written
        edits = {} if sent == model else {"model": msgspec.json.encode(sent)}
        return Candidate(row.name if row else "", place.provider, Reason.PINNED, edits)

    def downgraded(self, request: Request, plan: Plan, name: str, now: float) -> tuple[Candidate, ...]:
        """The candidates of the cheaper model a budget asks for; the plan's own when it cannot take the request."""
        rules = self._settings.routes.get(plan.route) or self._settings.defaults
        found = self._yard.find(self._read(name), Errand(request, rules, Reason.BUDGET, now, one=True))
        return found.candidates or plan.candidates

    def _pinned(self, request: Request, caller: Caller, plan: Plan, name: str, now: float) -> Plan:
        target = self._read(name)
        row = self._yard.row(target.written)
        names = (plan.asked, name, target.written, row.name if row else name)
        _check_allowed(caller, names, plan.asked)
        rules = self._settings.defaults
        found = self._yard.find(target, Errand(request, rules, Reason.PINNED, now, one=False))
        plan = _planned(plan, [found], rules)
        named = _named(request)
        if found.settled and len(named.model) + len(named.effort) < _LONGEST_KEPT:
            self._kept.keep(named, _Kept(plan, names), now)
        return plan

    def _again(self, request: Request, caller: Caller, now: float) -> Plan | None:
        """The plan of an earlier request that asked for the same, if its model is still there."""
        kept = self._kept.get(_named(request), now)
        if kept is None:
            return None
        plan, names = kept
        if any(self._yard.gone(one.provider, one.model) for one in plan.candidates):
            return None
        _check_allowed(caller, names, plan.asked)
        return plan

    def _routed(self, request: Request, asks: Asks, plan: Plan, route: Route, now: float) -> Plan:
        verdict, reason = self._task(request, asks)
        targets = [self._read(str(target)) for target in route.candidates(verdict.task, verdict.difficulty)]
        errand = Errand(request, route, reason, now, one=True)
        found = [self._yard.find(target, errand) for target in targets]
        return _planned(replace(plan, task=verdict.task, confidence=verdict.confidence), found, route)

    def _task(self, request: Request, asks: Asks) -> tuple[Verdict, Reason]:
        if not asks.task:
            return self._classifier.classify(request.fields), Reason.TASK
        if asks.task not in TASKS:
            raise BadRequest(
                f"x-switchyard-task must be one of {', '.join(TASKS)}; got {asks.task!r}",
                param="x-switchyard-task",
            )
        return Verdict(asks.task, 1.0, 1.0, "medium", unsure=False), Reason.CALLER

    def _read(self, name: str) -> Target:
        written, effort = split_effort(name)
        provider, slash, rest = written.partition("/")
        if slash and provider in self._settings.providers:
            return Target(rest, effort or "", provider)
        return Target(written, effort or "")


def _named(request: Request) -> _Named:
    return _Named(request.model, request.endpoint, request.fields.raw("reasoning_effort"))


def _planned(plan: Plan, found: list[Found], rules: CallRules) -> Plan:
    """The plan with every way found, each model at each provider once. Raises what the caller should be told if none."""
    candidates = tuple(_once_each(candidate for one in found for candidate in one.candidates))
    if candidates:
        return replace(
            plan,
            candidates=candidates,
            next_on_timeout=rules.on_timeout == "next",
            drain_on_disconnect=rules.on_disconnect == "drain",
            rejects_loss=rules.on_loss == "reject",
            default_max_output=rules.default_max_output,
        )
    reasons = [one.why for one in found if one.why]
    if not reasons:
        raise _unknown(plan.asked)
    if all("has been shut down" in why for why in reasons):
        raise NotFound(
            f"The model `{plan.asked}` has been deprecated: {'; '.join(reasons)}.", code="model_not_found"
        )
    raise BadRequest(
        f"No model of `{plan.asked}` can take this request: {'; '.join(reasons)}.", param="model"
    )


def _unknown(asked: str) -> NotFound:
    return NotFound(
        f"The model `{asked}` does not exist or you do not have access to it.", code="model_not_found"
    )


def _once_each(candidates: Iterable[Candidate]) -> Iterable[Candidate]:
    seen = set()
    for candidate in candidates:
        key = (candidate.model, candidate.provider)
        if key not in seen:
            seen.add(key)
            yield candidate


def _check_allowed(caller: Caller, names: tuple[str, ...], asked: str) -> None:
    if caller.models and caller.models.isdisjoint(names):
        raise NotAllowed(
            f"This key may not use the model `{asked}`.", code="model_not_allowed", param="model"
        )
