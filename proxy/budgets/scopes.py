"""Whose spending a request counts against: configured budgets and limits + caller + model + user → counters, in order.

A counter is one number the store keeps: money, tokens and requests in a window, or requests under way. Its id names the
budget and the object it counts (`b:per-user:search-web:5f2c…`), so that every key and user has a counter of its own under
one budget. The order is the order in which a refusal is reported: the caller's own limits first, then outward.

Users count per (key, user), and only for keys with `trusted_users`: a `user` field that nobody vouches for would let a
caller escape by inventing names, or spend in somebody else's name.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol

from proxy.budgets.windows import Per
from proxy.nouns import Caller

Kind = Literal["money", "user", "requests", "tokens", "concurrent"]
Scope = Literal["global", "team", "key", "user", "model"]


@dataclass(frozen=True, slots=True)
class Budget:
    """A hard limit in nano-dollars for one window. `of` names the team, key or model it counts, "" for global and user."""

    name: str
    scope: Scope
    limit_nano: int
    per: Per
    of: str = ""
    zone: str = "UTC"
    soft_nano: int | None = None
    downgrade: str = ""
    allow_outage_nano: int | None = None
    allow_unpriced: bool = False
    shrink_always: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """Rates of one key; None is unlimited."""

    rpm: int | None = None
    tpm: int | None = None
    concurrent: int | None = None


NO_LIMITS: Final = Limits()
_MOST_KNOWN: Final = 4096
_NO_LIMIT: Final = 2**52
"""More than anything counts to, and exact where numbers are doubles."""


@dataclass(frozen=True, slots=True, eq=False)
class Counter:
    """One number to check and to count in. `limit` is nano-dollars, tokens or requests; `budget` is None for rates.

    Counters are told apart by identity: a `Book` hands out the same ones again, and whoever remembers something about
    them finds it without comparing them field by field.
    """

    id: str
    kind: Kind
    limit: int
    per: Per
    zone: str = "UTC"
    budget: Budget | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Tab:
    """Everything one request counts against, in the order in which refusals are reported, and what follows from it: the
    budgets among it, the places of the key's rates (of which answers tell) and of the purses of key and user (of which the
    smaller is told), and what the budgets say together. Made by `Book`, which hands out the same one again."""

    counters: tuple[Counter, ...]
    budgets: tuple[Budget, ...]
    rates: tuple[int, ...]
    purses: tuple[int, ...]
    counts_tokens: bool
    allows_unpriced: bool
    shrinks_always: bool
    softens: bool

    @classmethod
    def of(cls, counters: Iterable[Counter]) -> "Tab":
        """The tab of these counters."""
        all_counters = tuple(counters)
        budgets = tuple([each.budget for each in all_counters if each.budget is not None])
        return cls(
            counters=all_counters,
            budgets=budgets,
            rates=_places(all_counters, lambda each: each.kind in ("requests", "tokens")),
            purses=_places(
                all_counters, lambda each: each.budget is not None and each.budget.scope in ("key", "user")
            ),
            counts_tokens=any(each.kind == "tokens" for each in all_counters),
            allows_unpriced=all(each.allow_unpriced for each in budgets),
            shrinks_always=any(each.shrink_always for each in budgets),
            softens=any(each.downgrade for each in budgets),
        )


def _places(counters: tuple[Counter, ...], chosen: Callable[[Counter], bool]) -> tuple[int, ...]:
    return tuple([i for i, each in enumerate(counters) if chosen(each)])


NO_TAB: Final = Tab.of(())


class AllowanceSettings(Protocol):
    """A budget as the settings spell it (on a team, a key, or named at the top)."""

    @property
    def usd_nano(self) -> int: ...
    @property
    def per(self) -> Per: ...
    @property
    def zone(self) -> str: ...
    @property
    def soft_nano(self) -> int | None: ...
    @property
    def on_soft(self) -> "OnSoftSettings | None": ...
    @property
    def on_redis_failure(self) -> Literal["deny", "allow"]: ...
    @property
    def outage_nano(self) -> int: ...
    @property
    def unpriced(self) -> Literal["deny", "allow"]: ...
    @property
    def shrink(self) -> Literal["uncapped", "always"]: ...


class OnSoftSettings(Protocol):
    """What a budget does from its soft limit on; `str(downgrade)` is `model` or `model@effort`."""

    @property
    def downgrade(self) -> object: ...


def budget(settings: AllowanceSettings, name: str, scope: Scope, of: str = "") -> Budget:
    """A configured budget as this room uses it. Those of teams and keys have no name of their own: the settings give them one."""
    on_soft = settings.on_soft
    return Budget(
        name=name,
        scope=scope,
        limit_nano=settings.usd_nano,
        per=settings.per,
        of=of,
        zone=settings.zone,
        soft_nano=settings.soft_nano,
        downgrade=str(on_soft.downgrade) if on_soft is not None else "",
        allow_outage_nano=settings.outage_nano if settings.on_redis_failure == "allow" else None,
        allow_unpriced=settings.unpriced == "allow",
        shrink_always=settings.shrink == "always",
    )


class Book:
    """Every configured budget and limit, found by the object it applies to. Built once per reload; it only remembers
    what it has answered, because a proxy has few callers and models for its many requests.

    `limits` are by key name; a budget of scope key, team or model applies where the caller's is `of`. `softens`: one of the
    budgets may ask for a cheaper model.
    """

    __slots__ = ("_by_object", "_known", "_limits", "budgets", "softens")

    def __init__(self, budgets: Iterable[Budget], limits: Mapping[str, Limits]) -> None:
        self.budgets = tuple(budgets)
        self.softens = any(each.downgrade for each in self.budgets)
        self._limits = dict(limits)
        self._known: dict[tuple[str, str, str, str, bool], Tab] = {}
        self._by_object: dict[tuple[Scope, str], tuple[Budget, ...]] = {}
        for each in self.budgets:
            place = (each.scope, each.of)
            self._by_object[place] = (*self._by_object.get(place, ()), each)

    def with_limits(self, limits_nano: Mapping[str, int]) -> "Book":
        """The same book with some budgets' limits replaced, by name (operators do that while the proxy runs)."""
        changed = [_limited(each, limits_nano.get(each.name, each.limit_nano)) for each in self.budgets]
        return Book(changed, self._limits)

    def tab(self, caller: Caller, model: str, user_hash: str, *, again: bool = False) -> Tab:
        """What one request counts against. `again`: an attempt after the first of the same request, which was counted when it
        came. Its tokens and its place are its attempt's, and no limit refuses them any more."""
        user = user_hash if caller.trusted_users and ("user", "") in self._by_object else ""
        asked = (caller.key_name, caller.team, model, user, again)
        known = self._known.get(asked)
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[asked] = Tab.of(self._counters(*asked))
        return known

    def _counters(self, key: str, team: str, model: str, user: str, again: bool) -> Iterator[Counter]:
        yield from self._rates(key) if not again else self._rates_again(key)
        yield from self._money("key", key)
        if user:
            yield from [_counter(each, f"{key}:{user}", "user") for each in self._by_object[("user", "")]]
        yield from self._money("team", team)
        yield from self._money("model", model)
        yield from self._money("global", "")

    def limits_of(self, key_name: str) -> Limits:
        """A key's rates."""
        return self._limits.get(key_name, NO_LIMITS)

    def _money(self, scope: Scope, of: str) -> list[Counter]:
        if not of and scope != "global":
            return []
        return [_counter(each, of, "money") for each in self._by_object.get((scope, of), ())]

    def _rates(self, key: str) -> Iterator[Counter]:
        limits = self.limits_of(key)
        if limits.concurrent is not None:
            yield Counter(f"c:{key}", "concurrent", limits.concurrent, "total")
        if limits.rpm is not None:
            yield Counter(f"r:{key}", "requests", limits.rpm, "minute")
        if limits.tpm is not None:
            yield Counter(f"t:{key}", "tokens", limits.tpm, "minute")

    def _rates_again(self, key: str) -> Iterator[Counter]:
        for each in self._rates(key):
            if each.kind != "requests":
                yield replace(each, limit=_NO_LIMIT)


def _limited(each: Budget, limit_nano: int) -> Budget:
    """The budget with another limit; its soft limit stays the same share of it."""
    soft = each.soft_nano
    if soft is not None and each.limit_nano:
        soft = soft * limit_nano // each.limit_nano
    return replace(each, limit_nano=limit_nano, soft_nano=soft)


def _counter(each: Budget, of: str, kind: Kind) -> Counter:
    name = f"b:{each.name}:{of}" if of else f"b:{each.name}"
    return Counter(name, kind, each.limit_nano, each.per, each.zone, each)
