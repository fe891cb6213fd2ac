"""From what was seen of an attempt to what it used and cost. Pure; the rules are those of `budgets`.

An attempt that never showed us anything is charged as if it had run to its bound: nobody outside knows how far it got.
"""

from proxy.budgets.bill import bill
from proxy.budgets.usage import Evidence, estimate_input, reported, usage_of
from proxy.nouns import Candidate, Endpoint, Usage
from proxy.parse import Request
from proxy.upstreams.seen import Seen

_INPUT_FIELDS = frozenset(
    {"messages", "input", "prompt", "tools", "functions", "response_format", "text", "instructions"}
)
_GENERATES = frozenset({Endpoint.CHAT, Endpoint.RESPONSES, Endpoint.COMPLETIONS})
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


def cost_nano(usage: Usage, candidate: Candidate) -> int:
    """Nano-dollars of this usage; 0 where the endpoint has no token price."""
    price = candidate.price
    return bill(usage, price, usage.service_tier) if price is not None else 0


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
