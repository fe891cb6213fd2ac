"""What a call costs: token counts as answers report them, the prompt-prefix cache, and exact nano-dollars.

The cost is the ground truth a proxy's ledger is compared with, so it is computed here from this room's own prices:
cached and cache-write tokens are inside the prompt, reasoning and rejected predictions inside the output; prompts over
272k tokens double input and 1.5x output where the model has that tier; flex halves, priority doubles or is listed.
Rounded up once to whole nano-dollars.
"""

from collections import OrderedDict
from dataclasses import dataclass
from fractions import Fraction
from hashlib import blake2b
from math import ceil
from typing import Any

from proxy.sandbox.catalogue import Model

CACHE_MIN = 1024
CACHE_STEP = 128
LONG_CONTEXT = 272_000


@dataclass(frozen=True, slots=True)
class Bill:
    """Tokens of one answer. `output` includes reasoning, audio and rejected prediction tokens."""

    prompt: int = 0
    cached: int = 0
    written: int = 0
    audio_in: int = 0
    output: int = 0
    reasoning: int = 0
    audio_out: int = 0
    accepted: int = 0
    rejected: int = 0
    tier: str = "default"


def chat_usage(bill: Bill, model: Model) -> dict[str, Any]:
    """The `usage` object of chat completions."""
    prompt_details = {"cached_tokens": bill.cached, "audio_tokens": bill.audio_in}
    if model.family.cache_options:
        prompt_details["cache_write_tokens"] = bill.written
    return {
        "prompt_tokens": bill.prompt,
        "completion_tokens": bill.output,
        "total_tokens": bill.prompt + bill.output,
        "prompt_tokens_details": prompt_details,
        "completion_tokens_details": {
            "reasoning_tokens": bill.reasoning,
            "audio_tokens": bill.audio_out,
            "accepted_prediction_tokens": bill.accepted,
            "rejected_prediction_tokens": bill.rejected,
        },
    }


def responses_usage(bill: Bill) -> dict[str, Any]:
    """The `usage` object of responses."""
    return {
        "input_tokens": bill.prompt,
        "input_tokens_details": {"cached_tokens": bill.cached, "cache_write_tokens": bill.written},
        "output_tokens": bill.output,
        "output_tokens_details": {"reasoning_tokens": bill.reasoning},
        "total_tokens": bill.prompt + bill.output,
    }


def tier_served(asked: object) -> str:
    """The tier a request really ran in, as the answer says it."""
    names = {"flex": "flex", "priority": "priority", "fast": "priority"}
    return names.get(str(asked), "default")


def cost_nano(bill: Bill, model: Model) -> int:
    """Nano-dollars, rounded up once. A model without a price costs nothing."""
    price = model.price
    if price is None:
        return 0
    rates = [Fraction(rate) for rate in (price.input, price.cached, price.write, price.output)]
    if bill.tier == "flex":
        rates = [rate / 2 for rate in rates]
    elif bill.tier == "priority" and price.priority is not None:
        dear_in, dear_cached, dear_out = price.priority
        rates = [Fraction(dear_in), Fraction(dear_cached), Fraction(dear_in), Fraction(dear_out)]
    elif bill.tier == "priority":
        rates = [rate * 2 for rate in rates]
    if price.long_context and bill.prompt > LONG_CONTEXT:
        rates = [rate * 2 for rate in rates[:3]] + [rates[3] * Fraction(3, 2)]
    fresh = bill.prompt - bill.cached - bill.written
    dollars_per_m = (
        fresh * rates[0] + bill.cached * rates[1] + bill.written * rates[2] + bill.output * rates[3]
    )
    return ceil(dollars_per_m * 1000)


class PromptCache:
    """Remembers prompt prefixes in steps of 128 tokens, per model and key, as long as the process lives."""

    def __init__(self, size: int = 50_000) -> None:
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._size = size

    def look(self, model: Model, key: str, prompt: str, tokens: int) -> tuple[int, int]:
        """(`cached`, `written`) tokens of this prompt; remembers it. Writes are counted only where they are billed."""
        if tokens < CACHE_MIN:
            return 0, 0
        marks = self._marks(model, key, prompt)
        hits = 0
        for mark in marks:
            if mark not in self._seen:
                break
            hits += 1
        for mark in marks:
            self._seen[mark] = None
            self._seen.move_to_end(mark)
        while len(self._seen) > self._size:
            self._seen.popitem(last=False)
        whole = tokens // CACHE_STEP * CACHE_STEP
        cached = min(hits * CACHE_STEP, whole)
        cached = cached if cached >= CACHE_MIN else 0
        return cached, (whole - cached if model.family.cache_options else 0)

    def _marks(self, model: Model, key: str, prompt: str) -> list[bytes]:
        state = blake2b(f"{model.name}\x00{key}".encode(), digest_size=12)
        step = CACHE_STEP * 4
        marks = []
        for start in range(0, len(prompt) - step + 1, step):
            state.update(prompt[start : start + step].encode("utf-8", "replace"))
            marks.append(state.copy().digest())
        return marks
