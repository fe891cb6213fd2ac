"""A real server for every test that needs one: the embedded Valkey, started once, emptied for each test."""

import asyncio
import tempfile
from pathlib import Path

import pytest

from proxy.store.client import connected
from proxy.store.embedded import EmbeddedServer


@pytest.fixture(scope="session")
def server():
    """One embedded server for the whole run; every test starts with empty data (`fresh`)."""
    with tempfile.TemporaryDirectory(prefix="sy") as directory:
        embedded = EmbeddedServer(Path(directory, ".switchyard"))
        asyncio.run(embedded.start())
        yield embedded
        asyncio.run(embedded.stop())


@pytest.fixture
def url(server):
    """The server's URL, flushed."""

    async def flush():
        async with connected(server.url) as pipe:
            await pipe.call("FLUSHALL")
            await pipe.call("SCRIPT", "FLUSH")

    asyncio.run(flush())
    return server.url


@pytest.fixture
def directory():
    """A directory of its own for journals and snapshots."""
    with tempfile.TemporaryDirectory(prefix="sy") as path:
        yield Path(path)
