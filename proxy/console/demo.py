"""Believable traffic for `switchyard serve --sandbox --demo`: a process of its own, `python -m proxy.console.demo URL`.

Four applications (config/demo.yaml) ask for what such applications ask: about three requests a second of mixed tasks, some
streamed, some naming models that have ended or end soon, a few that fail. It stops after half an hour, or as soon as its
standard input ends, which is when the parent that started it is gone.
"""

import http.client
import json
import random
import sys
import threading
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

LASTS_S: Final = 1800.0
_EVERY_S: Final = 1.3
_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class App:
    """An application: its key, the models it asks for (often the first), and what it is used for."""

    key: str
    models: tuple[str, ...]
    streams: float
    prompts: tuple[str, ...]


APPS: Final = (
    App(
        "shop-web",
        ("auto", "auto", "team-default", "gpt-4.1-mini"),
        0.7,
        (
            "Write a short, cheerful product description for a folding bicycle.",
            "Translate into German: Your parcel arrives on Tuesday.",
            "Hi! Which of your shoes are good for long walks?",
            "Is this review positive, neutral or negative? 'Came late, but lovely colour.' Answer with one word.",
            "Translate into French: The item is out of stock until May.",
        ),
    ),
    App(
        "support-desk",
        ("auto", "gpt-4o-mini", "auto", "gpt-3.5-turbo"),
        0.4,
        (
            "Classify this ticket as billing, shipping or technical: 'I was charged twice for one order.'",
            "Summarise for the next agent: the customer called three times about a missing invoice and wants it by mail.",
            "Extract name, order number and date as JSON: 'Anna Berg, order 5512, bought on 3 May, wants a refund.'",
            "Write a polite apology for a delay of two weeks.",
        ),
    ),
    App(
        "data-lab",
        ("auto", "o4-mini", "auto", "gpt-5-mini"),
        0.2,
        (
            "Prove that the sum of the first n odd numbers is n squared.",
            "A tank fills in 4 hours and empties in 6. Both open: how long until it is full? Explain each step.",
            "Write a Python function that merges overlapping intervals, with its tests, and explain its complexity.",
            "Three people each tell one truth and one lie about who broke the vase. Work out who did it, step by step.",
            "Why does this query time out, and which index would help? SELECT * FROM orders WHERE lower(email) = 'a@b.c'",
        ),
    ),
    App(
        "intern",
        ("gpt-4.1", "auto", "gpt-nonexistent"),
        0.3,
        (
            "Tell me a joke about databases.",
            "Write a haiku about Mondays.",
            "Plan a week of meals for two, with a shopping list.",
        ),
    ),
)
_MISHAPS: Final = ("[[sandbox:503]]", "[[sandbox:500]]", "[[sandbox:429]]")


def request(app: App, dice: random.Random) -> dict[str, object]:
    """The body of one chat completion."""
    prompt = dice.choice(app.prompts)
    if dice.random() < 0.02:
        prompt += f" {dice.choice(_MISHAPS)}"
    return {
        "model": dice.choice(app.models),
        "messages": [{"role": "user", "content": prompt}],
        "stream": dice.random() < app.streams,
        "user": f"visitor-{dice.randrange(40)}",
    }


def run(app: App, url: str, stop: threading.Event, dice: random.Random) -> None:
    """Ask until told to stop, at uneven intervals; what goes wrong is the proxy's to show."""
    target = urlsplit(url)
    while not stop.wait(dice.expovariate(1 / _EVERY_S)):
        door = http.client.HTTPConnection(target.hostname or "", target.port, timeout=_TIMEOUT_S)
        headers = {"content-type": "application/json", "authorization": f"Bearer sk-demo-{app.key}"}
        try:
            door.request("POST", f"{target.path}/chat/completions", json.dumps(request(app, dice)), headers)
            door.getresponse().read()
        except (OSError, http.client.HTTPException):
            continue
        finally:
            door.close()


def main() -> int:
    """One thread for each application; the exit status."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=run, args=(app, sys.argv[1], stop, random.Random(app.key)))  # noqa: S311 - traffic, no secret
        for app in APPS
    ]
    watch = threading.Thread(target=_until_input_ends, args=(stop,), daemon=True)
    for thread in (watch, *threads):
        thread.start()
    stop.wait(LASTS_S)
    stop.set()
    for thread in threads:
        thread.join()
    return 0


def _until_input_ends(stop: threading.Event) -> None:
    sys.stdin.buffer.read()
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
