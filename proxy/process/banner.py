"""What is said to whoever started it: where it listens, against what, the two things to paste, and what goes wrong."""

import sys
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from proxy.app.configuration import Configuration
from proxy.process.order import Order
from proxy.settings import Provider

_SIMULATED: Final = "a simulated OpenAI answers. Nothing leaves this machine, nothing costs. ***"
_KEYLESS: Final = f"""
  *** SANDBOX: no provider key was found, so {_SIMULATED}
      For real answers: OPENAI_API_KEY=sk-... make run
"""
_ORDERED: Final = f"""
  *** SANDBOX, as asked for: {_SIMULATED}
"""
_DEMO: Final = f"""
  *** DEMO: four applications send traffic for half an hour, and {_SIMULATED}
      Watch it on the operator's page: {{page}}
"""
_OPENAI: Final = "openai.com"


def banner(configuration: Configuration, port: int, admin_port: int, order: Order, *, sandbox: bool) -> str:
    """The text for a terminal, ending in a newline. `sandbox`: it answers, because it was ordered or for want of a key."""
    settings = configuration.settings
    host = settings.server.host
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    base = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/v1"
    mode = settings.auth.mode
    header = "" if mode == "open" else ' -H "Authorization: Bearer $YOUR_KEY"'
    key = '"unused"' if mode == "open" else "YOUR_KEY"
    model = next(iter(settings.routes), "gpt-4.1-mini")
    page = f"http://{settings.server.admin_host}:{admin_port}/"
    lines = [
        f"\nSwitchyard serves {base}  (operator's page: {page})",
        _simulated(order, page) if sandbox else "\n".join(["", *_refusals(configuration)]),
        "Try it:",
        f"  curl {base}/chat/completions{header} -H 'Content-Type: application/json' \\",
        f"""    -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Say hello in five languages."}}]}}'""",
        "",
        "In your app, change the client and nothing else:",
        "  from openai import OpenAI",
        f'  client = OpenAI(base_url="{base}", api_key={key})',
        "",
    ]
    lines += [f"warning: {mistake}" for mistake in configuration.warnings]
    return "\n".join(lines) + "\n"


def _simulated(order: Order, page: str) -> str:
    if order.demo:
        return _DEMO.format(page=page)
    return _ORDERED if order.sandbox else _KEYLESS


def _refusals(configuration: Configuration) -> Iterator[str]:
    """What is certain to be refused, so that nobody looks for the mistake in an application. Callers bring their own keys in
    passthrough mode; servers of one's own may need none."""
    settings = configuration.settings
    if settings.auth.mode == "passthrough":
        return
    for name, provider in settings.providers.items():
        if _needs_key(provider) and not (provider.api_key and provider.api_key.get_secret_value()):
            usual = "AZURE_OPENAI_API_KEY" if provider.kind == "azure" else "OPENAI_API_KEY"
            yield (
                f"  *** No api_key for provider {name}: it will refuse every call. Set providers.{name}.api_key "
                f"(usually ${{{usual}}}), or add --sandbox. ***\n"
            )


def _needs_key(provider: Provider) -> bool:
    host = urlsplit(provider.url).hostname or ""
    return provider.kind == "azure" or (
        provider.kind == "openai" and (host == _OPENAI or host.endswith(f".{_OPENAI}"))
    )


def say(text: str) -> None:
    """A line on the terminal, at once."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
