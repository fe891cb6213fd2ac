"""One model as the other rooms read it. Built by the catalogue, never changed."""

from dataclasses import dataclass
from typing import Literal

from proxy.nouns import PriceRow

ChatTools = Literal["chat", "only-none", "responses"]
"""How function tools go with reasoning on chat/completions: with any effort, only with effort none, or not at all."""

KNOWN_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class Successor:
    """A living model to try, and the effort to set when the caller sent none ("" leaves the model's default)."""

    model: str
    effort: str = ""


@dataclass(frozen=True, slots=True)
class ModelRow:
    """Windows in tokens (0: does not apply), times in Unix seconds (None: not known), prices by the day they begin.

    `context` holds input and output together; `max_input`/`max_output` bound each side. `pinned_dates` says the operator
    wrote the shutdown, which then wins over what a provider publishes. `unpriced` is why there is no token price.
    """

    name: str
    family: str
    provider_kind: str
    context: int
    max_input: int
    max_output: int
    modalities_in: frozenset[str]
    modalities_out: frozenset[str]
    endpoints: frozenset[str]
    chat_tools: ChatTools
    prices: tuple[tuple[float, PriceRow], ...]
    unpriced: str
    released: float | None
    shutdown: float | None
    announced: float | None
    successors: tuple[Successor, ...]
    successor_source: str
    successor_read: str
    ttft_s: float
    tokens_per_s: float
    source: str
    read: str
    names: tuple[str, ...]
    fine_tuned: bool = False
    pinned_dates: bool = False

    def price_at(self, now: float) -> PriceRow | None:
        """The price that has begun by `now`; before the first one, the first. None: no token price is known."""
        chosen = self.prices[0][1] if self.prices else None
        for begins, price in self.prices:
            if begins <= now:
                chosen = price
        return chosen

    def fits(self, input_tokens: int, output_tokens: int = 0) -> bool:
        """Whether a prompt and the output asked for fit the window; a row without a window takes anything."""
        if not self.context:
            return True
        return (
            input_tokens <= self.max_input
            and input_tokens + min(output_tokens, self.max_output) <= self.context
        )
