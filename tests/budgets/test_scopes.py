"""Which counters a request meets, and in which order it hears of them."""

from dataclasses import dataclass
from decimal import Decimal

from proxy.budgets.scopes import Book, Budget, Limits, budget
from proxy.nouns import Caller

CALLER = Caller("k1", "search-web", team="search", trusted_users=True)
BOOK = Book(
    [
        Budget("company", "global", 5, "month"),
        Budget("per-user", "user", 1, "day", downgrade="small@none", soft_nano=1),
        Budget("o4", "model", 2, "day", of="o4-mini"),
        Budget("search.month", "team", 3, "month", of="search"),
        Budget("others", "team", 3, "month", of="others"),
        Budget("web", "key", 4, "total", of="search-web"),
    ],
    {"search-web": Limits(rpm=600, tpm=200_000, concurrent=50)},
)


def ids(caller=CALLER, model="o4-mini", user="5f2c", **more):
    return [counter.id for counter in BOOK.tab(caller, model, user, **more).counters]


def test_a_request_counts_in_every_scope_it_belongs_to_and_in_no_other():
    """Rates first, then the caller's own budgets, then outward."""
    assert ids() == [
        "c:search-web",
        "r:search-web",
        "t:search-web",
        "b:web:search-web",
        "b:per-user:search-web:5f2c",
        "b:search.month:search",
        "b:o4:o4-mini",
        "b:company",
    ]


def test_a_stranger_meets_only_the_global_budget():
    """No team, no limits, another model."""
    assert ids(Caller("k2", "other"), "gpt-5-mini", "") == ["b:company"]


def test_users_count_only_for_keys_that_vouch_for_them():
    """An untrusted `user` field neither escapes a budget nor spends in somebody's name."""
    untrusted = Caller("k1", "search-web", team="search")
    assert not [name for name in ids(untrusted) if name.startswith("b:per-user")]


def test_the_same_user_under_two_keys_is_two_users():
    """Counters of users carry the key."""
    other = Caller("k3", "mobile", trusted_users=True)
    assert "b:per-user:mobile:5f2c" in ids(other)


def test_a_second_attempt_is_not_another_request():
    """It holds money, tokens and a place anew, which its limits no longer refuse."""
    assert ids(again=True) == [name for name in ids() if not name.startswith("r:")]
    for counter in BOOK.tab(CALLER, "gpt-4.1-mini", "5f2c", again=True).counters:
        assert (counter.limit > 10**15) == (counter.kind in ("tokens", "concurrent"))


@dataclass(frozen=True)
class Written:
    usd_nano: int = 50
    per: str = "month"
    zone: str = "Europe/Berlin"
    soft: Decimal | None = Decimal("0.8")
    soft_nano: int | None = 40
    on_soft: object = None
    on_redis_failure: str = "deny"
    outage_nano: int = 7
    unpriced: str = "deny"
    shrink: str = "uncapped"


@dataclass(frozen=True)
class Softly:
    downgrade: str = "gpt-6-luna@none"


def test_a_written_budget_keeps_every_word():
    """Settings become this room's record without losing a field."""
    plain = budget(Written(), "b", "key", "k")
    full = budget(
        Written(on_soft=Softly(), on_redis_failure="allow", unpriced="allow", shrink="always"), "b", "global"
    )
    assert plain == Budget("b", "key", 50, "month", "k", "Europe/Berlin", 40)
    assert (full.downgrade, full.allow_outage_nano, full.allow_unpriced, full.shrink_always) == (
        "gpt-6-luna@none",
        7,
        True,
        True,
    )


def test_operators_replace_limits_by_name():
    """`budgets set` changes one budget's limit and nothing else."""
    changed = BOOK.with_limits({"company": 99})
    limits = {counter.id: counter.limit for counter in changed.tab(CALLER, "o4-mini", "").counters}
    assert (limits["b:company"], limits["b:o4:o4-mini"], limits["r:search-web"]) == (99, 2, 600)


def test_the_same_callers_counters_are_the_same_objects():
    """What is remembered about counters is found by identity; a crowd of users does not fill the memory."""
    book = Book(BOOK.budgets, {})
    once = book.tab(CALLER, "o4-mini", "5f2c")
    assert book.tab(CALLER, "o4-mini", "5f2c") is once
    assert book.tab(Caller("k2", "other"), "m", "u1") is book.tab(Caller("k2", "other"), "m", "u2")
    for number in range(5000):
        book.tab(CALLER, "o4-mini", f"user{number}")
    assert len(book._known) <= 4096
