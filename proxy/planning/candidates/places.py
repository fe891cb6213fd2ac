"""Where models are served: which providers have them, which may be asked, and in which order for one conversation."""

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from proxy.models.catalogue import Catalogue
from proxy.models.rows import ModelRow
from proxy.parse import Request
from proxy.routing.stickiness import opening_of
from proxy.settings import Settings

_HOME = "openai"


@dataclass(frozen=True, slots=True)
class Place:
    """One deployment: a provider, and the model's name there when it differs."""

    provider: str
    upstream_model: str = ""
    weight: int = 1


def places_in(settings: Settings, catalogue: Catalogue) -> Mapping[str, tuple[Place, ...]]:
    """Who serves each model: its own deployments, else the provider named openai, else the first of its kind."""
    allowed = allowed_in(settings)
    found = {row.name: [p for p in _places_of(row, settings) if p.provider in allowed] for row in catalogue}
    return {name: tuple(places) for name, places in found.items() if places}


def allowed_in(settings: Settings) -> frozenset[str]:
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
    default = default_in(settings)
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


def default_in(settings: Settings) -> Place | None:
    """The provider named openai, else the first of its kind."""
    allowed = allowed_in(settings)
    kinds = [(name, provider.kind) for name, provider in settings.providers.items() if name in allowed]
    compatible = [name for name, kind in kinds if kind == "openai"]
    if not compatible:
        return None
    return Place(_HOME if _HOME in compatible else compatible[0])


def by_weight(places: tuple[Place, ...], request: Request) -> tuple[Place, ...]:
    """Deployments in the order to try: one chosen by weight, the rest behind it.

    Weighted rendezvous hashing: each place scores -weight / ln(h) with h drawn from (place, conversation), the highest
    comes first; a conversation stays where its prompt cache is, and changing one weight moves only that place's share.
    """
    if len(places) <= 1:
        return places
    talk = request.session.encode() or msgspec.json.encode(opening_of(request.fields))
    return tuple(sorted(places, key=lambda place: _score(place, talk), reverse=True))


def _score(place: Place, talk: bytes) -> float:
    name = f"{place.provider}\0{place.upstream_model}\0".encode()
    draw = int.from_bytes(hashlib.blake2b(name + talk, digest_size=7).digest(), "big")
    return -place.weight / math.log((draw + 1) / (2**56 + 1))
