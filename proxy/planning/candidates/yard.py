"""From a model somebody named to the ways of serving it: lifecycle, migrations, translation, hard limits, deployments.

A model that has ended stands for its living successors, or for where a migration leads away from it. While it lives, a
migration decides for each caller which of the two models serves. One that cannot take the request is left out with its
reason. What the caller sent is turned into what each candidate takes; a request for the model it names is never touched.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec.structs import replace

from proxy.migration.roads import Fork, Road, Roads
from proxy.models.catalogue import Catalogue
from proxy.models.draft import Wire
from proxy.models.families import ALLOWANCE_TOKENS, FAMILIES
from proxy.models.lifecycle import Published
from proxy.models.rows import ModelRow
from proxy.models.succession import Succession
from proxy.models.translate import UNCHANGED, OnLoss, Translation, translate
from proxy.nouns import Arm, Candidate, Endpoint, Reason
from proxy.parse import Request
from proxy.planning.candidates.ends import Ends, Gone, Headers
from proxy.planning.candidates.places import Place, allowed_in, by_weight, default_in, places_in
from proxy.planning.candidates.records import Crossing, Errand, Found, Target
from proxy.planning.candidates.terms import Terms
from proxy.planning.minute import Minute
from proxy.settings import Settings

_Alike = tuple[Target, str, OnLoss, bool, Terms, Gone]
"""What requests have in common that one model is asked for in the same ways."""

NO_ROADS: Final[Roads] = MappingProxyType({})
_UNTHINKING_S = 1.0
"""Until a model begins that does not think first, where only its thinking figure is known."""
_WIRE: Mapping[Endpoint, Wire] = {Endpoint.CHAT: "chat", Endpoint.RESPONSES: "responses"}


class Yard:
    """Which models there are, where they are served, which of them have ended and which are being left. One snapshot;
    `gone()` is asked anew each time: what was found missing is forgotten again."""

    __slots__ = ("_allowed", "_catalogue", "_default", "_ends", "_places", "_served", "gone", "roads")

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        published: Published,
        gone: Callable[[], Gone],
        roads: Roads = NO_ROADS,
    ) -> None:
        self._catalogue = catalogue
        self._places = places_in(settings, catalogue)
        self._allowed = allowed_in(settings)
        self._default = default_in(settings)
        self._ends = Ends(settings, catalogue, self._places, published, gone)
        self._served = Minute[_Alike, Found]()
        self.gone: Final = gone
        self.roads = roads

    def written_for(self, request: Request) -> ModelRow | None:
        """The model a request names, served here or not; None for a route's name or one that nobody knows."""
        return self._catalogue.resolve(request.model)

    def row(self, name: str) -> ModelRow | None:
        """The model a caller means by `name`, if somebody here serves it."""
        row = self._catalogue.resolve(name)
        return row if row is not None and row.name in self._places else None

    def home(self, model: str, provider: str = "") -> Place | None:
        """Where a call goes that is passed through: the provider somebody named (None: it may not be used), else the
        model's first place, else the provider that is asked by default."""
        if provider:
            return Place(provider) if provider in self._allowed else None
        row = self.row(model)
        return self._places[row.name][0] if row is not None else self._default

    def sunset(self, name: str, now: float) -> Headers:
        """`Sunset`, `Deprecation` and `Link` for a requested model with a known end."""
        row = self.row(name)
        return self._ends.sunset(name, row, now) if row is not None else ()

    def shutdowns(self) -> Iterator[tuple[str, str, float]]:
        """(provider, model, first second it no longer answers) of every deployment with a known end."""
        return self._ends.shutdowns()

    def last_day(self, name: str) -> float | None:
        """The first second nobody serves a model any more; None where that is not known."""
        row = self.row(name)
        return self._ends.last_day(row) if row is not None else None

    def ended(self, row: ModelRow, now: float) -> bool:
        """Retired wherever it could be served."""
        return self._ends.ended(row, now)

    def prior_s(self, candidate: Candidate) -> float:
        """Seconds to the first token by the catalogue, which knows them for the default effort."""
        row = self._catalogue.get(candidate.model)
        if row is None:
            return 0.0
        return row.ttft_s if candidate.reasons else min(row.ttft_s, _UNTHINKING_S)

    def find(self, target: Target, errand: Errand) -> Found:
        """The candidates for `target`."""
        row = self.row(target.written)
        if row is None:
            return Found(known=False, settled=True)
        if target.provider and target.provider not in self._allowed:
            return Found(known=False, settled=True)
        # Nobody's migration is that of a fine-tuned model, which goes by its base's row.
        road = self.roads.get(row.name) if self.roads and not row.fine_tuned else None
        if self._ends.ended(row, errand.now):
            return self._succeed(target, errand, road)
        if road is not None and road.is_open(errand.now):
            return self._cross(road, target, row, errand)
        return self._serve(target, row, errand)

    def heirs(self, name: str, now: float) -> Succession | None:
        """The chain that stands in for a model that has ended; None while somebody serves it, or nobody knows it."""
        row = self.row(name)
        if row is None or not self._ends.ended(row, now):
            return None
        return self._ends.chain(name, now)

    def _cross(self, road: Road, target: Target, row: ModelRow, errand: Errand) -> Found:
        """The side of a migration that this request is on; behind the new model the old one, should it fail."""
        assert errand.traveller is not None
        fork = road.fork(errand.traveller)
        old = self._serve(target, row, errand)
        heir = _heir(target, road.model, road.effort, road.provider)
        if fork.side == "old":
            # Measured only where both could serve: else the sides would differ by more than their models.
            arm = fork.arm if fork.arm is not None and self.reach(heir, errand).candidates else None
            candidates, crossing = _on(arm, old.candidates), Crossing(fork)
            return replace(old, candidates=candidates, settled=False, untouched=False, crossing=crossing)
        new = self.reach(heir, errand)
        if not new.candidates:
            why = f"{fork.why}; {road.model} cannot take this request: {new.why}"
            stays = Fork(fork.side, fork.arm, why)
            return replace(old, settled=False, untouched=False, crossing=Crossing(stays))
        return replace(
            new,
            candidates=_on(fork.arm, new.candidates),
            settled=False,
            untouched=False,
            crossing=Crossing(fork, old.candidates),
        )

    def reach(self, heir: Target, errand: Errand) -> Found:
        """A migration's target as it is: the request has met its fork, and meets no other."""
        row, errand = self.row(heir.written), replace(errand, reason=Reason.MIGRATION)
        if row is None:
            return Found(known=False, why="nobody here serves it")
        if self._ends.ended(row, errand.now):
            return self._succeed(heir, errand, None)
        return self._serve(heir, row, errand)

    def _succeed(self, target: Target, errand: Errand, road: Road | None) -> Found:
        """Who stands in for a model that has ended: whoever a migration leads to, whatever its stage; then the chain."""
        chain = self._ends.chain(target.written, errand.now)
        candidates: list[Candidate] = []
        considered: list[Found] = []
        reasons: list[str] = [chain.why] if chain.why else []
        ways = [] if road is None else [_heir(target, road.model, road.effort, road.provider)]
        for heir in ways + [_heir(target, step.model, step.effort) for step in chain.living]:
            if errand.one and candidates:
                break
            found = (
                self.reach(heir, errand)
                if heir in ways
                else self.find(heir, replace(errand, reason=Reason.SUCCESSOR))
            )
            candidates += found.all_candidates
            considered.append(found)
            if found.why:
                reasons.append(f"{heir.written}: {found.why}")
        settled = all(found.settled for found in considered)
        if candidates:
            crossing = Crossing(road.ended(target.written)) if road is not None else None
            return Found(tuple(candidates), settled=settled, crossing=crossing)
        windows = [found.window_tokens for found in considered]
        return Found(
            why=f"{self._ends.how(target.written, errand.now)} and {'; '.join(reasons)}",
            settled=settled,
            for_logprobs=any(found.for_logprobs for found in considered),
            window_tokens=max(windows) if windows and all(windows) else 0,
        )

    def _serve(self, target: Target, row: ModelRow, errand: Errand) -> Found:
        """The ways of asking a living model, if the request fits its window."""
        found = self._ways(target, row, errand)
        if not found.candidates or self._fits(row, errand):
            return found
        why = f"about {errand.input_tokens:,} tokens do not fit its window of {row.context:,}"
        return Found(why=why, settled=not errand.input_tokens, window_tokens=row.context)

    def _ways(self, target: Target, row: ModelRow, errand: Errand) -> Found:
        """The ways of asking a living model, whatever its window: for a minute the same for requests of equal terms."""
        if errand.terms is None:
            return self._found_anew(target, row, errand)
        reason = errand.reason._value_  # an Enum's hash is a function in Python
        alike = (target, reason, errand.rules.on_loss, errand.last_resort, errand.terms, self.gone())
        found = self._served.get(alike, errand.now)
        if found is None:
            found = self._found_anew(target, row, errand)
            if found.settled:
                self._served.keep(alike, found, errand.now)
        return found

    def _found_anew(self, target: Target, row: ModelRow, errand: Errand) -> Found:
        request = errand.request
        translation = self._translated(target, row, errand)
        if translation.excluded:
            for_logprobs = translation.excluded == "logprobs"
            return Found(why=translation.excluded, settled=True, for_logprobs=for_logprobs)
        effort = translation.effort or _effort(row, request, target)
        there = self._at(row, target.provider)
        living = [place for place in there if not self._ends.ended_at(place, row, errand.now)]
        price, tokens = row.price_at(errand.now), translation.tokens
        edits, emulate = translation.edits, translation.emulate
        candidates = [
            Candidate(
                model=row.name,
                provider=place.provider,
                reason=errand.reason,
                edits=_with_name(edits, request, place, target),
                changes=tokens,
                price=price,
                context_tokens=row.max_input or row.context,
                max_output_tokens=row.max_output,
                effort=effort,
                reasons=effort != "none",
                allowance_tokens=ALLOWANCE_TOKENS.get(effort, 0),
                takes_tiers=row.provider_kind == "openai" and row.family != "open",
                bridged=translation.endpoint == "responses" and request.endpoint is Endpoint.CHAT,
                stop=emulate.stop,
                fan_out=emulate.fan_out,
            )
            for place in by_weight(tuple(living), request)
        ]
        alone = len(there) == 1
        untouched = alone and translation is UNCHANGED[translation.endpoint]
        return Found(tuple(candidates), settled=alone, untouched=untouched)

    def _fits(self, row: ModelRow, errand: Errand) -> bool:
        """Whether the request fits the window. Of a model that the caller named, its provider says so itself."""
        if row.fits(errand.input_tokens, errand.output_tokens):
            return True
        source = errand.source
        return errand.reason is Reason.PINNED and source is not None and source.name == row.name

    def _at(self, row: ModelRow, provider: str) -> tuple[Place, ...]:
        """The model's places, or those at the provider somebody named, which may be one that nobody listed for it."""
        places = self._places[row.name]
        if not provider:
            return places
        return tuple([place for place in places if place.provider == provider]) or (Place(provider),)

    def _translated(self, target: Target, row: ModelRow, errand: Errand) -> Translation:
        wire = _WIRE.get(errand.request.endpoint)
        if wire is None:
            return UNCHANGED["chat"]
        on_loss: OnLoss = errand.rules.on_loss
        effort = target.effort or None
        return translate(
            errand.request.fields,
            errand.source,
            row,
            effort,
            on_loss,
            decides=target.decides,
            wire=wire,
            last_resort=errand.last_resort,
        )


def _heir(target: Target, model: str, effort: str, provider: str = "") -> Target:
    """Another model in a target's place: an effort that somebody wrote with the target stays, and decides as it did."""
    return Target(model, target.effort or effort, provider, decides=bool(target.effort) and target.decides)


def _on(arm: Arm | None, candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    return tuple([replace(each, arm=arm) for each in candidates]) if arm is not None else candidates


def _with_name(
    edits: Mapping[str, bytes], request: Request, place: Place, target: Target
) -> Mapping[str, bytes]:
    name = place.upstream_model or target.written
    return edits if name == request.model else {**edits, "model": msgspec.json.encode(name)}


def _effort(row: ModelRow, request: Request, target: Target) -> str:
    """The effort in force as far as money cares: "none" for a model that does not think out of sight."""
    family = FAMILIES[row.family]
    if not family.reasons:
        return "none"
    sent = request.fields.get("reasoning_effort")
    if request.endpoint is Endpoint.RESPONSES:
        reasoning = request.fields.get("reasoning")
        sent = reasoning.get("effort") if isinstance(reasoning, dict) else None
    return target.effort or (sent if isinstance(sent, str) else "") or family.default_effort
