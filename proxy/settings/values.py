"""The kinds of value a configuration holds: exact money, fractions, names, targets, secrets, hashes, days, zones, URLs.

Each takes the scalar's text (see source.py) and says in one sentence what it expected. No message repeats a secret.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, NoReturn
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import BeforeValidator, Field, PlainSerializer, SecretStr, WithJsonSchema
from pydantic_core import PydanticCustomError

from proxy.nouns import NANO_PER_USD

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
MOST_USD = 9_000_000
"""Counters are doubles inside Redis' Lua: exact up to 2^53 nano-dollars, about $9.007 million."""

EMPTY_KEY_HASH = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def refuse(message: str, allowed: tuple[str, ...] = (), given: str = "", at: str = "") -> NoReturn:
    """Refuse a value from inside a validator; `given` is compared with `allowed` to suggest a spelling; `at` is the key of a
    record that is to blame."""
    context = {"message": message, "allowed": allowed, "given": given, "at": at}
    raise PydanticCustomError("settings", "{message}", context)


def nano_usd(value: Any) -> int:
    """US dollars written as a decimal, as nano-dollars; exact or refused."""
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        refuse("expected an amount in US dollars such as 12.50")
    if not amount.is_finite():
        refuse("expected an amount in US dollars such as 12.50, not a NaN or infinity")
    if amount < 0:
        refuse("an amount cannot be negative")
    if amount > MOST_USD:
        refuse(f"above ${MOST_USD:,}: larger amounts cannot be counted exactly")
    nano = amount * NANO_PER_USD
    if nano != nano.to_integral_value():
        refuse("finer than a billionth of a dollar")
    return int(nano)


def usd_text(nano: int) -> str:
    """Nano-dollars as a plain decimal: 500_000_000 is "0.5"."""
    whole, part = divmod(nano, NANO_PER_USD)
    return f"{whole}.{part:09d}".rstrip("0").rstrip(".")


def _decimal(value: Any) -> Decimal:
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        refuse("expected a number")
    if not number.is_finite():
        refuse("expected a number, not a NaN or infinity")
    return number


def _share(value: Any) -> Decimal:
    number = _decimal(value)
    if not 0 <= number <= 1:
        refuse("expected a share between 0 and 1 (80 % is 0.8)")
    return number


def _soft(value: Any) -> Decimal:
    if _decimal(value) > 1:
        refuse("above the hard limit; soft is a share of usd between 0 and 1 (80 % is 0.8)")
    return _share(value)


def _factor(value: Any) -> Decimal:
    number = _decimal(value)
    if number < 0:
        refuse("a factor cannot be negative")
    return number


@dataclass(frozen=True, slots=True)
class Target:
    """A model to send to, as an operator writes it: `model`, `provider/model`, either with `@effort`.

    `model` keeps the provider's prefix, because a model's own name may contain a slash; `split` takes it off.
    """

    model: str
    effort: str | None = None

    def split(self, providers: Any) -> tuple[str, str]:
        """`(provider, model)`; provider is "" when the prefix is none of `providers`."""
        head, slash, rest = self.model.partition("/")
        return (head, rest) if slash and rest and head in providers else ("", self.model)

    def __str__(self) -> str:
        return f"{self.model}@{self.effort}" if self.effort else self.model


def _target(value: Any) -> Target:
    if isinstance(value, Target):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[^\s@]+(@[^\s@]*)?", value):
        refuse("expected a model, written model or model@effort")
    model, at, effort = value.partition("@")
    if at and effort not in EFFORTS:
        refuse("unknown effort" if effort else "an effort must follow the @", EFFORTS, effort)
    return Target(model, effort or None)


def _target_text(value: Any) -> str:
    return str(_target(value))


def _key_hash(value: Any) -> str:
    text = str(value).lower()
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", text):
        refuse('expected "sha256:" and 64 hex digits, the SHA-256 of the key (never the key itself)')
    if text.endswith(EMPTY_KEY_HASH):
        refuse("this is the hash of an empty key")
    return text


def _expiry(value: Any) -> int:
    text = str(value).strip()
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            day = datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=1)
            return int(day.timestamp())
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        at = None
    if at is None or at.tzinfo is None:
        refuse("expected a day (2027-06-30) or a time with its zone (2027-06-30T12:00:00Z)")
    return int(at.timestamp())


def _expiry_text(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _day(value: Any) -> date:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        refuse("expected a day such as 2027-01-14")


def _zone(value: Any) -> str:
    text = str(value)
    if text == "UTC":
        return text
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        refuse(_unknown_zone(text))
    return text


def _unknown_zone(text: str) -> str:
    # Six hundred zones are no help as a list of allowed values: only the nearest one is named.
    wanted = text.lower().replace(" ", "_")
    near = sorted(zone for zone in available_timezones() if wanted and zone.lower().endswith(wanted))
    hint = near[0] if near else "Europe/Berlin"
    return f"unknown time zone; write UTC or an IANA name such as {hint}"


def _url(value: Any) -> str:
    text = str(value).strip()
    try:
        parts = urlsplit(text)
        good = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        good = False
    if not good:
        refuse("expected a URL that starts with http:// or https://")
    if parts.username or parts.password:
        refuse("no user or password in this URL; use api_key")
    if parts.query or parts.fragment:
        refuse("no ? or # in this URL")
    return text.rstrip("/")


_STRING: dict[str, Any] = {"type": "string"}
AMOUNT: dict[str, Any] = {"type": ["number", "string"], "minimum": 0}

UsdNano = Annotated[
    int,
    BeforeValidator(nano_usd),
    PlainSerializer(usd_text),
    WithJsonSchema(AMOUNT | {"maximum": MOST_USD}),
]
Share = Annotated[
    Decimal, BeforeValidator(_share), PlainSerializer(str), WithJsonSchema(AMOUNT | {"maximum": 1})
]
SoftShare = Annotated[
    Decimal, BeforeValidator(_soft), PlainSerializer(str), WithJsonSchema(AMOUNT | {"maximum": 1})
]
Factor = Annotated[Decimal, BeforeValidator(_factor), PlainSerializer(str), WithJsonSchema(AMOUNT)]
TARGET_SCHEMA: dict[str, Any] = {
    "type": "string",
    "pattern": rf"^[^\s@]+(@({'|'.join(EFFORTS)}))?$",
    "examples": ["gpt-6.1-terra@medium"],
}
ModelTarget = Annotated[
    Target,
    BeforeValidator(_target),
    PlainSerializer(str),
    WithJsonSchema(TARGET_SCHEMA),
]
TargetName = Annotated[str, BeforeValidator(_target_text), WithJsonSchema(TARGET_SCHEMA)]
"""A target kept as text, because it may also be a route or another alias."""
KeyHash = Annotated[
    str,
    BeforeValidator(_key_hash),
    WithJsonSchema(_STRING | {"pattern": "^sha256:[0-9a-fA-F]{64}$"}),
]
Expiry = Annotated[
    int,
    BeforeValidator(_expiry),
    PlainSerializer(_expiry_text),
    WithJsonSchema(_STRING | {"examples": ["2027-06-30"]}),
]
Day = Annotated[
    date, BeforeValidator(_day), PlainSerializer(str), WithJsonSchema(_STRING | {"examples": ["2027-01-14"]})
]
Zone = Annotated[
    str, BeforeValidator(_zone), WithJsonSchema(_STRING | {"examples": ["UTC", "Europe/Berlin"]})
]
HttpUrl = Annotated[str, BeforeValidator(_url), WithJsonSchema(_STRING | {"format": "uri"})]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$")]
"""Names of ours: they become metric labels and parts of Redis keys."""
MODEL_NAME = r"^[^\s@]{1,200}$"
ModelName = Annotated[str, Field(pattern=MODEL_NAME)]
Secret = Annotated[SecretStr, Field(min_length=1)]
