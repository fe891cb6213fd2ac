"""The parent's side of the store: where Redis is, and the housekeeping that one leader among the replicas does."""

from proxy.app import Configuration
from proxy.settings import Limits
from proxy.store.embedded import EmbeddedError, EmbeddedServer


class StoreKeeper:
    """Finds or starts the store before the workers, stops it after them. `why_not` says why there is none."""

    def __init__(self) -> None:
        self._embedded = EmbeddedServer()
        self.url = ""
        self.why_not = ""

    async def start(self, configuration: Configuration) -> str:
        """The URL of the configured Redis, else of the embedded one; `""` where none can be had and nothing needs one.

        Raises EmbeddedError when budgets or limits are configured and nobody can count them.
        """
        settings = configuration.settings
        if settings.redis.url is not None:
            self.url = settings.redis.url.get_secret_value()
            return self.url
        try:
            await self._embedded.start()
        except EmbeddedError as error:
            if settings.has_budgets() or any(key.limits != Limits() for key in settings.keys):
                raise
            self.why_not = str(error)
            return ""
        self.url = self._embedded.url
        return self.url

    async def stop(self) -> None:
        """Stop the embedded server if it is ours; its data is written first."""
        await self._embedded.stop()
