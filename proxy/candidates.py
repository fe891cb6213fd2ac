"""From a model somebody named to the ways of serving it: lifecycle, translation, hard limits, deployments. Pure.

A model that has ended stands for its living successors. One that cannot take the request is left out with its reason.
What the caller sent is turned into what each candidate takes; a request for the model it names is never touched.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import msgspec

from proxy.minute import Minute
from proxy.models.catalogue import Catalogue
from proxy.models.draft import Wire
from proxy.models.families import ALLOWANCE_TOKENS, FAMILIES
from proxy.models.lifecycle import Published, is_retired, shutdown_of, sunset_headers
from proxy.models.rows import ModelRow
from proxy.models.succession import Succession, successors_of
from proxy.models.translate import UNCHANGED, OnLoss, Translation, translate
from proxy.nouns import Candidate, Endpoint, Reason
from proxy.parse import Request
from proxy.settings import CallRules, Settings

Headers = tuple[tuple[bytes, bytes], ...]

_HOME = "openai"
_UNTHINKING_S = 1.0
"""Until a model begins that does not think first, where only its thinking figure is known."""
_WIRE: Mapping[Endpoint, Wire] = {Endpoint.CHAT: "chat", Endpoint.RESPONSES: "responses"}


@dataclass(frozen=True, slots=True)
class Place:
    """One deployment: a provider, and the model's name there when it differs."""

    provider: str
    upstream_model: str = ""
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Target:
    """A model to consider. `written` is its name as somebody wrote it, without provider and effort; `decides` says that
    the effort wins over the caller's."""

    written: str
    effort: str = ""
    provider: str = ""
    decides: bool = True


@dataclass(frozen=True, slots=True)
class Errand:
    """What candidates are wanted for. `source` is the model the caller wrote the request for (None: a route's name). `one`: a name that has ended stands for a single successor, not for its chain.
    `input_tokens` (estimated; 0: few enough for any window) and `output_tokens` (the caller's cap) are what has to fit.
    `last_resort`: nobody has logprobs, so they may be dropped."""

    request: Request
    source: ModelRow | None
    rules: CallRules
    reason: Reason
    now: float
    one: bool
    input_tokens: int = 0
    output_tokens: int = 0
    last_resort: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one target: its candidates in order, or why there are none. `settled`: of the request, only its
    model, its endpoint and its effort were looked at. Without candidates, `for_logprobs` says that they lack those and
    could serve without, `window_tokens` the window that is too small."""

    candidates: tuple[Candidate, ...] = ()
    why: str = ""
    known: bool = True
    settled: bool = False
    for_logprobs: bool = False
    window_tokens: int = 0


class Yard:
    """Which models there are, where they are served, and which of them have ended. One snapshot; `gone` is asked anew
    each time (provider, model): what was found missing is forgotten again."""

    __slots__ = (
        "_allowed",
        "_catalogue",
        "_default",
        "_gone",
        "_kinds",
        "_lifecycle",
        "_places",
        "_published",
        "_retired",
        "_sunsets",
    )

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        published: Published,
        gone: Callable[[str, str], bool],
    ) -> None:
        self._gone = gone
        self._catalogue = catalogue
        self._lifecycle = settings.lifecycle
        self._published = published
        self._kinds = {name: provider.kind for name, provider in settings.providers.items()}
        self._places = _places(settings, catalogue)
        self._allowed = _allowed(settings)
        self._default = _default(settings)
        self._retired = Minute[tuple[str, str], bool]()
        self._sunsets = Minute[tuple[str, bool], Headers]()

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
        """`Sunset`, `Deprecation` and `Link` for a requested model with a known end. For the rest of a minute the link may
        name a successor just found missing: it informs, it decides nothing."""
        row = self.row(name)
        if row is None:
            return ()
        # Not by the name: callers can make up any number of names for one fine-tuned model.
        key = (row.name, row.fine_tuned)
        kept = self._sunsets.get(key, now)
        return self._sunsets.keep(key, self._sunset(name, row, now), now) if kept is None else kept

    def _sunset(self, name: str, row: ModelRow, now: float) -> Headers:
        place = self._places[row.name][0]
        ends = shutdown_of(row, place.provider, self._published, self._kinds[place.provider])
        if ends is None:
            return ()
        chain = successors_of(self._catalogue, name, now, lambda other: self._ended(other, now))
        return sunset_headers(row, ends, chain.first.model if chain.first else "")

    def shutdowns(self) -> Iterator[tuple[str, str, float]]:
        """(provider, model, first second it no longer answers) of every deployment with a known end."""
        for row in self._catalogue:
            for place in self._places.get(row.name, ()):
                ends = shutdown_of(row, place.provider, self._published, self._kinds[place.provider])
                if ends is not None:
                    yield place.provider, row.name, ends

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
            return Found(known=False)
        if target.provider and target.provider not in self._allowed:
            return Found(known=False)
        if self._ended(row, errand.now):
            return self._succeed(target, errand)
        return self._serve(target, row, errand)

    def heirs(self, name: str, now: float) -> Succession | None:
        """The chain that stands in for a model that has ended; None while somebody serves it, or nobody knows it."""
        row = self.row(name)
        if row is None or not self._ended(row, now):
            return None
        return self._chain(name, now)

    def _chain(self, name: str, now: float) -> Succession:
        return successors_of(
            self._catalogue,
            name,
            now,
            lambda other: self._ended(other, now),
            allow_dearer=self._lifecycle.allow_dearer,
        )

    def _succeed(self, target: Target, errand: Errand) -> Found:
        chain = self._chain(target.written, errand.now)
        candidates: list[Candidate] = []
        considered: list[Found] = []
        reasons: list[str] = [chain.why] if chain.why else []
        for step in chain.living:
            heir = Target(
                step.model, target.effort or step.effort, decides=bool(target.effort) and target.decides
            )
            found = self.find(heir, replace(errand, reason=Reason.SUCCESSOR))
            candidates += found.candidates
            considered.append(found)
            if found.why:
                reasons.append(f"{step.model}: {found.why}")
            if errand.one and candidates:
                break
        if candidates:
            return Found(tuple(candidates))
        windows = [found.window_tokens for found in considered]
        return Found(
            why=f"it has been shut down and {'; '.join(reasons)}",
            for_logprobs=any(found.for_logprobs for found in considered),
            window_tokens=max(windows) if windows and all(windows) else 0,
        )

    def _serve(self, target: Target, row: ModelRow, errand: Errand) -> Found:
        request = errand.request
        translation = self._translated(target, row, errand)
        if translation.excluded:
            return Found(why=translation.excluded, for_logprobs=translation.excluded == "logprobs")
        if not self._fits(row, errand):
            why = f"about {errand.input_tokens:,} tokens do not fit its window of {row.context:,}"
            return Found(why=why, window_tokens=row.context)
        effort = translation.effort or _effort(row, request, target)
        there = self._at(row, target.provider)
        living = [place for place in there if not self._ended_at(place, row, errand.now)]
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
            for place in _by_weight(tuple(living), request)
        ]
        settled = translation is UNCHANGED[translation.endpoint] and len(there) == 1
        return Found(tuple(candidates), settled=settled)

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

    def _ended(self, row: ModelRow, now: float) -> bool:
        """Retired wherever it could be served."""
        return all(self._ended_at(place, row, now) for place in self._places.get(row.name, ()))

    def _ended_at(self, place: Place, row: ModelRow, now: float) -> bool:
        """Past its end at this provider, or found to be gone there before it."""
        return self._retired_at(place.provider, row, now) or self.gone(place.provider, row.name)

    def gone(self, provider: str, model: str) -> bool:
        """Whether the provider was just found to have no such model."""
        return self._gone(provider, model)

    def _retired_at(self, provider: str, row: ModelRow, now: float) -> bool:
        key = (provider, row.name)
        kept = self._retired.get(key, now)
        if kept is not None:
            return kept
        retired = is_retired(
            row,
            provider,
            now,
            margin_hours=self._lifecycle.margin_hours,
            published=self._published,
            kind=self._kinds[provider],
        )
        return self._retired.keep(key, retired, now)


def _places(settings: Settings, catalogue: Catalogue) -> Mapping[str, tuple[Place, ...]]:
    """Who serves each model: its own deployments, else the provider named openai, else the first of its kind."""
    allowed = _allowed(settings)
    found = {row.name: [p for p in _places_of(row, settings) if p.provider in allowed] for row in catalogue}
    return {name: tuple(places) for name, places in found.items() if places}


def _allowed(settings: Settings) -> frozenset[str]:
    """Providers that requests may go to: a caller's own key goes to the first one and never anywhere else."""
    if settings.auth.mode == "passthrough":
        return frozenset({settings.passthrough_provider})
    return frozenset(settings.providers)


def _places_of(row: ModelRow, settings: Settings) -> Iterator[Place]:
    written = settings.models.get(row.name)
    if written is not None and written.deployments:
        for deployment in written.deployments:
            yield Place(deployment.provider, deployment.model or "", deployment.weight)
        return
    default = _default(settings)
    if default is not None and row.provider_kind == "openai":
        yield default
    for name, provider in settings.providers.items():
        called = next((provider.deployments[one] for one in row.names if one in provider.deployments), "")
        if called:
            yield Place(name, called)
        elif provider.kind == "litellm" and _serves(provider.litellm_provider or "", row.provider_kind):
            yield Place(name)


def _serves(provider: str, kind: str) -> bool:
    """Whether a litellm provider has the models that the price map says are of `kind` (`bedrock` those of `bedrock_converse`).
    Google's are listed once, under the name of its other platform."""
    return kind.startswith(provider) or (provider == "gemini" and kind.startswith("vertex_ai"))


def _default(settings: Settings) -> Place | None:
    """The provider named openai, else the first of its kind."""
    allowed = _allowed(settings)
    kinds = [(name, provider.kind) for name, provider in settings.providers.items() if name in allowed]
    compatible = [name for name, kind in kinds if kind == "openai"]
    if not compatible:
        return None
    return Place(_HOME if _HOME in compatible else compatible[0])


def _by_weight(places: tuple[Place, ...], request: Request) -> tuple[Place, ...]:
    """Deployments in the order to try: one chosen by weight, the rest behind it.

    Weighted rendezvous hashing: each place scores -weight / ln(h) with h drawn from (place, conversation), the highest
    comes first; a conversation stays where its prompt cache is, and changing one weight moves only that place's share.
    """
    if len(places) <= 1:
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
    return target.effort or (sent if isinstance(sent, str) else "") or family.default_effort
