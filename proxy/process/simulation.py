"""The simulated OpenAI inside the parent, what turns every provider into it, and the traffic of a demo."""

import asyncio

from proxy.process.control import start_demo
from proxy.settings import Flag, Settings


class Simulation:
    """The sandbox on a port of its own, as long as the parent lives."""

    def __init__(self) -> None:
        self._server: asyncio.Task[None] | None = None

    async def start(self, *, lifelike: bool) -> str:
        """Its URL. A demo is to be believed, a first try to be quick."""
        url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        # Loaded when it is wanted: who has a provider starts without it, and sooner.
        from proxy.sandbox import config, server  # noqa: PLC0415

        pace = config.SandboxConfig(time_scale=0.3 if lifelike else 0.02)
        self._server = asyncio.get_running_loop().create_task(
            server.serve("127.0.0.1", 0, pace, ready=url.set_result)
        )
        return await url


def simulated(settings: Settings, url: str) -> dict[str, Flag]:
    """The flags that turn every provider into the sandbox. It speaks Azure's paths too; an Azure deployment has a name of
    its owner's there, which no sandbox knows, so it is called after its model. What litellm would speak to is OpenAI here."""
    flags: dict[str, Flag] = {}
    for name, provider in settings.providers.items():
        at = f"providers.{name}"
        flags |= {f"{at}.base_url": f"{url}/v1", f"{at}.api_key": "sk-sandbox", f"{at}.proxy": None}
        if provider.kind == "azure":
            flags |= {
                f"{at}.base_url": url,
                f"{at}.deployments": {model: model for model in provider.deployments},
            }
        if provider.kind == "litellm":
            flags |= {f"{at}.kind": "openai", f"{at}.litellm_provider": None}
    return flags


async def demonstrate(port: int) -> None:
    """Have traffic sent to the data port, until it ends by itself or this is cancelled."""
    demo = await start_demo(f"http://127.0.0.1:{port}/v1")
    try:
        await demo.wait()
    finally:
        if demo.returncode is None:
            demo.terminate()
            await demo.wait()
