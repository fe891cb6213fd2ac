"""The store's server, for what is measured."""

from tests.store.conftest import server, url

__all__ = ["server", "url"]
