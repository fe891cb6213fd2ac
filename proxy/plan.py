"""From a parsed request to ordered candidates. Pure: same request, settings and state, same plan.

Precedence (who decides the model):
    the caller's `x-switchyard-route`/`-task` → an alias → a route's name is routed by task, any other known name is pinned
then every model named there becomes candidates (candidates.py): past its end → successors, hard limits, deployments.
`model@effort` and `provider/model` are accepted wherever a model is.
"""

from collections.abc import Iterable
from dataclasses import replace

from proxy.candidates import Errand, Found, Target, Yard
from proxy.errors import BadRequest, NotAllowed, NotFound
from proxy.models.rowreader import split_effort
from proxy.nouns import Asks, Caller, Candidate, Plan, Reason
from proxy.parse import Request
from proxy.routing.classifier import Classifier, Verdict
from proxy.routing.tasks import TASKS
from proxy.settings import CallRules, Route, Settings


class Planner:
    """Holds one snapshot of the settings and the models; immutable, swapped as a whole on reload."""

    __slots__ = ("_classifier", "_settings", "_yard")

    def __init__(self, settings: Settings, yard: Yard, classifier: Classifier) -> None:
        self._settings = settings
        self._yard = yard
        self._classifier = classifier

    def plan(self, request: Request, asks: Asks, caller: Caller, now: float) -> Plan:
        """The ordered candidates for one request. Raises NotFound, NotAllowed or BadRequest when there are none."""
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

    def downgraded(self, request: Request, plan: Plan, name: str, now: float) -> tuple[Candidate, ...]:
        """The candidates of the cheaper model a budget asks for; the plan's own when it cannot take the request."""
        rules = self._settings.routes.get(plan.route) or self._settings.defaults
        found = self._yard.find(self._read(name), Errand(request, rules, Reason.BUDGET, now, one=True))
        return found.candidates or plan.candidates

    def _pinned(self, request: Request, caller: Caller, plan: Plan, name: str, now: float) -> Plan:
        target = self._read(name)
        row = self._yard.row(target.written)
        _check_allowed(caller, (plan.asked, name, target.written, row.name if row else name), plan.asked)
        rules = self._settings.defaults
        found = self._yard.find(target, Errand(request, rules, Reason.PINNED, now, one=False))
        return _planned(plan, [found], rules)

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
        raise NotFound(
            f"The model `{plan.asked}` does not exist or you do not have access to it.",
            code="model_not_found",
        )
    if all("has been shut down" in why for why in reasons):
        raise NotFound(
            f"The model `{plan.asked}` has been deprecated: {'; '.join(reasons)}.", code="model_not_found"
        )
    raise BadRequest(
        f"No model of `{plan.asked}` can take this request: {'; '.join(reasons)}.", param="model"
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
