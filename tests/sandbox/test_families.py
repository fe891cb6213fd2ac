"""The family table itself: the combinations that must hold whatever the rows say."""

import pytest

from proxy.sandbox.families import ALL_EFFORTS, FAMILIES


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_a_row_does_not_contradict_itself(family):
    """Default effort among the efforts; `none` exists where something depends on it."""
    assert set(family.efforts) <= set(family.responses_efforts) <= set(ALL_EFFORTS)
    if family.efforts:
        assert family.default_effort in family.efforts
    else:
        assert family.default_effort == "none"
    if "effort_none" in (family.sampling, family.logprobs, family.chat_tools):
        assert "none" in family.efforts
    assert family.verbosity
