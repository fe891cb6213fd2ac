"""From a parsed request to ordered candidates. Pure: same request, settings and state, same plan.

Precedence (who decides the model):
    the caller's `x-switchyard-route`/`-task` → an alias → a route's name is routed by task, any other known name is pinned
then every model named there becomes candidates (candidates/): past its end → successors, a migration away from it → the
caller's side, hard limits, deployments.
`model@effort` and `provider/model` are accepted wherever a model is.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from proxy.errors import ApiError, BadRequest, ContextLengthExceeded, NotAllowed, NotFound
from proxy.migration.assignment import Side
from proxy.migration.roads import Roads, Traveller
from proxy.models.rowreader import split_effort
from proxy.nouns import Asks, Caller, Candidate, Plan, Reason
from proxy.parse import Request
from proxy.planning.candidates import ENDED, MISSING, Errand, Gone, Target, Yard, terms_of, traveller_of
from proxy.planning.choice import Choice, Chooser, Look, Shortlist
from proxy.planning.lanes import Lane, Lanes
from proxy.planning.minute import Minute
from proxy.routing.pace import Pace
from proxy.routing.policy import Wishes, usd
from proxy.routing.verdicts import Verdicts
from proxy.settings import CallRules, Route, Settings
from proxy.sizing import likely_input, output_cap

Begun = Mapping[str, Side]
NOWHERE_BEGUN: Final[Begun] = MappingProxyType({})

_LONGEST_KEPT: Final = 200
"""Characters of a name and an effort: what callers make up must not fill the memory."""

_FITS_ANY_WINDOW_BYTES: Final = 12_000
"""Some 3,000 tokens, which is less than the window of any model worth routing to."""


_Named = tuple[str, str, bytes, Gone]
"""All that the plan of an untouched request depends on: model, endpoint and effort as it was sent, and what is missing."""


class _Kept(NamedTuple):
    """A plan, and the names a key may list to be allowed it."""

    plan: Plan
    names: tuple[str, ...]


class Considered(msgspec.Struct, frozen=True):
    """A plan with everything that was looked at for it. With a `refusal` it has no candidates; `lane` None: not routed. (Once
    raised, a refusal leads back to the frame that holds this: only the collector can free them.)"""

    plan: Plan
    looks: tuple[Look, ...] = ()
    lane: Lane | None = None
    refusal: ApiError | None = None


class Planner:
    """Holds one snapshot of the settings and the models; swapped as a whole on reload. It remembers for a minute what it
    planned for requests that name a living model: most traffic is the same few names over and over."""

    __slots__ = ("_chooser", "_kept", "_lanes", "_settings", "_singles", "_yard")

    def __init__(self, settings: Settings, yard: Yard, verdicts: Verdicts, pace: Pace) -> None:
        self._settings = settings
        self._yard = yard
        self._chooser = Chooser(yard, pace)
        self._lanes = Lanes(self._chooser, verdicts, self._read)
        self._kept = Minute[_Named, _Kept]()
        self._singles = Minute[str, Shortlist]()

    @property
    def roads(self) -> Roads:
        """The migrations that plans go by."""
        return self._yard.roads

    def plan(
        self, request: Request, asks: Asks, caller: Caller, now: float, begun: Begun = NOWHERE_BEGUN
    ) -> Plan:
        """The ordered candidates for one request; `begun` is where its tool loop began, by migration. Raises NotFound,
        NotAllowed or BadRequest when there are none."""
        if (
            not asks.route
            and asks.max_cost_nano is None
            and (plan := self._again(request, caller, now)) is not None
        ):
            return plan
        considered = self._considered(request, asks, caller, now, begun, told=False)
        if considered.refusal is not None:
            raise considered.refusal
        return considered.plan

    def consider(
        self, request: Request, asks: Asks, caller: Caller, now: float, begun: Begun = NOWHERE_BEGUN
    ) -> Considered:
        """The same plan, made anew, with what led to it. Raises NotAllowed, and BadRequest for what the caller asks of us in
        vain."""
        return self._considered(request, asks, caller, now, begun, told=True)

    def _considered(
        self, request: Request, asks: Asks, caller: Caller, now: float, begun: Begun, *, told: bool
    ) -> Considered:
        asked = asks.route or request.model
        name = self._settings.resolve(asked)
        route = self._settings.routes.get(name)
        if asks.route and route is None:
            raise BadRequest(f"x-switchyard-route names no route: {asks.route!r}", param="x-switchyard-route")
        traveller = traveller_of(request, caller, begun) if self._yard.roads else None
        if route is None:
            rules = self._settings.defaults
            errand = self._errand(request, rules, Reason.PINNED, now, traveller, one=False, told=told)
            return self._pinned(asks, caller, errand)
        _check_allowed(caller, (asked, name), asked)
        errand = self._errand(request, route, Reason.TASK, now, traveller, one=True, told=told)
        return self._routed(asks, name, route, errand)

    def evidence(self, request: Request) -> tuple[str, ...]:
        """What the verdict on a routed request goes by."""
        return self._lanes.evidence(request)

    def first_token_s(self, candidate: Candidate, now: float) -> float:
        """How soon a candidate begins to answer, as plans take it."""
        return self._chooser.first_token_s(candidate, now)

    def home(self, model: str, caller: Caller, now: float) -> Candidate:
        """The one way of a call that is passed through as it is; `model` may be `""`. A route stands for its first candidate,
        a model that has ended for its successor. Raises NotAllowed, NotFound."""
        name = self._settings.resolve(model)
        route = self._settings.routes.get(name)
        target, reason = self._read(str(route.default[0]) if route is not None else name), Reason.PINNED
        chain = self._yard.heirs(target.written, now) if model else None
        if chain is not None and chain.first is not None:
            target, reason = Target(chain.first.model, chain.first.effort), Reason.SUCCESSOR
        row = self._yard.row(target.written) if model else None
        if model:
            _check_allowed(caller, (model, name, target.written, row.name if row else name), model)
        place = self._yard.home(target.written, target.provider)
        if place is None:
            raise _unknown(model)
        sent = place.upstream_model or target.written
        edits = {} if sent == model else {"model": msgspec.json.encode(sent)}
        return Candidate(row.name if row else "", place.provider, reason, edits)

    def downgraded(
        self, request: Request, caller: Caller, plan: Plan, name: str, now: float
    ) -> tuple[Candidate, ...]:
        """The candidates of the cheaper model a budget asks for; the plan's own when it cannot take the request."""
        rules = self._settings.routes.get(plan.route) or self._settings.defaults
        traveller = traveller_of(request, caller, NOWHERE_BEGUN) if self._yard.roads else None
        errand = self._errand(request, rules, Reason.BUDGET, now, traveller, one=True)
        found = self._yard.find(self._read(name), errand)
        return found.all_candidates or plan.candidates

    def toward(self, request: Request, plan: Plan, name: str, now: float) -> tuple[Candidate, ...]:
        """The ways of asking a migration's target (`model` or `model@effort`) what was asked of its source; none when it
        cannot take the request."""
        rules = self._settings.routes.get(plan.route) or self._settings.defaults
        errand = self._errand(request, rules, Reason.MIGRATION, now, None, one=True)
        return self._yard.reach(replace(self._read(name), decides=False), errand).candidates

    def _pinned(self, asks: Asks, caller: Caller, errand: Errand) -> Considered:
        asked = errand.request.model
        name = self._settings.resolve(asked)
        target = self._read(name)
        row = self._yard.row(target.written)
        names = (asked, name, target.written, row.name if row else name)
        _check_allowed(caller, names, asked)
        wishes = Wishes(max_cost_nano=_max_cost_nano(asks, errand.rules))
        single = self._singles.get(name, errand.now)
        if single is None:
            single = Shortlist([target])
            if row is not None and len(name) < _LONGEST_KEPT:
                self._singles.keep(name, single, errand.now)
            else:  # names that callers make up are not remembered, nor what becomes of them
                errand = replace(errand, terms=None)
        choice = self._chooser.first_of([single], errand, wishes, probing=False)
        considered = self._finished(choice, errand, wishes)
        if choice.untouched and wishes.max_cost_nano is None and (named := self._named(errand.request)):
            self._kept.keep(named, _Kept(considered.plan, names), errand.now)
        return considered

    def _again(self, request: Request, caller: Caller, now: float) -> Plan | None:
        """The plan of an earlier request that asked for the same."""
        named = self._named(request)
        kept = self._kept.get(named, now) if named is not None else None
        if kept is None:
            return None
        plan, names = kept
        if caller.models:
            _check_allowed(caller, names, plan.asked)
        return plan

    def _named(self, request: Request) -> _Named | None:
        raws = request.fields.raws
        effort = raws.get("reasoning", b"") if "reasoning" in raws else raws.get("reasoning_effort", b"")
        if len(request.model) + len(effort) > _LONGEST_KEPT:
            return None
        return (request.model, request.endpoint._value_, effort, self._yard.gone())

    def _routed(self, asks: Asks, name: str, route: Route, errand: Errand) -> Considered:
        wishes = Wishes(
            prefer=route.prefer,
            max_first_token_s=route.max_ttft_ms / 1000 if route.max_ttft_ms else None,
            max_cost_nano=_max_cost_nano(asks, route),
        )
        lane = self._lanes.find(route, errand, wishes, asks)
        return self._finished(lane.choice, errand, wishes, name, lane)

    def _finished(
        self, choice: Choice, errand: Errand, wishes: Wishes, route: str = "", lane: Lane | None = None
    ) -> Considered:
        """The plan with everybody chosen, or what the caller should be told when nobody was."""
        asked, rules = errand.request.model, errand.rules
        plan = Plan(
            asked=asked,
            candidates=choice.candidates,
            route=route,
            task=lane.verdict.task if lane is not None else "",
            confidence=lane.verdict.confidence if lane is not None else 0.0,
            next_on_timeout=rules.on_timeout == "next",
            rejects_loss=rules.on_loss == "reject",
            default_max_output=rules.default_max_output,
            drain_on_disconnect=rules.on_disconnect == "drain",
            headers=self._yard.sunset(asked, errand.now),
        )
        refusal = None if choice.candidates else _refusal(asked, choice, errand, wishes)
        return Considered(plan, choice.looks, lane, refusal)

    def _errand(
        self,
        request: Request,
        rules: CallRules,
        reason: Reason,
        now: float,
        traveller: Traveller | None,
        *,
        one: bool,
        told: bool = False,
    ) -> Errand:
        """What to find candidates for. A body so small that any window holds it is not measured."""
        small = request.size_bytes <= _FITS_ANY_WINDOW_BYTES
        return Errand(
            request,
            self._yard.written_for(request),
            rules,
            reason,
            now,
            one,
            input_tokens=0 if small else likely_input(request),
            output_tokens=output_cap(request) or 0,
            traveller=traveller,
            terms=None if told else terms_of(request),
            told=told,
        )

    def _read(self, name: str) -> Target:
        written, effort = split_effort(name)
        provider, slash, rest = written.partition("/")
        if slash and provider in self._settings.providers:
            return Target(rest, effort or "", provider)
        return Target(written, effort or "")


def _max_cost_nano(asks: Asks, rules: CallRules) -> int | None:
    """The lower one of the caller's cap and the route's."""
    caps = [cap for cap in (asks.max_cost_nano, rules.max_cost_nano) if cap is not None]
    return min(caps) if caps else None


def _refusal(asked: str, choice: Choice, errand: Errand, wishes: Wishes) -> ApiError:
    reasons = "; ".join(dict.fromkeys(choice.why))
    if not reasons:
        return _unknown(asked)
    if choice.window_tokens:
        return _too_long(choice.window_tokens, errand)
    if choice.too_dear and wishes.max_cost_nano is not None:
        return BadRequest(
            f"No model of `{asked}` can take this request for at most {usd(wishes.max_cost_nano)} USD: {reasons}.",
            param="x-switchyard-max-cost-usd",
        )
    if all(MISSING in why for why in choice.why):
        return NotFound(f"The model `{asked}` does not exist: {reasons}.", code="model_not_found")
    if all(ENDED in why or MISSING in why for why in choice.why):
        return NotFound(f"The model `{asked}` has been deprecated: {reasons}.", code="model_not_found")
    return BadRequest(f"No model of `{asked}` can take this request: {reasons}.", param="model")


def _too_long(window_tokens: int, errand: Errand) -> ContextLengthExceeded:
    """OpenAI's own words, with our estimate; clients look for them."""
    wanted, answer = errand.input_tokens, errand.output_tokens
    begin = f"This model's maximum context length is {window_tokens} tokens. However, "
    if wanted > window_tokens or not answer:
        said = f"your messages resulted in {wanted} tokens. Please reduce the length of the messages."
    else:
        said = (
            f"you requested {wanted + answer} tokens ({wanted} in the messages, {answer} in the completion). "
            "Please reduce the length of the messages or completion."
        )
    return ContextLengthExceeded(begin + said, param="messages")


def _unknown(asked: str) -> NotFound:
    return NotFound(
        f"The model `{asked}` does not exist or you do not have access to it.", code="model_not_found"
    )


def _check_allowed(caller: Caller, names: tuple[str, ...], asked: str) -> None:
    if caller.models and caller.models.isdisjoint(names):
        raise NotAllowed(
            f"This key may not use the model `{asked}`.", code="model_not_allowed", param="model"
        )
