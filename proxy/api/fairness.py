"""How much of a busy process one key may have, so that a tenant who sends too much gets in nobody's way. Pure.

    up to half full             everybody gets in
    up to seven eighths full    a key may hold that many places divided by the keys that hold any
    the last eighth             one place for each key that holds none

A tenant alone may so hold seven eighths. When others come it keeps what it holds and gets nothing new until it is down to
its share. Nobody waits: a refusal costs less than a place in a queue, and SDKs come back by themselves.
"""

from typing import Final

_RESERVED: Final = 8
"""One in so many places is kept for newcomers."""


def may_have(mine: int, keys: int, inside: int, most: int) -> bool:
    """Whether a key may hold `mine` requests, the one in question included, beside `inside` of all `keys` keys (both with
    it), where `most` fit."""
    if mine == 1 or 2 * inside <= most:
        return True
    shared = most - most // _RESERVED
    return inside <= shared and mine * keys <= shared
