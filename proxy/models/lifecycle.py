"""When a model ends, who says so, and what a caller of it is told.

Dates, strongest first: the operator's own (`models:` in the configuration), what the provider publishes in its
`GET /v1/models` (a date, or null for none), the shipped catalogue. They are per (provider, model): a model may live on
elsewhere. The catalogue's dates are OpenAI's, so they count for providers of the row's own kind only.

A model is treated as ended `margin_hours` before its day begins (UTC), so that no request meets the last minute.
Headers and days left tell the true day.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import msgspec

from proxy.models.rowreader import day
from proxy.models.rows import ModelRow

DAY_S = 86_400
WARN_DAYS = (1, 7, 14, 30)

Published = Mapping[tuple[str, str], float | None]
"""(provider, catalogue name) -> the published shutdown in Unix seconds, None when the provider says there is none."""


def shutdown_of(row: ModelRow, provider: str, published: Published, kind: str = "openai") -> float | None:
    """The first second of the day `row` stops at `provider`, None when no end is known. `kind` is the provider's."""
    if row.pinned_dates:
        return row.shutdown
    key = (provider, row.name)
    if key in published:
        return published[key]
    return row.shutdown if kind == row.provider_kind else None


def is_retired(
    row: ModelRow,
    provider: str,
    now: float,
    *,
    margin_hours: float,
    published: Published,
    kind: str = "openai",
) -> bool:
    """Whether requests for `row` no longer go to `provider`."""
    ends = shutdown_of(row, provider, published, kind)
    return ends is not None and now >= ends - margin_hours * 3600


def days_left(ends: float | None, now: float) -> int | None:
    """Days until the model stops, counting a begun day as one; 0 or less when it has."""
    return None if ends is None else math.ceil((ends - now) / DAY_S)


def warning(days: int | None) -> int | None:
    """The warning a number of days left falls under (30, 14, 7, 1, or 0 once ended), None when it is far off.

    A caller that logs when this value changes logs each warning once.
    """
    if days is None:
        return None
    if days <= 0:
        return 0
    return next((limit for limit in WARN_DAYS if days <= limit), None)


def sunset_headers(row: ModelRow, ends: float | None, successor: str = "") -> tuple[tuple[bytes, bytes], ...]:
    """`Sunset` (RFC 8594), `Deprecation` (RFC 9745, only if the day of announcement is known) and the successor's `Link`.

    Empty for a model without a known end.
    """
    if ends is None:
        return ()
    when = format_datetime(datetime.fromtimestamp(ends, UTC), usegmt=True)
    headers = [(b"sunset", when.encode())]
    if row.announced is not None:
        headers.append((b"deprecation", f"@{int(row.announced)}".encode()))
    if successor:
        headers.append((b"link", f'</v1/models/{successor}>; rel="successor-version"'.encode()))
    return tuple(headers)


def read_model_list(body: bytes) -> dict[str, float | None]:
    """A provider's `GET /v1/models` as id -> published shutdown. Ids without the field are listed with None.

    Raises ValueError when it is not a model list: an outage must not look like every model being gone.
    """
    try:
        data: Any = msgspec.json.decode(body)
    except msgspec.DecodeError as fault:
        raise ValueError(f"not a model list: {fault}") from None
    entries = data.get("data") if isinstance(data, dict) else None
    if not isinstance(entries, list) or not entries:
        raise ValueError("not a model list: no `data`")
    return {
        entry["id"]: _date(entry.get("shutdown_date"))
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("id"), str)
    }


def publishes_dates(body_ids: Mapping[str, float | None]) -> bool:
    """Whether a provider dates its models at all; nulls of one that never does say nothing."""
    return any(ends is not None for ends in body_ids.values())


def published_dates(
    provider: str, listed: Mapping[str, float | None], rows: Mapping[str, ModelRow]
) -> dict[tuple[str, str], float | None]:
    """What one provider's list says about our models, by catalogue name.

    The model's own name is believed before its snapshots; of several snapshots the last to end counts. A provider that
    dates nothing says nothing.
    """
    if not publishes_dates(listed):
        return {}
    out: dict[tuple[str, str], float | None] = {}
    for name, row in rows.items():
        if name in listed:
            out[provider, name] = listed[name]
            continue
        ends = [listed[snapshot] for snapshot in row.names if snapshot in listed]
        if ends:
            dated = [end for end in ends if end is not None]
            out[provider, name] = max(dated) if len(dated) == len(ends) else None
    return out


def _date(value: Any) -> float | None:
    try:
        return day(value) if isinstance(value, str) else None
    except ValueError:
        return None
