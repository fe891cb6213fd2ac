"""Each planted bug is caught by the test that is there for it."""

import pytest

from tests.chaos.mutants import MUTANTS, caught

pytestmark = pytest.mark.chaos


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_planted_bug_is_caught(mutant):
    """The money tests are worth what they notice."""
    assert caught(mutant)
