"""How much to set aside before a request is sent, so that the bill cannot be more.

    hold = bound on input × the dearest input rate that can apply + output cap × n × the dearest output rate + tool fees

The bound on input is hard: a token is at least one byte, so the bytes of messages, tools and schema bound their tokens (the
JSON around them covers the few tokens a message adds); an image counts as its family's maximum, context stored at the
provider as the whole window, and nothing is more than the window. Rates are the dearest of the tiers that may be used,
and of the long-context row where the bound reaches it.

A cap is set only under a hard budget (`Rule`), and only where the caller set none: `default_max_output`, at least what the
model needs to reason. When less money is left than that, Redis grants less within `smallest_nano` .. `amount_nano` (at
most a quarter of what is left, but always the reasoning allowance when that fits), and `granted` turns the amount into
the cap. A cap of the caller's own, or an answer that must satisfy a schema, is shortened only by `shrink: always`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec.structs import replace

from proxy.budgets.bill import long_or_plain, rows_of_tier
from proxy.nouns import PriceRow

LEAST_OUTPUT: Final = 16
"""The shortest answer worth paying for; also the smallest cap /v1/responses takes."""

LEAST_REASONED_OUTPUT: Final = 1024
"""With less, a reasoning model spends everything on thoughts and answers nothing."""

CAP_ADDED: Final = "max_output:set"
CAP_LOWERED: Final = "max_output:lowered"

_TOKENS_PER_RATE: Final = 1_000_000
_NO_CALLS: Final[Mapping[str, int]] = MappingProxyType({})
_UNCERTAIN_TIERS: Final = frozenset({"auto", "scale"})


class Ask(msgspec.Struct, frozen=True, gc=False):
    """One translated candidate as money sees it.

    `text_bytes` are the bytes of everything that becomes input text, without inlined images; `image_tokens` the images'
    bound in all; `whole_window` that stored or fetched content may fill the context; `cap` the caller's own output cap
    (None: none); `max_output` what the model writes at most; `tool_calls` the most calls of each hosted tool.
    """

    text_bytes: int
    context_tokens: int
    max_output: int
    cap: int | None = None
    n: int = 1
    image_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output: bool = False
    whole_window: bool = False
    has_schema: bool = False
    reasoning_allowance: int = 0
    tier: str = ""
    tool_calls: Mapping[str, int] = _NO_CALLS
    generates: bool = True


class Rule(msgspec.Struct, frozen=True, gc=False):
    """What budgets and route say about caps. `hard` False: nothing is refused for money, so no cap is touched."""

    hard: bool
    default_max_output: int = 4096
    shrink_always: bool = False


class HoldSize(msgspec.Struct, frozen=True, gc=False):
    """What to hold, and what that buys.

    `amount_nano` is wanted; between `smallest_nano` and it, the store may grant less. `reasoning_nano` is what pays for the
    reasoning allowance. `cap_to_set` is the output cap to send (None: leave the request as it is). `input_tokens` and
    `output_tokens` are the bounds behind the amount (output for all n).
    """

    amount_nano: int
    cap_to_set: int | None
    smallest_nano: int
    changes: tuple[str, ...] = ()
    reasoning_nano: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    fixed_nano: int = 0
    output_rate: int = 0
    n: int = 1


class Tariff(msgspec.Struct, frozen=True, gc=False):
    """The holds of requests that differ in the length of their input alone: `bare` is the one without any input, each token
    of it adds at `input_rate` (nano-dollars per million)."""

    bare: HoldSize
    input_rate: int

    def size(self, input_tokens: int) -> HoldSize:
        """The hold of an input of at most so many tokens."""
        bare, input_nano = self.bare, _nano(input_tokens * self.input_rate)
        thoughts_nano = bare.reasoning_nano
        return HoldSize(
            bare.amount_nano + input_nano, bare.cap_to_set, bare.smallest_nano + input_nano, bare.changes,
            thoughts_nano + input_nano if thoughts_nano else 0, input_tokens, bare.output_tokens,
            bare.fixed_nano + input_nano, bare.output_rate, bare.n,
        )  # fmt: skip


def hold_size(ask: Ask, price: PriceRow, rule: Rule) -> HoldSize:
    """The hold of one candidate. Raises KeyError for a hosted tool without a price."""
    bound = input_bound(ask)
    return tariff(ask, price, rule, bound).size(bound)


def tariff(ask: Ask, price: PriceRow, rule: Rule, bound: int = 0) -> Tariff:
    """The tariff of all requests like this one with at most `bound` input tokens; of any length where the price has no
    long row. Raises KeyError for a hosted tool without a price."""
    n = ask.n
    input_rate, rate = _dearest(price, ask, bound)
    fees_nano = sum([price.tool_calls[name] * count for name, count in ask.tool_calls.items()])
    cap, smallest_cap, shown = _caps(ask, rule)
    thoughts = min(cap, ask.reasoning_allowance)
    bare = HoldSize(
        fees_nano + _nano(cap * n * rate),
        shown,
        fees_nano + _nano(smallest_cap * n * rate),
        (CAP_ADDED,) if shown is not None else (),
        reasoning_nano=fees_nano + _nano(thoughts * n * rate) if thoughts else 0,
        output_tokens=cap * n,
        fixed_nano=fees_nano,
        output_rate=rate,
        n=n,
    )
    return Tariff(bare, input_rate)


def granted(size: HoldSize, granted_nano: int) -> HoldSize:
    """The size as it is after the store granted `granted_nano`: the cap is what that money pays for."""
    if granted_nano >= size.amount_nano or not size.output_rate:
        return size
    cap = max(0, granted_nano - size.fixed_nano) * _TOKENS_PER_RATE // (size.output_rate * size.n)
    return replace(
        size,
        amount_nano=granted_nano,
        cap_to_set=cap,
        changes=(CAP_LOWERED,),
        output_tokens=cap * size.n,
    )


def input_bound(ask: Ask) -> int:
    """The most input tokens this request can have."""
    if ask.whole_window and ask.context_tokens:
        return ask.context_tokens
    bound = ask.text_bytes + ask.image_tokens + ask.audio_input_tokens
    return min(bound, ask.context_tokens) if ask.context_tokens else bound


def _caps(ask: Ask, rule: Rule) -> tuple[int, int, int | None]:
    """(output tokens to hold for, the smallest permitted, the cap to set)."""
    if not ask.generates:
        return 0, 0, None
    least = min(ask.reasoning_allowance, LEAST_REASONED_OUTPUT) if ask.reasoning_allowance else LEAST_OUTPUT
    if ask.cap is not None:
        cap = min(ask.cap, ask.max_output)
        return cap, min(cap, least) if rule.shrink_always else cap, None
    cap = min(max(rule.default_max_output, ask.reasoning_allowance), ask.max_output)
    if ask.has_schema and not rule.shrink_always:
        return cap, cap, cap if rule.hard else None
    return cap, min(cap, least), cap if rule.hard else None


def _dearest(price: PriceRow, ask: Ask, bound: int) -> tuple[int, int]:
    """The dearest rates of input and output in any row that may price this request: the tier asked for, the plain row it
    may fall back to, their long rows."""
    if ask.tier == "default" and price.long is None:  # as nearly always
        return _rates(price, ask)
    asked = (price, *price.tiers.values()) if ask.tier in _UNCERTAIN_TIERS else rows_of_tier(price, ask.tier)
    rows = asked if asked[0] is price else (*asked, price)
    rows = (*rows, *[long for row in rows if (long := long_or_plain(row, bound)) is not row])
    input_rates, output_rates = zip(*[_rates(row, ask) for row in rows], strict=True)
    return max(input_rates), max(output_rates)


def _rates(row: PriceRow, ask: Ask) -> tuple[int, int]:
    rate = max(row.input, row.cached_input, row.cache_write, row.cache_write_extended)
    if ask.image_tokens or ask.whole_window:
        rate = max(rate, row.image_input)
    if ask.audio_input_tokens or ask.whole_window:
        rate = max(rate, row.audio_input)
    return rate, max(row.output, row.audio_output) if ask.audio_output else row.output


def _nano(product: int) -> int:
    return -(-product // _TOKENS_PER_RATE)
