"""Which models have ended where they are served, and who stands in for them. One snapshot of dates; what was found missing
is asked anew each time."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from proxy.models.catalogue import Catalogue
from proxy.models.lifecycle import Published, is_retired, shutdown_of, sunset_headers
from proxy.models.rows import ModelRow
from proxy.models.succession import Succession, successors_of
from proxy.planning.candidates.places import Place
from proxy.planning.minute import Minute
from proxy.settings import Settings

Headers = tuple[tuple[bytes, bytes], ...]
Gone = frozenset[tuple[str, str]]
ENDED: Final = "has been shut down"
MISSING: Final = "there is no such model"
NOTHING_GONE: Final = Gone()


class Ends:
    """`gone()` says what was found missing before its time (provider, model), and is forgotten again."""

    __slots__ = (
        "_catalogue",
        "_kinds",
        "_lifecycle",
        "_places",
        "_published",
        "_retired",
        "_sunsets",
        "gone",
    )

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        places: Mapping[str, tuple[Place, ...]],
        published: Published,
        gone: Callable[[], Gone],
    ) -> None:
        self._catalogue = catalogue
        self._lifecycle = settings.lifecycle
        self._kinds = {name: provider.kind for name, provider in settings.providers.items()}
        self._places = places
        self._published = published
        self._retired = Minute[tuple[str, str], bool]()
        self._sunsets = Minute[tuple[str, bool], Headers]()
        self.gone = gone

    def ended(self, row: ModelRow, now: float) -> bool:
        """Retired wherever it could be served."""
        return all(self.ended_at(place, row, now) for place in self._places.get(row.name, ()))

    def ended_at(self, place: Place, row: ModelRow, now: float) -> bool:
        """Past its end at this provider, or found to be gone there before it."""
        return self._retired_at(place.provider, row, now) or (place.provider, row.name) in self.gone()

    def how(self, name: str, now: float) -> str:
        """How a model came to its end: by its day, or because its providers say that they do not have it."""
        row = self._catalogue.resolve(name)
        places = self._places.get(row.name, ()) if row is not None else ()
        found = [place.provider for place in places if row and not self._retired_at(place.provider, row, now)]
        return (
            f"{MISSING} at {', '.join(found)}, which is asked again within minutes,"
            if found
            else f"it {ENDED}"
        )

    def chain(self, name: str, now: float, *, allow_dearer: bool | None = None) -> Succession:
        """Who stands in for a model that has ended. `allow_dearer` None: as the operator has it."""
        allowed = self._lifecycle.allow_dearer if allow_dearer is None else allow_dearer
        return successors_of(
            self._catalogue, name, now, lambda other: self.ended(other, now), allow_dearer=allowed
        )

    def sunset(self, name: str, row: ModelRow, now: float) -> Headers:
        """`Sunset`, `Deprecation` and `Link` for a requested model with a known end. For the rest of a minute the link may
        name a successor just found missing: it informs, it decides nothing."""
        # Not by the name: callers can make up any number of names for one fine-tuned model.
        key = (row.name, row.fine_tuned)
        kept = self._sunsets.get(key, now)
        return self._sunsets.keep(key, self._sunset(name, row, now), now) if kept is None else kept

    def _sunset(self, name: str, row: ModelRow, now: float) -> Headers:
        place = self._places[row.name][0]
        ends = self._end(place, row)
        if ends is None:
            return ()
        chain = self.chain(name, now, allow_dearer=False)
        return sunset_headers(row, ends, chain.first.model if chain.first else "")

    def shutdowns(self) -> Iterator[tuple[str, str, float]]:
        """(provider, model, first second it no longer answers) of every deployment with a known end."""
        for row in self._catalogue:
            for place in self._places.get(row.name, ()):
                ends = self._end(place, row)
                if ends is not None:
                    yield place.provider, row.name, ends

    def last_day(self, row: ModelRow) -> float | None:
        """The first second nobody serves it any more; None while somebody has no known end."""
        ends = [self._end(place, row) for place in self._places.get(row.name, ())]
        dated = [end for end in ends if end is not None]
        return max(dated) if dated and len(dated) == len(ends) else None

    def _end(self, place: Place, row: ModelRow) -> float | None:
        return shutdown_of(row, place.provider, self._published, self._kinds[place.provider])

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
