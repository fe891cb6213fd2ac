"""The store's server, for the rooms that steer by it."""

from tests.store.conftest import server, url

__all__ = ["server", "url"]
