"""The doubts: each named, each explained."""

from proxy.sandbox.config import DOUBTS, SETTLED_DOUBTS, SandboxConfig


def test_settled_doubts_are_known_and_on_by_default():
    """The others wait to be switched on."""
    assert DOUBTS.keys() > SETTLED_DOUBTS
    assert SandboxConfig().doubts == SETTLED_DOUBTS
    assert all(len(text) > 20 for text in DOUBTS.values())
