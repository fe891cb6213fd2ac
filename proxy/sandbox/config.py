"""What a sandbox is started with, and the doubts about the real API it may be told to share or not.

A doubt names a rule for which no live transcript exists. Those in `SETTLED_DOUBTS` are enforced because a careful
proxy obeys them anyway; the others are lenient until a test switches them on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

Clock = Callable[[], float]
"""Seconds since the epoch; injected so that dates in answers are the test's."""

DOUBTS: dict[str, str] = {
    "stop_on_5x": "gpt-5.x refuses `stop` even with effort none",
    "penalties_on_5x": "gpt-5.x refuses penalties even with effort none",
    "chat_tools_on_6.2": "gpt-6.2 refuses function tools on chat/completions",
    "tools_with_effort_on_5.2": "gpt-5.1 and gpt-5.2 refuse function tools with an effort on chat/completions",
    "n_on_6": "the astra generation refuses n > 1",
    "metadata_needs_store": "metadata is refused without store: true",
    "small_cap_is_400": "a cap spent on hidden reasoning is a 400 instead of an empty answer",
    "nested_unknown": "unknown keys inside messages are refused",
}
SETTLED_DOUBTS = frozenset({"stop_on_5x", "penalties_on_5x", "chat_tools_on_6.2"})


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """How strict, how slow, on which day.

    `today` None follows the clock. `revive` holds retired names that answer again ("*" is all of them).
    `time_scale` multiplies every latency of the catalogue (0: answer at once). `accept_keys` None takes any key not
    in `reject_keys`. `log_size` is the number of calls kept. `cache` switches the prompt-prefix cache.
    """

    today: date | None = None
    revive: frozenset[str] = frozenset()
    time_scale: float = 0.0
    accept_keys: frozenset[str] | None = None
    reject_keys: frozenset[str] = frozenset()
    doubts: frozenset[str] = SETTLED_DOUBTS
    log_size: int = 20_000
    cache: bool = True
