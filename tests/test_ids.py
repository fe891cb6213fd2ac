"""Ids of our own."""

from proxy.ids import RandomIds


def test_ids_have_their_size_and_never_come_twice():
    """Across several draws from the kernel, and between two sources, no id is seen again."""
    one, other = RandomIds(12), RandomIds(12)
    seen = [one() for _ in range(2_000)] + [other() for _ in range(2_000)]
    assert len(set(seen)) == len(seen)
    assert {len(each) for each in seen} == {24}
    assert all(bytes.fromhex(each) for each in seen)
