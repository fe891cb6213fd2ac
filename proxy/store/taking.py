"""Calls of `hold_v2` as bytes, and its answers as grants or refusals. Pure: the ledger sends and waits.

Most words of a call are the same for every request with the same counters: they are packed once, with their `Place`.
"""

from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from proxy.budgets.holds import HoldSize
from proxy.budgets.scopes import Counter, Tab
from proxy.budgets.windows import Window, Windows
from proxy.errors import ApiError
from proxy.store import keys, refusals, resp
from proxy.store.ports import HoldRequest, Standing
from proxy.store.scripts import HOLD

_DAY_S: Final = 86_400
_OWN_KEYS: Final = 6
"""KEYS of hold_v2 before those of the counters."""
_KIND_WORDS: Final = {"money": "m", "user": "u", "requests": "r", "tokens": "t", "concurrent": "c"}
_NO_LIMIT: Final = str(2**53 - 1)
_MOST_PLACES: Final = 4096


own_keys = lru_cache(maxsize=4096)(keys.own_words)
"""They are needed when a hold is taken and again when it is settled."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where the counters of a tab count at present: the windows, the keys that follow, and both as words.
    Good from `start` to `end`, while neither a window nor the day turns.

    Packed are the beginning of a call, the keys behind those of the hold itself, and the words about the counters."""

    counters: tuple[Counter, ...]
    windows: tuple[Window, ...]
    ends: tuple[int, ...]
    names: tuple[str, ...]
    shared: tuple[str, ...]
    words: tuple[str, ...]
    start: int
    end: int
    packed_head: bytes
    packed_names: bytes
    packed_words: bytes

    def standings(self, told: list[int]) -> tuple[Standing, ...]:
        """What a grant told about the counters; nothing when it repeated an earlier answer."""
        found: list[Standing] = []
        if told:
            at = 0
            for counter, end in zip(self.counters, self.ends, strict=True):
                found.append(Standing(counter, told[at], told[at + 1], told[at + 2], end))
                at += 3
        return tuple(found)


class Places:
    """Remembers places: many requests have the very same tab (see `Book.tab`), and windows seldom turn."""

    __slots__ = ("_known", "_windows")

    def __init__(self) -> None:
        self._known: dict[Tab, Place] = {}
        self._windows = Windows()

    def at(self, request: HoldRequest, now_s: float) -> Place:
        """Where this request counts at this time."""
        place = self._known.get(request.tab)
        if place is None or not place.start <= now_s < place.end:
            if len(self._known) >= _MOST_PLACES:
                self._known.clear()
            place = self._known[request.tab] = self._made(request.tab.counters, request.key_name, now_s)
        return place

    def _made(self, counters: tuple[Counter, ...], key_name: str, now_s: float) -> Place:
        windows = tuple([self._windows.at(counter.per, counter.zone, now_s) for counter in counters])
        pairs = list(zip(counters, windows, strict=True))
        told: list[Any] = [len(counters)]
        for counter, window in pairs:
            told += (_KIND_WORDS[counter.kind], counter.limit, window.start, window.end)
        words = tuple(map(str, told))
        names = tuple([keys.counter(counter, window) for counter, window in pairs])
        shared = tuple(
            [keys.shared_bucket(counter, window) for counter, window in pairs if counter.kind == "user"]
        )
        day = int(now_s // _DAY_S) * _DAY_S
        count = _OWN_KEYS + len(names) + len(shared)
        head = b"*%d\r\n" % (3 + count + 1 + len(words))
        return Place(
            counters,
            windows,
            tuple([window.end for window in windows]),
            names,
            shared,
            words,
            max([day, *[window.start for window in windows]]),
            min([day + _DAY_S, *[window.end for window in windows]]),
            packed_head=head + resp.words(("EVALSHA", HOLD.sha, str(count), keys.META, keys.OPEN)),
            packed_names=resp.words((keys.LIVE, keys.users(key_name, day), *names, *shared)),
            packed_words=resp.words(words),
        )


class Taking(msgspec.Struct, frozen=True, gc=False):
    """One attempt to take a hold."""

    request: HoldRequest
    hold_id: str
    place: Place

    def packed(self, epoch: str, seq: int, lease_ms: int, most_new_users: int) -> bytes:
        """The call of hold_v2; KEYS and ARGV are in its order."""
        hold_id, place, request, size = self.hold_id, self.place, self.request, self.request.size
        own = (
            f"{hold_id} {epoch} {seq} {lease_ms} {size.amount_nano} {size.smallest_nano} {size.reasoning_nano} "
            f"{request.tokens} {most_new_users} {request.user_hash}\n{request.label}"
        ).encode()
        parts = (place.packed_head, own_keys(hold_id), place.packed_names, resp.word(own), place.packed_words)
        return b"".join(parts)

    def granted(self, amount_nano: int) -> "Taking":
        """The same attempt for exactly what it was granted, and not to be refused."""
        size = HoldSize(amount_nano, None, amount_nano)
        words = tuple([_NO_LIMIT if i % 4 == 2 else word for i, word in enumerate(self.place.words)])
        place = replace(self.place, words=words, packed_words=resp.words(words))
        return replace(self, request=replace(self.request, size=size), place=place)

    def in_shared_bucket(self) -> tuple[str, ...]:
        """The keys the hold is in when its user is one too many."""
        shared = iter(self.place.shared)
        pairs = zip(self.place.counters, self.place.names, strict=True)
        return tuple([next(shared) if counter.kind == "user" else name for counter, name in pairs])

    def refusal(self, reply: list[Any], now_s: float) -> tuple[Standing, ApiError]:
        """The counter that refused, and what the caller is told."""
        index = reply[3] - 1
        counter, window = self.place.counters[index], self.place.windows[index]
        standing = Standing(counter, reply[5], reply[6], reply[7], window.end)
        if reply[4] == b"final":
            return standing, refusals.final(standing, self.request)
        return standing, refusals.wait(standing, self.request, now_s)
