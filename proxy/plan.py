"""From a parsed request to ordered candidates. Pure: same request, settings and state, same plan.

Precedence (who decides the model):
    the caller's `x-switchyard-route`/`-task` → an alias → a route's name is routed by task, any other known name is pinned
then for every candidate: hard limits (what the model cannot take is dropped with its reason), then the order written.
`model@effort` and `provider/model` are accepted wherever a model is.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from proxy.errors import BadRequest, NotAllowed, NotFound
from proxy.models.catalogue import Catalogue
from proxy.models.rowreader import split_effort
from proxy.models.rows import ModelRow
from proxy.nouns import Asks, Caller, Candidate, Endpoint, Plan, Reason
from proxy.parse import Request
from proxy.routing.classifier import Classifier, Verdict
from proxy.routing.tasks import TASKS
from proxy.settings import Settings
from proxy.settings.routes import CallRules, Route

_DEFAULT_PROVIDER = "openai"


@dataclass(frozen=True, slots=True)
class Place:
    """One deployment: a provider, and the model's name there when it differs."""

    provider: str
    upstream_model: str = ""
    weight: int = 1


@dataclass(frozen=True, slots=True)
class _Target:
    """A model to consider. `written` is the name as somebody wrote it, without provider and effort."""

    written: str
    effort: str
    provider: str


class Planner:
    """Holds one snapshot of the settings and the catalogue; immutable, swapped as a whole on reload."""

    __slots__ = ("_catalogue", "_classifier", "_places", "_settings")

    def __init__(self, settings: Settings, catalogue: Catalogue, classifier: Classifier) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._classifier = classifier
        self._places = _places(settings, catalogue)

    def plan(self, request: Request, asks: Asks, caller: Caller, now: float) -> Plan:
        """The ordered candidates for one request. Raises NotFound, NotAllowed or BadRequest when there are none."""
        asked = asks.route or request.model
        name = self._settings.aliases.get(asked, asked)
        route = self._settings.routes.get(name)
        if asks.route and route is None:
            raise BadRequest(f"x-switchyard-route names no route: {asks.route!r}", param="x-switchyard-route")
        if route is None:
            return self._pinned(request, caller, asked, name)
        self._check_allowed(caller, {asked, name}, asked)
        return self._routed(request, asks, asked, name, route)

    def _pinned(self, request: Request, caller: Caller, asked: str, name: str) -> Plan:
        target = self._read(name)
        row = self._row(target, asked)
        self._check_allowed(caller, {asked, name, target.written, row.name}, asked)
        rules: CallRules = self._settings.defaults
        candidates = self._candidates(request, target, row, Reason.PINNED)
        return Plan(asked=asked, candidates=candidates, next_on_timeout=rules.on_timeout == "next")

    def _routed(self, request: Request, asks: Asks, asked: str, name: str, route: Route) -> Plan:
        verdict, reason = self._task(request, asks)
        candidates: list[Candidate] = []
        for written in route.candidates(verdict.task, verdict.difficulty):
            target = self._read(str(written))
            candidates += self._candidates(request, target, self._row(target, asked), reason)
        return Plan(
            asked=asked,
            candidates=tuple(candidates),
            route=name,
            task=verdict.task,
            confidence=verdict.confidence,
            next_on_timeout=route.on_timeout == "next",
        )

    def _task(self, request: Request, asks: Asks) -> tuple[Verdict, Reason]:
        if not asks.task:
            return self._classifier.classify(request.fields), Reason.TASK
        if asks.task not in TASKS:
            raise BadRequest(
                f"x-switchyard-task must be one of {', '.join(TASKS)}; got {asks.task!r}",
                param="x-switchyard-task",
            )
        return Verdict(asks.task, 1.0, 1.0, "medium", unsure=False), Reason.CALLER

    def _candidates(
        self, request: Request, target: _Target, row: ModelRow, reason: Reason
    ) -> tuple[Candidate, ...]:
        places = self._places[row.name]
        if target.provider:
            places = tuple([place for place in places if place.provider == target.provider]) or (
                Place(target.provider),
            )
        edits = _effort_edit(request, target.effort)
        return tuple(
            [
                Candidate(row.name, place.provider, reason, {**edits, **_name_edit(request, place, target)})
                for place in _ordered(places, request)
            ]
        )

    def _read(self, name: str) -> _Target:
        written, effort = split_effort(name)
        provider, slash, rest = written.partition("/")
        if slash and provider in self._settings.providers:
            return _Target(rest, effort or "", provider)
        return _Target(written, effort or "", "")

    def _row(self, target: _Target, asked: str) -> ModelRow:
        row = self._catalogue.resolve(target.written)
        if row is None or row.name not in self._places:
            raise NotFound(
                f"The model `{asked}` does not exist or you do not have access to it.", code="model_not_found"
            )
        return row

    def _check_allowed(self, caller: Caller, names: set[str], asked: str) -> None:
        if caller.models and not (names & caller.models):
            raise NotAllowed(
                f"This key may not use the model `{asked}`.", code="model_not_allowed", param="model"
            )


def _places(settings: Settings, catalogue: Catalogue) -> Mapping[str, tuple[Place, ...]]:
    """Who serves each model: its own deployments, else the provider named openai, else the first of its kind."""
    compatible = [name for name, provider in settings.providers.items() if provider.kind == "openai"]
    home = _DEFAULT_PROVIDER if _DEFAULT_PROVIDER in compatible else (compatible or [""])[0]
    places: dict[str, tuple[Place, ...]] = {}
    for row in catalogue:
        written = settings.models.get(row.name)
        if written is not None and written.deployments:
            places[row.name] = tuple(
                [Place(d.provider, d.model or "", d.weight) for d in written.deployments]
            )
        elif home and row.provider_kind == "openai":
            places[row.name] = (Place(home),)
    return places


def _ordered(places: tuple[Place, ...], request: Request) -> tuple[Place, ...]:
    """Deployments in the order to try: one chosen by weight, the rest behind it.

    Weighted rendezvous hashing: each place scores -weight / ln(h) with h drawn from (place, conversation), the highest
    comes first; a conversation stays where its prompt cache is, and changing one weight moves only that place's share.
    """
    if len(places) == 1:
        return places
    opening = _opening(request)
    return tuple(sorted(places, key=lambda place: _score(place, opening), reverse=True))


def _score(place: Place, opening: bytes) -> float:
    name = f"{place.provider}\0{place.upstream_model}\0".encode()
    draw = int.from_bytes(hashlib.blake2b(name + opening, digest_size=7).digest(), "big")
    return -place.weight / math.log((draw + 1) / (2**56 + 1))


def _opening(request: Request) -> bytes:
    """What does not change as a conversation grows: its first two messages, or the whole of a single input."""
    messages = request.fields.get("messages") or request.fields.get("input")
    first = messages[:2] if isinstance(messages, list) else messages
    return msgspec.json.encode(first)


def _effort_edit(request: Request, effort: str) -> dict[str, bytes]:
    if not effort:
        return {}
    if request.endpoint is Endpoint.RESPONSES:
        reasoning = request.fields.get("reasoning")
        merged = {**reasoning, "effort": effort} if isinstance(reasoning, dict) else {"effort": effort}
        return {"reasoning": msgspec.json.encode(merged)}
    return {"reasoning_effort": msgspec.json.encode(effort)}


def _name_edit(request: Request, place: Place, target: _Target) -> dict[str, bytes]:
    name = place.upstream_model or target.written
    return {} if name == request.model else {"model": msgspec.json.encode(name)}
