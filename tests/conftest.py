"""One sandbox and one open proxy for all tests that only send requests; tests with their own settings start their own."""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A property holds or does not; how long one example took says only how busy the machine was.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

sys.path.insert(0, str(Path(__file__).parent))

import town


@pytest.fixture(scope="session")
def _upstream():
    with town.sandbox() as running:
        yield running


@pytest.fixture(scope="session")
def _door(_upstream):
    with town.proxy(_upstream) as running:
        yield running


@pytest.fixture
def upstream(_upstream):
    """The sandbox, with nothing remembered from other tests, nor by those that share it without this."""
    _upstream.forget()
    yield _upstream
    _upstream.forget()


@pytest.fixture
def door(upstream, _door):
    """An open proxy in front of `upstream`, without a configuration file."""
    return _door


@pytest.fixture(scope="session")
def _bridged_door(_upstream):
    with town.proxy(_upstream, town.BRIDGED) as running:
        yield running
