"""Which of a list of models serve a request, in order, and what became of each of them.

Every target goes through the yard (lifecycle, translation, hard limits), then the policy ranks what is left by money and
latency. When nobody is left and some are out for logprobs alone, they are asked again to serve without: see `translate`.

What was chosen from a list is remembered for a minute: requests of equal terms are served by the same candidates as long as
none of them is too slow.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from proxy.models.rows import KNOWN_EFFORTS
from proxy.nouns import Candidate
from proxy.planning.candidates import Crossing, Errand, Found, Gone, Target, Terms, Yard
from proxy.planning.minute import Minute
from proxy.routing.pace import Pace, Way
from proxy.routing.policy import Ranking, Runner, Wishes, rank
from proxy.sizing import expected_nano, most_nano


class Look(msgspec.Struct, frozen=True, gc=False):
    """One target considered. `candidate` None: it led to nobody, and `why` says why. With a candidate, `why` is the
    reason it was dropped all the same, or a remark on one that is kept."""

    target: Target
    candidate: Candidate | None = None
    why: str = ""
    kept: bool = False


class Choice(msgspec.Struct, frozen=True, gc=False):
    """`candidates` in the order to try. Without any: `why` of each target, `window_tokens` the largest window that was too
    small where size alone was against them, `too_dear` that a cost cap was, `for_logprobs` that some could serve without
    those. `settled` and `untouched`: see Found."""

    candidates: tuple[Candidate, ...]
    looks: tuple[Look, ...]
    why: tuple[str, ...] = ()
    window_tokens: int = 0
    too_dear: bool = False
    for_logprobs: bool = False
    settled: bool = False
    untouched: bool = False

    def and_then(self, other: "Choice") -> "Choice":
        """What comes of two lists, the other one behind."""
        again = {look.target for look in other.looks}
        windows = (self.window_tokens, other.window_tokens)
        return replace(
            self,
            candidates=tuple(_once_each((*self.candidates, *other.candidates))),
            looks=(*[look for look in self.looks if look.target not in again], *other.looks),
            why=(*self.why, *other.why),
            window_tokens=max(windows) if all(windows) else 0,
            too_dear=self.too_dear or other.too_dear,
            for_logprobs=self.for_logprobs or other.for_logprobs,
        )


class Shortlist:
    """Models in the order somebody wrote them. Two of these are never equal, whatever is on them: what else is written where a
    list stands (what a route makes of losses, how late is too late) decides, too."""

    __slots__ = ("targets",)

    def __init__(self, targets: Sequence[Target]) -> None:
        self.targets: Final = tuple(targets)


_Alike = tuple[Shortlist, Terms, str, bool, Gone]
"""What requests have in common that are served by the same candidates of a list."""


class _Kept(NamedTuple):
    """A choice, and where to look how soon its candidates begin."""

    choice: Choice
    paces: tuple[tuple[Way, float], ...]


class Chooser:
    """Chooses among targets for one snapshot of the settings; the pace outlives it."""

    __slots__ = ("_kept", "_pace", "_yard")

    def __init__(self, yard: Yard, pace: Pace) -> None:
        self._yard = yard
        self._pace = pace
        self._kept = Minute[_Alike, _Kept]()

    def first_of(
        self, lists: Sequence[Shortlist], errand: Errand, wishes: Wishes, *, probing: bool
    ) -> Choice:
        """The candidates of the first list that has any for the request, without logprobs if nobody has those.
        `probing`: this request may try one that was too slow."""
        choice = self._first_of(lists, errand, wishes, probing=probing)
        if choice.candidates or not choice.for_logprobs:
            return choice
        last = replace(errand, last_resort=True)
        return self._first_of(lists, last, wishes, probing=probing)

    def first_token_s(self, candidate: Candidate, now: float) -> float:
        """How soon it begins to answer: by live figures, else by the catalogue."""
        return self._pace.first_token_s(way(candidate), self._yard.prior_s(candidate), now)

    def _first_of(
        self, lists: Sequence[Shortlist], errand: Errand, wishes: Wishes, *, probing: bool
    ) -> Choice:
        choice = self._among(lists[0], errand, wishes, probing=probing)
        for those in lists[1:]:
            if choice.candidates:
                break
            choice = choice.and_then(self._among(those, errand, wishes, probing=probing))
        return choice

    def _among(self, those: Shortlist, errand: Errand, wishes: Wishes, *, probing: bool) -> Choice:
        """What becomes of a list, as it was found out before where nothing else is to be expected."""
        terms_decide = (
            not errand.input_tokens and wishes.prefer == "balanced" and wishes.max_cost_nano is None
        )
        if errand.terms is None or not terms_decide:
            return self._weighed(those.targets, errand, wishes, probing=probing)
        alike = (those, errand.terms, errand.reason._value_, errand.last_resort, self._yard.gone())
        kept = self._kept.get(alike, errand.now)
        if kept is not None and self._in_time(kept.paces, wishes.max_first_token_s, errand.now):
            return kept.choice
        choice = self._weighed(those.targets, errand, wishes, probing=probing)
        if choice.settled:
            paces = tuple([(way(each), self._yard.prior_s(each)) for each in choice.candidates])
            if self._in_time(paces, wishes.max_first_token_s, errand.now):
                self._kept.keep(alike, _Kept(choice, paces), errand.now)
        return choice

    def _in_time(self, paces: Sequence[tuple[Way, float]], limit_s: float | None, now: float) -> bool:
        """Whether everybody begins soon enough, so that nobody has to be put last."""
        if limit_s is None:
            return True
        first_token_s = self._pace.first_token_s
        return all(first_token_s(one, prior_s, now) <= limit_s for one, prior_s in paces)

    def _weighed(self, targets: Sequence[Target], errand: Errand, wishes: Wishes, *, probing: bool) -> Choice:
        found = [self._yard.find(target, errand) for target in targets]
        owners = _owners(targets, found)
        runners = [self._runner(candidate, errand, wishes, probing=probing) for candidate, _ in owners]
        ranking = rank(runners, wishes)
        if probing and wishes.max_first_token_s is not None:
            self._keep_pace(ranking, wishes.max_first_token_s, errand.now)
        windows = [one.window_tokens for one in found if one.known]
        crossed = _crossed(targets, found) if errand.traveller is not None else {}
        choice = Choice(
            candidates=tuple([runner.candidate for runner in ranking.kept]),
            looks=tuple(_looks(targets, found, owners, ranking, crossed)) if errand.told else (),
            why=(*[one.why for one in found if one.why], *[why for _, why in ranking.dropped]),
            window_tokens=max(windows) if windows and all(windows) else 0,
            too_dear=bool(ranking.dropped),
            for_logprobs=any(one.for_logprobs for one in found),
            settled=all(one.settled for one in found),
            untouched=len(found) == 1 and found[0].untouched and bool(ranking.kept),
        )
        behind = [(candidate, target) for target, each in crossed.items() for candidate in each.behind]
        return self._with(behind, choice, errand, wishes) if behind else choice

    def _with(
        self, behind: Sequence[tuple[Candidate, Target]], choice: Choice, errand: Errand, wishes: Wishes
    ) -> Choice:
        """The old models of migrations behind everybody else, in no order of merit; a cost cap holds for them too."""
        cap = Wishes(max_cost_nano=wishes.max_cost_nano)
        taken = {(one.model, one.provider) for one in choice.candidates}
        targets = {
            id(candidate): target
            for candidate, target in behind
            if (candidate.model, candidate.provider) not in taken
        }
        runners = [
            self._runner(candidate, errand, cap, probing=False)
            for candidate, _ in behind
            if id(candidate) in targets
        ]
        kept = [runner.candidate for runner in rank(runners, cap).kept]
        told = kept if errand.told else ()
        looks = [Look(targets[id(one)], one, "should the new model fail", kept=True) for one in told]
        return replace(
            choice, candidates=tuple(_once_each((*choice.candidates, *kept))), looks=(*choice.looks, *looks)
        )

    def _keep_pace(self, ranking: Ranking, limit_s: float, now: float) -> None:
        """Remember who was put last, and who is tried although it was."""
        for runner in ranking.late:
            self._pace.put_last(way(runner.candidate), now)
        for runner in ranking.kept:
            if runner.probe:
                self._pace.probe(way(runner.candidate), limit_s, now)

    def _runner(self, candidate: Candidate, errand: Errand, wishes: Wishes, *, probing: bool) -> Runner:
        """The candidate with the figures that somebody wishes to judge it by."""
        request, limit_s = errand.request, wishes.max_first_token_s
        first_token_s = self.first_token_s(candidate, errand.now) if limit_s is not None else 0.0
        late = limit_s is not None and first_token_s > limit_s
        expected = expected_nano(request, candidate) if wishes.prefer == "cheapest" else None
        capped = wishes.max_cost_nano is not None
        most = most_nano(request, candidate, errand.rules.default_max_output) if capped else None
        probe = late and probing and self._pace.due(way(candidate), errand.now)
        return Runner(candidate, first_token_s, expected, most, probe)


def way(candidate: Candidate) -> Way:
    """What first-token times are kept by. An effort may be any word of the caller's; those share one record."""
    effort = candidate.effort if candidate.effort in KNOWN_EFFORTS else ""
    return candidate.provider, candidate.model, effort


def _owners(targets: Sequence[Target], found: Sequence[Found]) -> list[tuple[Candidate, Target]]:
    """Every candidate once per model and provider, with the target it came from."""
    owners: dict[tuple[str, str], tuple[Candidate, Target]] = {}
    for target, one in zip(targets, found, strict=True):
        for candidate in one.candidates:
            owners.setdefault((candidate.model, candidate.provider), (candidate, target))
    return list(owners.values())


def _crossed(targets: Sequence[Target], found: Sequence[Found]) -> dict[Target, Crossing]:
    """What migrations did to each target."""
    pairs = zip(targets, found, strict=True)
    return {target: one.crossing for target, one in pairs if one.crossing is not None}


def _looks(
    targets: Sequence[Target],
    found: Sequence[Found],
    owners: Sequence[tuple[Candidate, Target]],
    ranking: Ranking,
    crossed: Mapping[Target, Crossing],
) -> Iterator[Look]:
    owner = {id(candidate): target for candidate, target in owners}
    for runner in ranking.kept:
        late = "too slow to the first token, so put last" if runner in ranking.late else ""
        target = owner[id(runner.candidate)]
        crossing = crossed.get(target) if crossed else None
        why = "; ".join(filter(None, (crossing.fork.why, late))) if crossing is not None else late
        yield Look(target, runner.candidate, why, kept=True)
    for runner, why in ranking.dropped:
        yield Look(owner[id(runner.candidate)], runner.candidate, why)
    used = set(owner.values())
    for target, one in zip(targets, found, strict=True):
        if not one.candidates:
            yield Look(target, None, one.why or "nobody here serves it")
        elif target not in used:
            yield Look(target, None, "already among the candidates")


def _once_each(candidates: Sequence[Candidate]) -> Iterator[Candidate]:
    seen = set()
    for candidate in candidates:
        key = (candidate.model, candidate.provider)
        if key not in seen:
            seen.add(key)
            yield candidate
