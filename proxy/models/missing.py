"""A provider answers 404 `model_not_found` for a model that should live: is the model gone, or may this key not use it?

One state per (provider, model), events in, verdict out:

    state      event            next       verdict   because
    ALIVE      NOT_FOUND        SUSPECTED  CHECK     a fresh model list with the same credential tells
    ALIVE      anything else    ALIVE      FORWARD
    SUSPECTED  NOT_FOUND        GONE       SUCCEED   when a second credential got it, one of them ours
                                SUSPECTED  CHECK     otherwise; FORWARD when the list was asked moments ago
    SUSPECTED  UNLISTED         GONE       SUCCEED   the list of a credential that got the 404 lacks it (or dates it past)
    SUSPECTED  LISTED           ALIVE      FORWARD   it lives; the 404 was about the key
    GONE       NOT_FOUND        GONE       SUCCEED
    GONE       LISTED           ALIVE      FORWARD
    GONE       UNLISTED         GONE       SUCCEED

A passthrough key proves nothing alone: its owner may simply have no access, and must not move everybody else's traffic.
SUSPECTED and GONE are forgotten after five minutes, whatever polls say: one request then asks again. SUCCEED means: this same request goes to the successor now.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

MEMORY_S = 300.0
CHECK_AGAIN_S = 15.0


class State(StrEnum):
    ALIVE = "alive"
    SUSPECTED = "suspected"
    GONE = "gone"


class Event(StrEnum):
    NOT_FOUND = "not_found"
    LISTED = "listed"
    UNLISTED = "unlisted"


class Verdict(StrEnum):
    FORWARD = "forward"
    CHECK = "check"
    SUCCEED = "succeed"


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is known of one (provider, model). `own` and `guests` are hashes of credentials that got the 404: ours, and
    callers' own (passthrough). Times are of one monotonic clock."""

    state: State = State.ALIVE
    own: frozenset[str] = frozenset()
    guests: frozenset[str] = frozenset()
    since_s: float = 0.0
    checked_s: float = float("-inf")


UNSUSPECTED = Sighting()


def is_gone(sighting: Sighting, now_s: float) -> bool:
    """Whether requests skip this (provider, model) now."""
    return sighting.state is State.GONE and now_s - sighting.since_s < MEMORY_S


def step(
    sighting: Sighting, event: Event, now_s: float, credential: str = "", *, passthrough: bool = False
) -> tuple[Sighting, Verdict]:
    """The next sighting and what to do with the request (or the poll) that brought the event."""
    if sighting.state is not State.ALIVE and now_s - sighting.since_s >= MEMORY_S:
        sighting = UNSUSPECTED
    return _TABLE[sighting.state, event](sighting, now_s, credential, passthrough)


def _suspect(
    sighting: Sighting, now_s: float, credential: str, passthrough: bool
) -> tuple[Sighting, Verdict]:
    if passthrough:
        sighting = replace(sighting, guests=sighting.guests | {credential})
    else:
        sighting = replace(sighting, own=sighting.own | {credential})
    since_s = now_s if sighting.state is State.ALIVE else sighting.since_s
    if sighting.own and len(sighting.own | sighting.guests) > 1:
        return replace(sighting, state=State.GONE, since_s=now_s), Verdict.SUCCEED
    asked = now_s - sighting.checked_s < CHECK_AGAIN_S
    checked_s = sighting.checked_s if asked or passthrough else now_s
    verdict = Verdict.FORWARD if asked or passthrough else Verdict.CHECK
    return replace(sighting, state=State.SUSPECTED, since_s=since_s, checked_s=checked_s), verdict


def _unlisted(
    sighting: Sighting, now_s: float, credential: str, passthrough: bool
) -> tuple[Sighting, Verdict]:
    if passthrough or credential not in sighting.own:
        return sighting, Verdict.FORWARD
    return replace(sighting, state=State.GONE, since_s=now_s), Verdict.SUCCEED


def _alive(sighting: Sighting, now_s: float, credential: str, passthrough: bool) -> tuple[Sighting, Verdict]:
    """A listed model lives. When it was asked is remembered, so that a key without access does not poll for ever."""
    del now_s, credential, passthrough
    return Sighting(checked_s=sighting.checked_s), Verdict.FORWARD


def _still_gone(
    sighting: Sighting, now_s: float, credential: str, passthrough: bool
) -> tuple[Sighting, Verdict]:
    del now_s, credential, passthrough
    return sighting, Verdict.SUCCEED


_Step = Callable[[Sighting, float, str, bool], tuple[Sighting, Verdict]]
_TABLE: dict[tuple[State, Event], _Step] = {
    (State.ALIVE, Event.NOT_FOUND): _suspect,
    (State.ALIVE, Event.LISTED): _alive,
    (State.ALIVE, Event.UNLISTED): lambda sighting, *_: (sighting, Verdict.FORWARD),
    (State.SUSPECTED, Event.NOT_FOUND): _suspect,
    (State.SUSPECTED, Event.LISTED): _alive,
    (State.SUSPECTED, Event.UNLISTED): _unlisted,
    (State.GONE, Event.NOT_FOUND): _still_gone,
    (State.GONE, Event.LISTED): _alive,
    (State.GONE, Event.UNLISTED): _still_gone,
}
