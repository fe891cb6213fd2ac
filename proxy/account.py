"""From what was seen of an attempt to what it used and cost. Pure; the rules are those of `budgets`.

An attempt that never showed us anything is charged as if it had run to its bound: nobody outside knows how far it got.
"""

from collections.abc import Mapping

from proxy.budgets.bill import NO_CALLS, bill
from proxy.budgets.usage import Evidence, estimate_input, reported, usage_of
from proxy.hosted import called, hosted_tools, priced
from proxy.nouns import Candidate, Endpoint, PriceRow, Usage
from proxy.parse import Request
from proxy.upstreams.seen import Seen

_INPUT_FIELDS = frozenset(
    {"messages", "input", "prompt", "tools", "functions", "response_format", "text", "instructions"}
)
_GENERATES = frozenset({Endpoint.CHAT, Endpoint.RESPONSES, Endpoint.COMPLETIONS})
_RETENTION = ("prompt_cache_retention", "prompt_cache_options")
_NOTHING = Seen()


def used(request: Request, candidate: Candidate, seen: Seen | None, held_output: int) -> Usage:
    """Usage of one attempt that was sent. `seen` None: no part of an answer ever arrived. `held_output` is the hold's
    bound on output tokens, 0 without a hold."""
    if seen is not None and seen.usages:
        usage = reported(seen.usages, seen.service_tier)
        if usage is not None:
            return usage
    tally = seen or _NOTHING
    generates = request.endpoint in _GENERATES
    return usage_of(
        Evidence(
            complete=tally.complete,
            events=tally.events if request.stream else 0,
            text_bytes=tally.text_bytes,
            input_tokens=input_estimate(request) * candidate.fan_out,
            output_bound_tokens=(held_output or output_bound(request, candidate)) if generates else 0,
            reasons=candidate.reasons or (seen is None and generates),
            service_tier=tally.service_tier,
        )
    )


def input_estimate(request: Request) -> int:
    """Input tokens as estimated from the body's bytes; for rates and for answers that never said."""
    return estimate_input(b"".join(request.fields.sent(_INPUT_FIELDS)))


def cost_nano(usage: Usage, candidate: Candidate, request: Request, seen: Seen | None) -> int:
    """Nano-dollars of this usage and of the hosted tools that were called; 0 where the endpoint has no token price."""
    price = candidate.price
    if price is None:
        return 0
    calls = NO_CALLS
    if price.tool_calls and request.endpoint is Endpoint.RESPONSES:
        calls = _calls(price, request, seen or _NOTHING)
    return bill(
        usage,
        price,
        usage.service_tier,
        tool_calls=calls,
        extended_cache=bool(usage.cache_write_tokens) and _keeps_long(request, candidate),
    )


def _calls(price: PriceRow, request: Request, seen: Seen) -> Mapping[str, int]:
    """How often each priced hosted tool was called: as the answer's items say; where none came, as often as it may have been."""
    hosted = hosted_tools(request.fields)
    if not hosted:
        return NO_CALLS
    if not seen.complete:
        return priced(hosted, price)
    return priced(called(seen.items), price)


def _keeps_long(request: Request, candidate: Candidate) -> bool:
    """Whether what is written to the prompt cache was asked to stay there for a day."""
    raws, edits = request.fields.raws, candidate.edits
    sent = [edits.get(name, raws.get(name, b"")) for name in _RETENTION]
    return b'"24h"' in b"".join(sent)


def output_bound(request: Request, candidate: Candidate) -> int:
    """The most output tokens this attempt can have: its cap as sent, else the model's, times n."""
    cap = candidate.max_output_tokens
    for name in ("max_completion_tokens", "max_output_tokens", "max_tokens"):
        value = request.fields.get(name)
        if isinstance(value, int) and value > 0:
            cap = min(cap, value) if cap else value
    n = request.fields.get("n")
    return cap * n if isinstance(n, int) and 0 < n <= _MOST_ANSWERS else cap


_MOST_ANSWERS = 128
