"""What is said to whoever started it: where it listens, against what, the two things to paste, and what goes wrong."""

import sys

from proxy.app.configuration import Configuration

_SANDBOX = """
  *** SANDBOX: no provider key was found, so a simulated OpenAI answers. Nothing leaves this machine, nothing costs. ***
      For real answers: OPENAI_API_KEY=sk-... make run
"""


def banner(configuration: Configuration, port: int, admin_port: int, *, sandbox: bool) -> str:
    """The text for a terminal, ending in a newline."""
    settings = configuration.settings
    host = settings.server.host
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    base = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/v1"
    mode = settings.auth.mode
    header = "" if mode == "open" else ' -H "Authorization: Bearer $YOUR_KEY"'
    key = '"unused"' if mode == "open" else "YOUR_KEY"
    model = next(iter(settings.routes), "gpt-4.1-mini")
    lines = [
        f"\nSwitchyard serves {base}  (operator's page: http://{settings.server.admin_host}:{admin_port}/)",
        _SANDBOX if sandbox else "",
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


def say(text: str) -> None:
    """A line on the terminal, at once."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
