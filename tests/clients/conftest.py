"""One sandbox and one open proxy for the whole run, both under the project's own Python, not under the clients'."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # also a run from the project's root reads this file, and then leaves

from cases import bridged
from programs import BRIDGED, proxy, sandbox


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A run from the project's root leaves this folder alone: it lacks the clients."""
    return None if config.rootpath == HERE else True


@pytest.fixture(scope="session")
def _upstream():
    with sandbox() as running:
        yield running


@pytest.fixture(scope="session")
def _door(_upstream):
    with proxy(_upstream, BRIDGED if bridged() else "") as running:
        yield running


@pytest.fixture
def upstream(_upstream):
    """The sandbox, with nothing remembered from other tests."""
    _upstream.forget()
    return _upstream


@pytest.fixture
def door(upstream, _door):
    """An open proxy in front of `upstream`, without a configuration file."""
    return _door


@pytest.fixture(autouse=True)
def _no_real_provider(monkeypatch):
    """Whatever a client reads from the environment leads nowhere."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nobody")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")


@pytest.fixture
def closed(upstream) -> Callable[[], dict]:
    """Waits until the sandbox has seen its caller leave; returns that call."""

    def wait() -> dict:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            for call in upstream.calls():
                if call["client_closed"]:
                    return call
            time.sleep(0.02)
        raise AssertionError("upstream was never closed")

    return wait
