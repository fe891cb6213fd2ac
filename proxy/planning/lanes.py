"""From a routed request to who serves it: its task, the route's list for that, and whether its conversation stays put.

The caller's `x-switchyard-task` is taken at its word. Otherwise the classifier decides, and in a later turn of a
conversation the model stays the one its opening was served by unless moving pays (routing.stickiness). When nobody on a
task's list can take a request (too long, images, logprobs), the route's default list is asked before it is refused.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec.structs import replace

from proxy.errors import BadRequest
from proxy.nouns import Asks, Candidate, Reason
from proxy.parse import Request
from proxy.planning.candidates import Errand, Target
from proxy.planning.choice import Choice, Chooser, Shortlist
from proxy.routing.classifier import Verdict
from proxy.routing.policy import Wishes, lane
from proxy.routing.stickiness import CACHED_FROM_TOKENS, Costs, Talk, decide, talk_of
from proxy.routing.tasks import TASKS
from proxy.routing.verdicts import Verdicts
from proxy.settings import Route
from proxy.sizing import expected_nano

_LOOP: Final = "inside a tool loop, which ends on the model that began it"


class Lane(msgspec.Struct, frozen=True, gc=False):
    """The outcome: what the request is, who serves it, and `why` where that is not simply its task's list."""

    verdict: Verdict
    choice: Choice
    why: str = ""


class _Trip(msgspec.Struct, frozen=True, gc=False):
    """What stays the same while lists are compared."""

    route: Route
    errand: Errand
    wishes: Wishes


_List = tuple[int, str, str]
"""A route, the task whose list it is, and a difficulty."""


class Lanes:
    """One per snapshot of the settings. `read` turns a name of the configuration into a target."""

    __slots__ = ("_chooser", "_lists", "_read", "_verdicts")

    def __init__(self, chooser: Chooser, verdicts: Verdicts, read: Callable[[str], Target]) -> None:
        self._chooser = chooser
        self._verdicts = verdicts
        self._read = read
        self._lists: dict[_List, tuple[Shortlist, ...]] = {}

    def find(self, route: Route, errand: Errand, wishes: Wishes, asks: Asks) -> Lane:
        """Who serves this request on `route`. Raises BadRequest for a task that there is not."""
        trip = _Trip(route, errand, wishes)
        if asks.task:
            return self._told(trip, asks.task)
        verdict = self._verdicts.of(errand.request.fields)
        talk = talk_of(errand.request.fields)
        if talk is not None:
            return self._in_talk(trip, verdict, talk)
        return Lane(verdict, self._serving(trip, verdict, probing=True), lane(verdict)[1])

    def evidence(self, request: Request) -> tuple[str, ...]:
        """What the verdict on this request goes by; costs more than the verdict."""
        return self._verdicts.explained(request.fields).evidence

    def _told(self, trip: _Trip, task: str) -> Lane:
        if task not in TASKS:
            raise BadRequest(
                f"x-switchyard-task must be one of {', '.join(TASKS)}; got {task!r}",
                param="x-switchyard-task",
            )
        verdict = Verdict(task, 1.0, 1.0, "medium", unsure=False)
        trip = replace(trip, errand=replace(trip.errand, reason=Reason.CALLER))
        return Lane(verdict, self._serving(trip, verdict, probing=True))

    def _serving(self, trip: _Trip, verdict: Verdict, *, probing: bool = False) -> Choice:
        """Who serves a request with this verdict: its list, or the route's default when none of that can."""
        lists = self._lists_for(trip.route, verdict)
        return self._chooser.first_of(lists, trip.errand, trip.wishes, probing=probing)

    def _in_talk(self, trip: _Trip, verdict: Verdict, talk: Talk) -> Lane:
        """A later turn, or a step of a tool loop: that goes where its question went."""
        asked = self._verdicts.of(talk.asking) if talk.in_tool_loop else verdict
        choice, why = self._stay_or_move(trip, asked, talk)
        if not talk.in_tool_loop or self._same(trip.route, verdict, asked):
            return Lane(verdict, choice, why)
        own = self._serving(trip, verdict)
        same = not choice.candidates or _model(own) == _model(choice)
        return Lane(verdict, choice, why) if same else Lane(verdict, _stuck(choice), why or _LOOP)

    def _stay_or_move(self, trip: _Trip, asked: Verdict, talk: Talk) -> tuple[Choice, str]:
        moving, why = self._serving(trip, asked), lane(asked)[1]
        opening = self._verdicts.of(talk.opening)
        if not moving.candidates or self._same(trip.route, opening, asked):
            return moving, why
        staying = self._serving(trip, opening)
        if not staying.candidates or _model(staying) == _model(moving):
            return moving, why
        here, there = staying.candidates[0], moving.candidates[0]
        stance = decide(talk, here.reasons, there.reasons, _costs(trip.errand.request, talk, here, there))
        if stance.moves:
            return moving, f"moves from {here.model} to {there.model}: {stance.why}"
        return _stuck(
            staying.and_then(moving)
        ), f"stays on {here.model} rather than {there.model}: {stance.why}"

    def _same(self, route: Route, one: Verdict, other: Verdict) -> bool:
        """Whether two verdicts lead to the same models."""
        return self._lists_for(route, one)[0].targets == self._lists_for(route, other)[0].targets

    def _lists_for(self, route: Route, verdict: Verdict) -> tuple[Shortlist, ...]:
        """The list of a verdict, and behind it what else the route's default has. Routes live as long as this does, so that
        each is read once."""
        key = (id(route), lane(verdict)[0], verdict.difficulty)
        found = self._lists.get(key)
        if found is None:
            targets = self._read_all(route.candidates(key[1], key[2]))
            rest = [target for target in self._read_all(route.default) if target not in targets]
            found = self._lists[key] = tuple([Shortlist(each) for each in (targets, rest) if each])
        return found

    def _read_all(self, written: tuple[object, ...]) -> list[Target]:
        return [self._read(str(target)) for target in written]


def _model(choice: Choice) -> str:
    return choice.candidates[0].model if choice.candidates else ""


def _stuck(choice: Choice) -> Choice:
    """The same choice, saying that the conversation made it."""
    model = _model(choice)
    told = tuple([replace(c, reason=Reason.STICKY) if c.model == model else c for c in choice.candidates])
    return replace(choice, candidates=told)


def _costs(request: Request, talk: Talk, here: Candidate, there: Candidate) -> Costs | None:
    """What the turn is expected to cost with either model."""
    tokens = talk.prefix_tokens + talk.question_tokens
    cached = talk.prefix_tokens if talk.prefix_tokens >= CACHED_FROM_TOKENS else 0
    staying = expected_nano(request, here, tokens, cached)
    moving, moving_cached = (
        expected_nano(request, there, tokens),
        expected_nano(request, there, tokens, cached),
    )
    if staying is None or moving is None or moving_cached is None:
        return None
    return Costs(staying, moving, moving_cached)
