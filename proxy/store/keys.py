"""Every Redis key in one table. All share one hash tag, so that in a Cluster the money lives in one slot.

| key | type | holds | lives |
|---|---|---|---|
| meta | hash | epoch, seq, clock (ms); snapshot (its seq); after a rebuild previous, restored | for good |
| open | zset | hold id → end of lease, ms | while open |
| h:ID | string | amount, tokens, label, counters of an open hold | while open |
| d:HOUR:XX | hash | ids that are over → s settled, r released, e:AMOUNT:TOKENS expired | 50 h after the last |
| m:WHAT:START:END | hash | money: spent, held, extra, credit, unset (nano) | window + 48 h |
| t: r: c: … | hash | tokens, requests (spent); requests under way (held) | window + 48 h |
| live | zset | money counter → end of its window, s | trimmed by the reaper |
| users:KEY:DAY | set | users of a key seen that day | 48 h |
| unsettled | hash | hold id → amount, time, label, counters charged without a bill | until settled |
| tail | stream | ledger rows (row: JSON; counted: nano already in the rollups) | the latest 10,000 and all not rolled up |
| rolled | string | last stream id in the rollups | for good |
| roll:HOUR | hash | key, team, model, task, route, measure → count | 400 days |
| users-roll:DAY | hash | key, user, measure → count | 400 days |
| sums | hash | what the rollups add up to, for the exporter | for good |
| keys | hash | SHA-256 of a key → its settings as JSON | for good |
| limits | hash | budget name → limit set by an operator, nano | for good |
| migrations | hash | migration → version, line feed, state as JSON | for good |
| version | string | counts changes of keys, limits and migrations | for good |
| loop:XX | string | hash of a migration and a question → the side its tool loop is on | an hour |
| guard:NAME:V | hash | side, task, measure → sums over units, of one share of a migration | 60 days after the last |
| units:NAME:V | hash | side, task, unit → calls and sums by measure | 30 days after the last |
| seen:NAME:V | hash | side, task, what → count: counters and histograms to compare | 180 days after the last |
| base:NAME:V | string | what the share measures against, frozen when it begins | 180 days |
| shares:NAME | zset | version of a share → when it was last measured, ms | 180 days after the last |
| learned | hash | what a provider refuses, by where → what to do about it, JSON | 8 days after the last |
| learned-version | string | counts changes of learned | for good |
| audit | list | what operators did, newest first | the latest 1,000 |
| o:ID | string | stored object → key id, deployment | 31 days |
| leader | string | which parent does the housekeeping | its lease |
"""

from functools import lru_cache
from typing import Final
from zlib import crc32

from proxy.budgets.scopes import Counter
from proxy.budgets.windows import Window

LETTERS: Final = {"money": "m", "user": "m", "requests": "r", "tokens": "t", "concurrent": "c"}
IDS_KEPT_S: Final = 50 * 3600
_PREFIX: Final = "{switchyard}:"
_PARTS: Final = tuple([f"{part:02x}" for part in range(256)])

META: Final = _PREFIX + "meta"
OPEN: Final = _PREFIX + "open"
LIVE: Final = _PREFIX + "live"
UNSETTLED: Final = _PREFIX + "unsettled"
TAIL: Final = _PREFIX + "tail"
ROLLED: Final = _PREFIX + "rolled"
SUMS: Final = _PREFIX + "sums"
KEYS: Final = _PREFIX + "keys"
LIMITS: Final = _PREFIX + "limits"
MIGRATIONS: Final = _PREFIX + "migrations"
VERSION: Final = _PREFIX + "version"
LEARNED: Final = _PREFIX + "learned"
LEARNED_VERSION: Final = _PREFIX + "learned-version"
AUDIT: Final = _PREFIX + "audit"
LEADER: Final = _PREFIX + "leader"


def hold(hold_id: str) -> str:
    """An open hold."""
    return f"{_PREFIX}h:{hold_id}"


def done(hold_id: str) -> str:
    """The hash in which a hold's end is kept: by the hour its id begins with, in 256 small parts that Redis packs tightly."""
    return f"{_PREFIX}d:{hold_id.partition('-')[0]}:{_PARTS[crc32(hold_id.encode()) & 0xFF]}"


def own_words(hold_id: str) -> bytes:
    """`hold` and `done` of one hold as Redis reads them, in one go: every hold and every bill needs both."""
    held, over = hold(hold_id), done(hold_id)
    return f"${len(held)}\r\n{held}\r\n${len(over)}\r\n{over}\r\n".encode()


def counter(what: Counter, window: Window) -> str:
    """One counter in one window."""
    return f"{_stem(LETTERS[what.kind], what.id)}{window.start}:{window.end}"


def shared_bucket(what: Counter, window: Window) -> str:
    """The counter of all users of a key beyond the daily number of new ones."""
    return f"{_stem(LETTERS[what.kind], what.id.rpartition(':')[0])}*:{window.start}:{window.end}"


def users(key_name: str, day: int) -> str:
    """The users of a key seen on a day (its first Unix second, UTC)."""
    return f"{_PREFIX}users:{key_name}:{day}"


def rollup(hour: int) -> str:
    """The rollup of one hour (Unix seconds // 3600)."""
    return f"{_PREFIX}roll:{hour}"


def users_rollup(day: int) -> str:
    """What users spent on one day (Unix seconds // 86400)."""
    return f"{_PREFIX}users-roll:{day}"


def stored_object(object_id: str) -> str:
    """Who owns a stored object."""
    return f"{_PREFIX}o:{object_id}"


def loop(question: str) -> str:
    """The side that the tool loop of a question is on."""
    return f"{_PREFIX}loop:{question}"


def measured(name: str, version: int) -> tuple[str, str, str, str]:
    """What is measured of one share of a migration: sums over units, the units, counts, and when which share was."""
    stage = f"{name}:{version}"
    return (
        f"{_PREFIX}guard:{stage}",
        f"{_PREFIX}units:{stage}",
        f"{_PREFIX}seen:{stage}",
        f"{_PREFIX}shares:{name}",
    )


def baseline(name: str, version: int) -> str:
    """What one share of a migration measures against."""
    return f"{_PREFIX}base:{name}:{version}"


def read_counter(key: str) -> tuple[str, str, Window]:
    """(kind letter, counter id, window) of a counter's key."""
    rest, start, end = key.removeprefix(_PREFIX).rsplit(":", 2)
    letter, _, what = rest.partition(":")
    return letter, what, Window(int(start), int(end))


@lru_cache(maxsize=4096)
def _stem(letter: str, what: str) -> str:
    return f"{_PREFIX}{letter}:{what}:"
