"""litellm's price map read as data, for models no row of ours describes. litellm itself is not imported.

The file has thousands of entries we never serve, so only the asked ones are decoded. Prices are JSON floats per token;
their shortest decimal spelling is the list price, exact per million tokens.
"""

import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

import msgspec

from proxy.models.rowreader import day
from proxy.models.rows import ModelRow
from proxy.nouns import NANO_PER_USD, PriceRow

MAP_FILE = "model_prices_and_context_window_backup.json"
_ENDPOINTS = {
    "chat": frozenset({"chat"}),
    "responses": frozenset({"responses"}),
    "embedding": frozenset({"embeddings"}),
    "completion": frozenset({"completions"}),
    "moderation": frozenset({"moderations"}),
}
_TIERS = {"flex": "_flex", "priority": "_priority", "batch": "_batches", "ultrafast": "_ultrafast"}
_MILLION = 1_000_000
_OPENAI_NAMES = (("gpt-4o", "gpt-4.1"), ("gpt-4.1", "gpt-4.1"), ("gpt-4", "gpt-4"), ("gpt-3.5", "gpt-4"))
_LONG_TOKENS = (128_000, 200_000, 272_000, 512_000)
_entries = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_price_map() -> bytes:
    """The bytes of the installed map, b"{}" when litellm is not installed."""
    spec = importlib.util.find_spec("litellm")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / MAP_FILE
        if path.exists():
            return path.read_bytes()
    return b"{}"


def rows_from_price_map(raw: bytes, names: Iterable[str]) -> Iterator[ModelRow]:
    """A row for each of `names` the map knows with token prices, under the name that was asked.

    `provider/model` is looked up as written, then as `model`. Entries without both prices are left out: a model without
    a price is unknown.
    """
    entries = _entries.decode(raw)
    for name in names:
        for key in (name, name.partition("/")[2]):
            if key in entries:
                row = _row(name, msgspec.json.decode(entries[key]))
                if row is not None:
                    yield row
                break


def price_from_entry(entry: Mapping[str, Any]) -> PriceRow | None:
    """The price of one map entry with its tiers and long-context row, None when input or output has no price."""
    base = _rates(entry, "", "")
    if base is None:
        return None
    tiers = {}
    for tier, suffix in _TIERS.items():
        row = _rates(entry, "", suffix)
        if row is not None:
            tiers[tier] = _with_long(row, entry, suffix)
    return replace(_with_long(base, entry, ""), tiers=tiers)


def _with_long(row: PriceRow, entry: Mapping[str, Any], suffix: str) -> PriceRow:
    for tokens in _LONG_TOKENS:
        long = _rates(entry, f"_above_{tokens // 1000}k_tokens", suffix)
        if long is not None:
            return replace(row, long_threshold_tokens=tokens, long=long)
    return row


def _rates(entry: Mapping[str, Any], above: str, suffix: str) -> PriceRow | None:
    def rate(kind: str, stand_in: int) -> int:
        value = entry.get(f"{kind}{above}{suffix}")
        return stand_in if value is None else _nano(value)

    plain_in = rate("input_cost_per_token", -1)
    plain_out = rate("output_cost_per_token", -1)
    if plain_in < 0 or plain_out < 0:
        return None
    written = rate("cache_creation_input_token_cost", plain_in)
    return PriceRow(
        input=plain_in,
        output=plain_out,
        cached_input=rate("cache_read_input_token_cost", plain_in),
        cache_write=written,
        cache_write_extended=rate("cache_creation_input_token_cost_above_1hr", written),
        audio_input=rate("input_cost_per_audio_token", plain_in),
        audio_output=rate("output_cost_per_audio_token", plain_out),
        image_input=rate("input_cost_per_image_token", plain_in),
        image_output=rate("output_cost_per_image_token", plain_out),
    )


def _nano(usd_per_token: float) -> int:
    """Nano-dollars per million tokens, rounded up where the map is finer than that."""
    exact = Decimal(str(usd_per_token)) * NANO_PER_USD * _MILLION
    return int(exact.to_integral_value(ROUND_CEILING))


def _row(name: str, entry: Mapping[str, Any]) -> ModelRow | None:
    price = price_from_entry(entry)
    mode = entry.get("mode", "")
    if price is None or mode not in _ENDPOINTS:
        return None
    max_input = int(entry.get("max_input_tokens") or entry.get("max_tokens") or 0)
    max_output = int(entry.get("max_output_tokens") or entry.get("max_tokens") or 0)
    provider = str(entry.get("litellm_provider", ""))
    ends = entry.get("deprecation_date")
    return ModelRow(
        name=name,
        family=_family(mode, provider, name, reasons=bool(entry.get("supports_reasoning"))),
        provider_kind=provider,
        context=max_input,
        max_input=max_input,
        max_output=max_output,
        modalities_in=frozenset({"text", "image"} if entry.get("supports_vision") else {"text"}),
        modalities_out=frozenset({"text"}),
        endpoints=_ENDPOINTS[mode],
        chat_tools="chat",
        prices=((0.0, price),),
        unpriced="",
        released=None,
        shutdown=day(ends) if isinstance(ends, str) else None,
        announced=None,
        successors=(),
        successor_source="",
        successor_read="",
        ttft_s=0.0,
        tokens_per_s=0.0,
        source=f"litellm price map, key of {provider}",
        read="",
        names=(name,),
    )


def _family(mode: str, provider: str, name: str, *, reasons: bool) -> str:
    """OpenAI's own models by what their name says they accept; everybody else's parameters are litellm's to translate."""
    if mode in ("embedding", "completion", "moderation"):
        return mode
    if provider == "openai":
        known = next((family for start, family in _OPENAI_NAMES if name.startswith(start)), "")
        if known:
            return known
    return "foreign-reasoning" if reasons else "foreign"
