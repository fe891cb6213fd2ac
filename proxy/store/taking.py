"""Calls of `hold_v1` as words, and its answers as grants or refusals. Pure: the ledger sends and waits."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from proxy.budgets.holds import HoldSize
from proxy.budgets.scopes import Counter
from proxy.budgets.windows import Window
from proxy.errors import ApiError
from proxy.store import keys, refusals
from proxy.store.client import Word
from proxy.store.ports import HoldRequest, Standing

_DAY_S: Final = 86_400
_KIND_WORDS: Final = {"money": "m", "user": "u", "requests": "r", "tokens": "t", "concurrent": "c"}
_SEPARATOR: Final = "\x1f"
_NO_LIMIT: Final = 2**53 - 1
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
class Taking:
    """One attempt to take a hold: the request, its windows as believed, and the keys that follow from them."""

    request: HoldRequest
    hold_id: str
    windows: tuple[Window, ...]
    names: tuple[str, ...]
    shared: tuple[str, ...]

    def keys(self, now_s: float) -> list[str]:
        """KEYS of hold_v1."""
        day = int(now_s // _DAY_S) * _DAY_S
        users = keys.users(self.request.caller.key_name, day)
        head = [keys.META, keys.OPEN, keys.hold(self.hold_id), keys.done(self.hold_id), keys.LIVE, users]
        return [*head, *self.names, *self.shared]

    def words(
        self, epoch: str, seq: int, lease_s: float, most_new_users: int, *, unlimited: bool = False
    ) -> list[Word]:
        """ARGV of hold_v1; `unlimited` for what was granted before and must not be refused now."""
        request, size = self.request, self.request.size
        words: list[Word] = [
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
            len(self.windows),
        ]
        for counter, window in zip(request.counters, self.windows, strict=True):
            limit = _NO_LIMIT if unlimited else _limit(counter, request)
            words += (_KIND_WORDS[counter.kind], limit, window.start, window.end)
        return words

    def granted(self, amount_nano: int) -> "Taking":
        """The same attempt for exactly what it was granted."""
        return replace(self, request=replace(self.request, size=HoldSize(amount_nano, None, amount_nano)))

    def counters_used(self, in_shared_bucket: bool) -> tuple[str, ...]:
        """The keys the hold is in."""
        if not in_shared_bucket:
            return self.names
        shared = iter(self.shared)
        pairs = zip(self.request.counters, self.names, strict=True)
        return tuple([next(shared) if counter.kind == "user" else name for counter, name in pairs])

    def standings(self, numbers: list[int]) -> tuple[Standing, ...]:
        """What a grant told about its counters; nothing when it repeated an earlier answer."""
        if not numbers:
            return ()
        pairs = zip(self.request.counters, self.windows, strict=True)
        return tuple(
            [_standing(counter, window, numbers[3 * i :]) for i, (counter, window) in enumerate(pairs)]
        )

    def refusal(self, reply: list[Any], now_s: float) -> tuple[Standing, ApiError]:
        """The counter that refused, and what the caller is told."""
        index = reply[3] - 1
        standing = _standing(self.request.counters[index], self.windows[index], reply[5:])
        if reply[4] == b"final":
            return standing, refusals.final(standing, self.request)
        return standing, refusals.wait(standing, self.request, now_s)


def taking(request: HoldRequest, hold_id: str, window_of: Callable[[Counter], Window]) -> Taking:
    """The attempt with the windows that `window_of` believes in."""
    windows = tuple([window_of(counter) for counter in request.counters])
    names = [keys.counter(counter, window) for counter, window in zip(request.counters, windows, strict=True)]
    shared = [
        keys.shared_bucket(counter, window)
        for counter, window in zip(request.counters, windows, strict=True)
        if counter.kind == "user"
    ]
    return Taking(request, hold_id, windows, tuple(names), tuple(shared))


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


def _limit(counter: Counter, request: HoldRequest) -> int:
    # A request larger than a whole minute's tokens would never pass; the estimate may be too high, so it may have the
    # minute to itself.
    return max(counter.limit, request.tokens) if counter.kind == "tokens" else counter.limit


def _standing(counter: Counter, window: Window, numbers: list[int]) -> Standing:
    return Standing(counter, numbers[0], numbers[1], numbers[2], window.end)
