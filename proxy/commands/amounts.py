"""Money, days and moments as people write them on a command line and read them in a table."""

import argparse
from datetime import UTC, datetime, timedelta
from typing import Final

from proxy.budgets.windows import NEVER
from proxy.nouns import NANO_PER_USD
from proxy.settings.values import nano_usd

PERIODS: Final = ("minute", "hour", "day", "week", "month", "total")


def usd(text: str) -> int:
    """An option's amount in US dollars as nano-dollars."""
    try:
        return nano_usd(text.removeprefix("$"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def allowance(text: str) -> dict[str, str]:
    """`50/month` as a budget of the configuration."""
    amount, slash, period = text.partition("/")
    if not slash or period not in PERIODS:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected USD/PERIOD such as 50/month; periods: {', '.join(PERIODS)}"
        )
    usd(amount)
    return {"usd": amount.removeprefix("$"), "per": period}


def moment(text: str) -> float:
    """A day (its first second, UTC), a time with its zone, or how long ago (`6h`, `30d`), as Unix seconds."""
    units = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
    if text[:-1].isdecimal() and text[-1:] in units and len(text) < 8:
        return (datetime.now(UTC) - int(text[:-1]) * units[text[-1]]).timestamp()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or (at.tzinfo is None and len(text) > len("2026-11-21")):
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected a day (2026-11-21), a time with its zone (2026-11-21T12:00:00Z) or how long ago (6h, 30d)"
        )
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()


def counted(number: int, noun: str) -> str:
    """`1 day`, `1,200 days`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def dollars(nano: int) -> str:
    """$1.00, $0.000070: exact, with at least cents."""
    sign = "-" if nano < 0 else ""
    whole, part = divmod(abs(nano), NANO_PER_USD)
    return f"{sign}${whole:,}.{f'{part:09d}'.rstrip('0').ljust(2, '0')}"


def exact(nano: int) -> str:
    """A decimal for JSON and CSV: -0.000070000."""
    whole, part = divmod(abs(nano), NANO_PER_USD)
    return f"{'-' if nano < 0 else ''}{whole}.{part:09d}"


def when(at: float) -> str:
    """UTC, to the second; `never` for the end of a window that has none."""
    return "never" if at >= NEVER else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day(at: float | None) -> str:
    """A UTC day, "" for none."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).date().isoformat()
