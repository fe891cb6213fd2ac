"""Calls of `hold_v1` as words, and its answers as grants or refusals. Pure: the ledger sends and waits."""

from dataclasses import dataclass, replace
from typing import Any, Final

from proxy.budgets.holds import HoldSize
from proxy.budgets.scopes import Counter
from proxy.budgets.windows import Window, Windows
from proxy.errors import ApiError
from proxy.store import keys, refusals
from proxy.store.client import Word
from proxy.store.ports import HoldRequest, Standing

_DAY_S: Final = 86_400
_KIND_WORDS: Final = {"money": "m", "user": "u", "requests": "r", "tokens": "t", "concurrent": "c"}
_SEPARATOR: Final = "\x1f"
_NO_LIMIT: Final = 2**53 - 1
_MOST_PLACES: Final = 4096
LABEL_FIELDS: Final = (
    "request_id",
    "attempt",
    "endpoint",
    "key_id",
    "key_name",
    "team",
    "user_hash",
    "asked",
    "served",
    "provider",
    "route",
    "task",
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where requests with the same counters count at present: the windows, the keys that follow, and both as words.
    Good from `start` to `end`, while none of the windows turns."""

    counters: tuple[Counter, ...]
    windows: tuple[Window, ...]
    names: tuple[str, ...]
    shared: tuple[str, ...]
    words: tuple[Word, ...]
    start: int
    end: int

    def standings(self, numbers: list[int]) -> tuple[Standing, ...]:
        """What a grant told about the counters; nothing when it repeated an earlier answer."""
        if not numbers:
            return ()
        pairs = zip(self.counters, self.windows, strict=True)
        return tuple(
            [_standing(counter, window, numbers[3 * i :]) for i, (counter, window) in enumerate(pairs)]
        )


class Places:
    """Remembers places: many requests have the very same counters (see `Book.counters`), and windows seldom turn."""

    __slots__ = ("_known", "_windows")

    def __init__(self) -> None:
        self._known: dict[tuple[Counter, ...], Place] = {}
        self._windows = Windows()

    def at(self, counters: tuple[Counter, ...], now_s: float) -> Place:
        """The place of these counters at this time."""
        place = self._known.get(counters)
        if place is None or not place.start <= now_s < place.end:
            if len(self._known) >= _MOST_PLACES:
                self._known.clear()
            place = self._known[counters] = self._made(counters, now_s)
        return place

    def _made(self, counters: tuple[Counter, ...], now_s: float) -> Place:
        windows = tuple([self._windows.at(counter.per, counter.zone, now_s) for counter in counters])
        pairs = list(zip(counters, windows, strict=True))
        words: list[Word] = [len(counters)]
        for counter, window in pairs:
            words += (_KIND_WORDS[counter.kind], counter.limit, window.start, window.end)
        return Place(
            counters,
            windows,
            tuple([keys.counter(counter, window) for counter, window in pairs]),
            tuple(
                [keys.shared_bucket(counter, window) for counter, window in pairs if counter.kind == "user"]
            ),
            tuple(words),
            max([window.start for window in windows]),
            min([window.end for window in windows]),
        )


@dataclass(frozen=True, slots=True)
class Taking:
    """One attempt to take a hold."""

    request: HoldRequest
    hold_id: str
    place: Place

    def keys(self, now_s: float) -> list[str]:
        """KEYS of hold_v1."""
        day = int(now_s // _DAY_S) * _DAY_S
        return [
            keys.META,
            keys.OPEN,
            keys.hold(self.hold_id),
            keys.done(self.hold_id),
            keys.LIVE,
            keys.users(self.request.caller.key_name, day),
            *self.place.names,
            *self.place.shared,
        ]

    def words(self, epoch: str, seq: int, lease_s: float, most_new_users: int) -> list[Word]:
        """ARGV of hold_v1."""
        request, size = self.request, self.request.size
        return [
            self.hold_id,
            epoch,
            seq,
            int(lease_s * 1000),
            size.amount_nano,
            size.smallest_nano,
            size.reasoning_nano,
            request.tokens,
            most_new_users,
            request.user_hash,
            label(request),
            *self.place.words,
        ]

    def granted(self, amount_nano: int) -> "Taking":
        """The same attempt for exactly what it was granted, and not to be refused."""
        size = HoldSize(amount_nano, None, amount_nano)
        words = [_NO_LIMIT if i % 4 == 2 else word for i, word in enumerate(self.place.words)]
        return replace(
            self, request=replace(self.request, size=size), place=replace(self.place, words=tuple(words))
        )

    def counters_used(self, in_shared_bucket: bool) -> tuple[str, ...]:
        """The keys the hold is in."""
        if not in_shared_bucket:
            return self.place.names
        shared = iter(self.place.shared)
        pairs = zip(self.place.counters, self.place.names, strict=True)
        return tuple([next(shared) if counter.kind == "user" else name for counter, name in pairs])

    def refusal(self, reply: list[Any], now_s: float) -> tuple[Standing, ApiError]:
        """The counter that refused, and what the caller is told."""
        index = reply[3] - 1
        standing = _standing(self.place.counters[index], self.place.windows[index], reply[5:])
        if reply[4] == b"final":
            return standing, refusals.final(standing, self.request)
        return standing, refusals.wait(standing, self.request, now_s)


def label(request: HoldRequest) -> str:
    """What the reaper writes into the row of a hold that nobody settles: LABEL_FIELDS in one line."""
    caller = request.caller
    fields = (
        request.request_id,
        str(request.attempt),
        request.endpoint,
        caller.key_id,
        caller.key_name,
        caller.team,
        request.user_hash,
        request.asked,
        request.served,
        request.provider,
        request.route,
        request.task,
    )
    return _SEPARATOR.join(fields).replace("\n", " ")


def read_label(text: str) -> dict[str, str]:
    """The fields of a label by name."""
    return dict(zip(LABEL_FIELDS, text.split(_SEPARATOR), strict=False))


def _standing(counter: Counter, window: Window, numbers: list[int]) -> Standing:
    return Standing(counter, numbers[0], numbers[1], numbers[2], window.end)
