"""Who is on which side. Stable: the same unit is always in the same bucket, and a growing share only adds buckets.

A unit is whoever should not be moved to and fro: a user, a conversation, a key. Its pseudonym is a hash, so that what is
measured names nobody. Each migration deals its own buckets: the first to move in one are not the first in the next.
"""

import hashlib
from typing import Final, Literal

BUCKETS: Final = 10_000
_PER_PERCENT: Final = BUCKETS // 100

Side = Literal["old", "new"]


def bucket(migration: str, unit: str) -> int:
    """The unit's bucket in [0, BUCKETS)."""
    digest = hashlib.blake2b(f"{migration}\0{unit}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % BUCKETS


def side_of(bucket_at: int, percent: int) -> Side:
    """The side of a bucket at this share."""
    return "new" if bucket_at < percent * _PER_PERCENT else "old"


def user_unit(key_id: str, user: str) -> str:
    """A user: the same person under two keys is two, as in budgets."""
    return _pseudonym("user", key_id, user.encode("utf-8", "surrogatepass"))


def talk_unit(key_id: str, opening: bytes) -> str:
    """A conversation, by what does not change as it grows."""
    return _pseudonym("talk", key_id, opening)


def key_unit(key_id: str) -> str:
    """Everything of one key."""
    return _pseudonym("key", key_id, b"")


def _pseudonym(kind: str, key_id: str, what: bytes) -> str:
    return hashlib.blake2b(f"{kind}\0{key_id}\0".encode() + what, digest_size=10).hexdigest()
