"""What a provider turned out to refuse although our tables say it is taken: mended once, then remembered for a while.

Only a 400 with code `unsupported_parameter` or `unsupported_value` that names one of the parameters below teaches
anything. They are the ones an answer means the same without (a hint, a speed-up) or whose loss translation lists as well
(sampling). Never mended, whatever a provider says, because it would change what is asked, shown, stored or paid:
messages, tools and their choice, response_format, stop, n, logprobs, the value of a cap, effort, modalities, store,
service_tier, safety_identifier, previous_response_id, stream.

Remembered per (provider, model, endpoint, effort, with tools or not, parameter): the same parameter may be fine with
another effort. An entry expires, because providers change their minds, and can be forgotten by command. What one worker
learns it tells the others (`tell`), so that each refusal is met once.

Nobody teaches others a falsehood: a value that no model takes proves nothing about the parameter, nor does an effort that
does not exist, and what was refused to a caller's own key is remembered for that key alone and told to nobody.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from proxy.models.draft import REMOVE, Change
from proxy.models.rows import KNOWN_EFFORTS
from proxy.models.validity import fault_of

CODES = frozenset({"unsupported_parameter", "unsupported_value"})
REMEMBER_S = 24 * 3600.0
MAX_ENTRIES = 1000

_RENAMES = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_DROPS = frozenset(
    (
        *("temperature", "top_p", "presence_penalty", "frequency_penalty", "logit_bias", "seed", "verbosity"),
        *(
            "prediction",
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
            "parallel_tool_calls",
        ),
    )
)
MENDABLE = _DROPS | _RENAMES.keys()


_EFFORTS = frozenset((*KNOWN_EFFORTS, "default"))


class _Error(msgspec.Struct, gc=False):
    code: str | int | None = None
    param: str | None = None


class _Body(msgspec.Struct, gc=False):
    error: _Error


_body = msgspec.json.Decoder(_Body)


class Place(NamedTuple):
    """Where a refusal holds. `effort` is the one in force ("none" for models without), `tools` whether tools were sent.
    `owner` is the caller whose own key it holds for, "" where the key is ours and it holds for all."""

    provider: str
    model: str
    endpoint: str
    effort: str
    tools: bool
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Mend:
    """What to do about a refused parameter: rename it, or drop it when `rename` is ""."""

    parameter: str
    rename: str = ""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One remembered mend, as `switchyard models --learned` lists it."""

    place: Place
    mend: Mend
    expires: float


def mend_for(status: int, body: bytes, fields: Mapping[str, Any]) -> Mend | None:
    """What a refusal teaches about a request with `fields`; None when it is not ours to mend."""
    if status != 400:
        return None
    try:
        error = _body.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    name = error.param or ""
    if error.code not in CODES or name not in MENDABLE or fields.get(name) is None:
        return None
    if fault_of(name, fields[name]) is not None:
        return None
    if name == "parallel_tool_calls" and fields[name] is not True:
        return None
    rename = _RENAMES.get(name, "")
    if rename and fields.get(rename) is not None:
        return Mend(name)
    return Mend(name, rename)


def apply(mends: tuple[Mend, ...], fields: Mapping[str, Any]) -> tuple[dict[str, bytes], tuple[Change, ...]]:
    """Edits (see parse.splice) and listed changes for what is remembered; parameters that were not sent cost nothing."""
    edits: dict[str, bytes] = {}
    changes: list[Change] = []
    for mend in mends:
        value = fields.get(mend.parameter)
        if value is None:
            continue
        edits[mend.parameter] = REMOVE
        if mend.rename:
            edits[mend.rename] = msgspec.json.encode(value)
            changes.append(Change(f"{mend.parameter}->{mend.rename} (learned)"))
        else:
            changes.append(Change(f"{mend.parameter}:dropped (learned)", loss=True))
    return edits, tuple(changes)


def packed(lesson: Lesson) -> tuple[str, bytes]:
    """A lesson as others keep it: what it is about, and all of it."""
    place = lesson.place
    about = (place.provider, place.model, place.endpoint, place.effort, place.tools, lesson.mend.parameter)
    return msgspec.json.encode(about).decode(), msgspec.json.encode(lesson)


def unpacked(texts: Iterable[bytes]) -> list[Lesson]:
    """The lessons that others keep; what another version wrote and we cannot read is passed over."""
    found = []
    for text in texts:
        try:
            lesson = msgspec.json.decode(text, type=Lesson)
        except msgspec.DecodeError:
            continue
        if lesson.mend.parameter in MENDABLE and not lesson.place.owner:
            found.append(lesson)
    return found


def _nobody(lesson: Lesson) -> None:
    del lesson


@dataclass(slots=True)
class Learned:
    """The memory of one process. Mutable; owned by whoever builds it, times come from the caller. `tell` hears of what is
    new and may be told to others."""

    tell: Callable[[Lesson], None] = _nobody
    _lessons: dict[Place, dict[str, Lesson]] = field(default_factory=dict)

    def is_empty(self) -> bool:
        """Whether nothing is remembered at all, as nearly always."""
        return not self._lessons

    def remember(self, place: Place, mend: Mend, now: float) -> None:
        """Keep a mend for a day. When full, nothing new is learned until something expires."""
        if place.effort not in _EFFORTS:
            return
        if sum(map(len, self._lessons.values())) >= MAX_ENTRIES:
            self._expire(now)
        if sum(map(len, self._lessons.values())) >= MAX_ENTRIES:
            return
        lesson = Lesson(place, mend, now + REMEMBER_S)
        self._keep(lesson)
        if not place.owner:
            self.tell(lesson)

    def take_up(self, told: Iterable[Lesson], now: float) -> None:
        """What all workers know, in place of what was known here; what holds for single callers stays."""
        own = {place: known for place, known in self._lessons.items() if place.owner}
        self._lessons = own
        for lesson in told:
            if lesson.expires > now and sum(map(len, self._lessons.values())) < MAX_ENTRIES:
                self._keep(lesson)

    def _keep(self, lesson: Lesson) -> None:
        known = self._lessons.setdefault(lesson.place, {})
        # Two spellings that each refuse in favour of the other: the newer refusal is right.
        known.pop(lesson.mend.rename, None)
        known[lesson.mend.parameter] = lesson

    def mends(self, place: Place, now: float) -> tuple[Mend, ...]:
        """What to do to a request before it goes to `place`."""
        known = self._lessons.get(place)
        if not known:
            return ()
        return tuple(lesson.mend for lesson in known.values() if lesson.expires > now)

    def lessons(self, now: float) -> Iterator[Lesson]:
        """Everything remembered and not expired."""
        for known in self._lessons.values():
            yield from (lesson for lesson in known.values() if lesson.expires > now)

    def _expire(self, now: float) -> None:
        for place, known in list(self._lessons.items()):
            living = {name: lesson for name, lesson in known.items() if lesson.expires > now}
            if living:
                self._lessons[place] = living
            else:
                del self._lessons[place]
