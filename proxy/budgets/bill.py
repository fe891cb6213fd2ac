"""The bill: tokens times prices, in nano-dollars, exact and rounded up once.

Prices are integers per million tokens, so the sum of tokens × rate is an exact integer of millionths of a nano-dollar.
Each token is billed once, at the rate of its own kind: cached, cache-write, audio and image input are parts of the input,
audio output a part of the output, reasoning an ordinary part of the output.

Tiers: what the answer says it used decides, not what was asked. `fast` is how a request spells `priority`. A tier that has
no row of its own is billed as the dearest row there is: a bill may be corrected downwards, never discovered too late.
"""

from collections.abc import Mapping
from typing import Final

from proxy.nouns import PriceRow, Usage

_TOKENS_PER_RATE: Final = 1_000_000
_PLAIN_TIERS: Final = frozenset({"", "default", "standard"})
_SPELLINGS: Final = {"fast": "priority"}
NO_CALLS: Final[Mapping[str, int]] = {}


def bill(
    usage: Usage,
    price: PriceRow,
    tier: str,
    *,
    tool_calls: Mapping[str, int] = NO_CALLS,
    extended_cache: bool = False,
) -> int:
    """Nano-dollars for one answer.

    `tier` is the service tier used, `tool_calls` counts hosted tools by name, `extended_cache` says that cache writes were
    for the long retention. Raises KeyError for a hosted tool without a price: unknown is never zero.
    """
    if tier in _PLAIN_TIERS:
        nano = _tokens_nano(usage, price, extended_cache)
    else:
        nano = max([_tokens_nano(usage, row, extended_cache) for row in rows_of_tier(price, tier)])
    if tool_calls:
        nano += sum([price.tool_calls[name] * count for name, count in tool_calls.items()])
    return nano


def rows_of_tier(price: PriceRow, tier: str) -> tuple[PriceRow, ...]:
    """The row of a tier, or every row when the tier is not a priced one (`auto`, `scale`, something new)."""
    if tier in _PLAIN_TIERS:
        return (price,)
    row = price.tiers.get(_SPELLINGS.get(tier, tier))
    return (row,) if row is not None else (price, *price.tiers.values())


def long_or_plain(row: PriceRow, input_tokens: int) -> PriceRow:
    """The row that applies to a prompt of this length: past the threshold the whole request is dearer."""
    if row.long is not None and input_tokens > row.long_threshold_tokens > 0:
        return row.long
    return row


def _tokens_nano(usage: Usage, row: PriceRow, extended_cache: bool) -> int:
    """Tokens × rate of every kind: all at the plain rate, then what parts cost instead."""
    rates = long_or_plain(row, usage.input_tokens)
    into, out, spoken = usage.input_tokens, usage.output_tokens, usage.audio_output_tokens
    parts = (
        usage.cached_tokens + usage.cache_write_tokens + usage.audio_input_tokens + usage.image_input_tokens
    )
    products = into * rates.input + out * rates.output
    if parts:
        write_rate = rates.cache_write_extended if extended_cache else rates.cache_write
        products += (
            usage.cached_tokens * rates.cached_input
            + usage.cache_write_tokens * write_rate
            + usage.audio_input_tokens * rates.audio_input
            + usage.image_input_tokens * rates.image_input
            # Parts that overlap (cached audio) leave no plain input, never a negative amount.
            - min(parts, into) * rates.input
        )
    if spoken:
        products += spoken * rates.audio_output - min(spoken, out) * rates.output
    return -(-products // _TOKENS_PER_RATE)
