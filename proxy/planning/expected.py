"""What a model would have cost for the work another one did: the planned cost ratio of a migration. Pure.

Token for token at both price rows, the prompt's cached part included; what is written out stays as long as it was. Thoughts do not:
they are those that the new effort is known to take on top of what is visible. Long-context tiers are left out: they go by
single prompts, and these are sums over many.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from proxy.budgets.bill import bill
from proxy.nouns import PriceRow, Usage
from proxy.routing.policy import expected_output

TOKENS: Final = ("input", "cached", "cache_write", "output", "reasoning")
"""The sums a ratio is made of, as the rollups and what is measured name them."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a model costs at an effort ("none": it does not think out of sight)."""

    price: PriceRow | None
    effort: str


def cost_ratio(tokens: Mapping[str, int], old: Terms, new: Terms) -> float | None:
    """Cost at `new` as a multiple of that at `old` for these sums of `TOKENS`.
    None where a price or the work is not known."""
    if old.price is None or new.price is None:
        return None
    usage = Usage(
        input_tokens=tokens.get("input", 0),
        cached_tokens=tokens.get("cached", 0),
        cache_write_tokens=tokens.get("cache_write", 0),
        output_tokens=tokens.get("output", 0),
        reasoning_tokens=tokens.get("reasoning", 0),
    )
    before = bill(usage, replace(old.price, long=None), "")
    visible = max(0, usage.output_tokens - usage.reasoning_tokens)
    output = round(visible * expected_output(new.effort, None) / expected_output("none", None))
    after = bill(
        Usage(
            input_tokens=usage.input_tokens,
            cached_tokens=usage.cached_tokens,
            output_tokens=output,
            reasoning_tokens=max(0, output - visible),
        ),
        replace(new.price, long=None),
        "",
    )
    return after / before if before else None
