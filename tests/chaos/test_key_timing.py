"""A key cannot be guessed by the time its refusal takes."""

import hashlib
import random
import statistics
import time

import pytest

from proxy.api.auth import Credential, Key, KeyRing
from proxy.errors import InvalidApiKey
from proxy.nouns import Caller

pytestmark = pytest.mark.chaos

ROUNDS = 40_000


def test_shared_beginnings_take_no_longer():
    """Wrong keys that share 0, 16 and 31 of 32 bytes with a right one, in random order: their medians differ by less than the
    two halves of one and the same group do, or by less than a thousandth of a millisecond."""
    rng = random.Random(7)
    right = bytes(rng.choices(range(33, 127), k=32))
    digest = hashlib.sha256(right).digest()
    ring = KeyRing("keys", {digest: Key(digest, Caller("a", "a"))})
    groups = {shared: [] for shared in (0, 16, 31)}
    plan = [rng.choice(list(groups)) for _ in range(ROUNDS)]
    for shared in plan:
        tail = bytes(rng.choices(range(33, 127), k=32 - shared))
        wrong = b"Bearer " + right[:shared] + tail
        if wrong[7:] == right:
            continue
        began = time.perf_counter_ns()
        try:
            ring.identify(Credential.of(wrong), 0.0)
        except InvalidApiKey:
            groups[shared].append(time.perf_counter_ns() - began)
    medians = {shared: statistics.median(times) for shared, times in groups.items()}
    halves = [abs(statistics.median(t[::2]) - statistics.median(t[1::2])) for t in groups.values()]
    effect = max(medians.values()) - min(medians.values())
    print(f"\nmedians in ns by shared bytes: {medians}; within one group: {max(halves):.0f} ns")
    assert effect <= max(1_000, 3 * max(halves))
