"""The words of a refusal: which limit, how much of it is used, and when it starts anew.

Messages reach callers, so they name budgets and never keys, users or other callers.
"""

from datetime import UTC, datetime

from proxy.budgets.scopes import Counter
from proxy.budgets.windows import NEVER
from proxy.errors import ApiError, InsufficientQuota, RateLimited, UpstreamUnavailable
from proxy.nouns import NANO_PER_USD
from proxy.store.ports import HoldRequest, Standing

RETRY_HELD_S = 2
"""Money that is held comes back when an answer ends; nobody knows when, so callers look again soon."""

RETRY_AWAY_S = 2

_TOO_LARGE = "That is more than the whole budget: a lower output cap or a cheaper model may fit."
_PERIOD = {"total": "in all"}


def final(standing: Standing, request: HoldRequest) -> ApiError:
    """The money is gone for this request: only the window's end, or an operator, changes that."""
    needed_nano = request.size.smallest_nano
    when = _resets(standing.resets_at) if needed_nano <= standing.limit else _TOO_LARGE
    return InsufficientQuota(
        f"{_budget(standing.counter)} has {_usd(max(0, standing.limit - standing.spent))} left of "
        f"{_usd(standing.limit)} {_period(standing.counter)}, and this request needs at least {_usd(needed_nano)}. {when}"
    )


def wait(standing: Standing, request: HoldRequest, now_s: float) -> ApiError:
    """It fits, or will: later."""
    counter = standing.counter
    if counter.budget is not None:
        return RateLimited(
            f"{_budget(counter)} is held by requests under way ({_usd(standing.held)}); this request needs at least "
            f"{_usd(request.size.smallest_nano)}. Please try again in {RETRY_HELD_S}s.",
            retry_after_s=RETRY_HELD_S,
        )
    if counter.kind == "concurrent":
        return RateLimited(
            f"Rate limit reached: {standing.limit} requests at the same time. Please try again in 1s.",
            retry_after_s=1,
        )
    seconds = max(1, -(-int((standing.resets_at - now_s) * 1000) // 1000))
    requested = f", Requested {request.tokens}" if counter.kind == "tokens" else ""
    return RateLimited(
        f"Rate limit reached on {counter.kind} per min: Limit {standing.limit}, Used {standing.spent}{requested}. "
        f"Please try again in {seconds}s.",
        retry_after_s=seconds,
    )


def away() -> ApiError:
    """Redis does not answer, and a budget says that unseen money must not be spent."""
    return UpstreamUnavailable(
        "Budgets cannot be checked at the moment. Please try again.", retry_after_s=RETRY_AWAY_S
    )


def lost() -> ApiError:
    """Counters were lost (flushed, restored, failed over) and are not rebuilt yet."""
    return UpstreamUnavailable("Budgets are being rebuilt. Please try again.", retry_after_s=RETRY_AWAY_S)


def _budget(counter: Counter) -> str:
    return f"Budget '{counter.budget.name}'" if counter.budget is not None else "A limit"


def _period(counter: Counter) -> str:
    return _PERIOD.get(counter.per, f"per {counter.per}")


def _usd(nano: int) -> str:
    whole, part = divmod(nano, NANO_PER_USD)
    digits = f"{part:09d}".rstrip("0").ljust(2, "0")
    return f"${whole}.{digits}"


def _resets(at: int) -> str:
    if at >= NEVER:
        return "It does not reset."
    return f"It resets at {datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}."
