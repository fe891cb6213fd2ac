"""Exact decimals to integer nano-dollars per million tokens, and how dear one model is next to another.

Rules: every rate is finite, not negative and exact in nano-dollars; a rate that is not listed costs what plain input
(or output) costs, so nothing is free by accident; a cached token never costs more than a fresh one. A factor (`"0.5"`)
scales a whole row; the long-context row scales input kinds by `in` and output kinds by `out`.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation

from proxy.models.rowfile import Notes, Tree
from proxy.nouns import NANO_PER_USD, PriceRow

BLEND_INPUT_PARTS = 3
"""Models are compared on three parts of input to one part of output."""

TIERS = ("flex", "batch", "priority", "scale", "ultrafast")
MAX_USD_PER_M = 1_000_000

_INPUT_RATES = {
    "input": "input",
    "cached": "cached_input",
    "cache_write": "cache_write",
    "cache_write_extended": "cache_write_extended",
    "audio_input": "audio_input",
    "image_input": "image_input",
}
_OUTPUT_RATES = {"output": "output", "audio_output": "audio_output", "image_output": "image_output"}
_RATES = _INPUT_RATES | _OUTPUT_RATES
_STANDS_FOR = {
    "cached": "input",
    "cache_write": "input",
    "cache_write_extended": "cache_write",
    "audio_input": "input",
    "image_input": "input",
    "audio_output": "output",
    "image_output": "output",
}
_OTHER_KEYS = frozenset({"from", "long", "tiers", "tool_calls", "free"})


def blend(price: PriceRow) -> int:
    """One figure to compare models by, in nano-dollars per 4,000,000 tokens (3 parts input, 1 part output)."""
    return BLEND_INPUT_PARTS * price.input + price.output


def ratio(target: PriceRow, source: PriceRow) -> float:
    """How many times dearer `target` is than `source`; infinite when the source is free and the target is not."""
    if blend(source) == 0:
        return 1.0 if blend(target) == 0 else float("inf")
    return blend(target) / blend(source)


def read_price(tree: Tree, path: str, notes: Notes) -> PriceRow | None:
    """A price row with its long-context row and tiers, or None with the reasons in `notes`."""
    before = len(notes.mistakes)
    if not tree.fields:
        notes.add(tree, path, "a price is a mapping with at least `input` and `output`")
        return None
    for key in tree.fields.keys() - _RATES.keys() - _OTHER_KEYS:
        notes.add(tree.fields[key], f"{path}.{key}", f"unknown rate; known: {', '.join(_RATES)}")
    base = _rates(tree, path, notes)
    if base is None:
        return None
    free = tree.fields.get("free")
    if base.input == 0 and (free is None or free.text != "true"):
        notes.add(tree, path, "an input price of zero must say `free: true`")
    base = replace(base, tool_calls=_tool_calls(tree, path, notes))
    base = _with_long(base, tree, path, notes)
    base = replace(base, tiers=_tiers(base, tree, path, notes))
    return base if len(notes.mistakes) == before else None


def nano_per_million(text: str) -> int:
    """`"0.25"` (USD per million tokens) as 250_000_000. Raises ValueError saying what is wrong with it."""
    try:
        usd = Decimal(text.strip())
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a decimal number") from None
    if not usd.is_finite() or usd < 0:
        raise ValueError(f"{text} is not a price: it must be finite and not negative")
    if usd > MAX_USD_PER_M:
        raise ValueError(f"{text} is above {MAX_USD_PER_M} USD; is the unit USD per 1,000,000 tokens?")
    nano = usd * NANO_PER_USD
    if nano != int(nano):
        raise ValueError(f"{text} is finer than a nano-dollar per 1,000,000 tokens")
    return int(nano)


def _rates(tree: Tree, path: str, notes: Notes) -> PriceRow | None:
    given: dict[str, int] = {}
    for key in _RATES.keys() & tree.fields.keys():
        value = _amount(tree.fields[key], f"{path}.{key}", notes)
        if value is not None:
            given[key] = value
    for key in ("input", "output"):
        if key not in tree.fields:
            notes.add(tree, path, f"`{key}` is missing")
    if not {"input", "output"} <= given.keys():
        return None
    for key, stand_in in _STANDS_FOR.items():
        given.setdefault(key, given[stand_in])
    if given["cached"] > given["input"]:
        notes.add(tree.fields["cached"], f"{path}.cached", "dearer than `input`")
    return _price_row({_RATES[key]: value for key, value in given.items()})


def _with_long(base: PriceRow, tree: Tree, path: str, notes: Notes) -> PriceRow:
    spec = tree.fields.get("long")
    if spec is None:
        return base
    above = spec.fields.get("above")
    if above is None or not above.text.isdecimal() or int(above.text) == 0:
        notes.add(spec, f"{path}.long.above", "a positive number of input tokens is missing")
        return base
    if "input" in spec.fields:
        row = _rates(spec, f"{path}.long", notes)
    else:
        factor_in, factor_out = (
            _factor(spec.fields.get(side, spec), f"{path}.long.{side}", notes) for side in ("in", "out")
        )
        row = _scaled(base, (factor_in, factor_out), spec, f"{path}.long", notes)
    long = replace(row, tool_calls=base.tool_calls) if row is not None else None
    return replace(base, long_threshold_tokens=int(above.text), long=long)


def _tiers(base: PriceRow, tree: Tree, path: str, notes: Notes) -> dict[str, PriceRow]:
    out: dict[str, PriceRow] = {}
    for name, spec in tree.fields["tiers"].fields.items() if "tiers" in tree.fields else ():
        below = f"{path}.tiers.{name}"
        if name not in TIERS:
            notes.add(spec, below, f"unknown tier; known: {', '.join(TIERS)}")
            continue
        row = _rates(spec, below, notes) if spec.fields else _whole_scaled(base, spec, below, notes)
        if row is None:
            continue
        row = replace(row, tool_calls=base.tool_calls)
        if spec.fields:
            inherited = "long" not in spec.fields and "long" in tree.fields
            row = _with_long(row, tree if inherited else spec, below, notes)
        out[name] = row
    return out


def _whole_scaled(base: PriceRow, spec: Tree, path: str, notes: Notes) -> PriceRow | None:
    factor = _factor(spec, path, notes)
    row = _scaled(base, (factor, factor), spec, path, notes)
    if row is None or base.long is None:
        return row
    long = _scaled(base.long, (factor, factor), spec, path, notes)
    if long is not None:
        long = replace(long, tool_calls=base.tool_calls)
    return replace(row, long_threshold_tokens=base.long_threshold_tokens, long=long)


def _scaled(
    base: PriceRow, factors: tuple[Decimal, Decimal], spec: Tree, path: str, notes: Notes
) -> PriceRow | None:
    rates: dict[str, int] = {}
    for fields, factor in zip((_INPUT_RATES, _OUTPUT_RATES), factors, strict=True):
        for field in fields.values():
            value = Decimal(getattr(base, field)) * factor
            if value != int(value):
                notes.add(spec, path, f"{field} x {factor} is not exact in nano-dollars; write the rate out")
                return None
            rates[field] = int(value)
    return _price_row(rates)


def _tool_calls(tree: Tree, path: str, notes: Notes) -> dict[str, int]:
    out: dict[str, int] = {}
    for name, spec in tree.fields["tool_calls"].fields.items() if "tool_calls" in tree.fields else ():
        value = _amount(spec, f"{path}.tool_calls.{name}", notes)
        if value is not None:
            out[name] = value
    return out


def _amount(tree: Tree, path: str, notes: Notes) -> int | None:
    try:
        return nano_per_million(tree.text)
    except ValueError as fault:
        notes.add(tree, path, str(fault))
        return None


def _factor(tree: Tree, path: str, notes: Notes) -> Decimal:
    try:
        factor = Decimal(tree.text)
    except InvalidOperation:
        factor = Decimal(0)
    if not factor.is_finite() or factor <= 0:
        notes.add(tree, path, f"{tree.text!r} is not a positive factor")
        return Decimal(1)
    return factor


def _price_row(rates: Mapping[str, int]) -> PriceRow:
    return PriceRow(
        input=rates["input"],
        output=rates["output"],
        cached_input=rates["cached_input"],
        cache_write=rates["cache_write"],
        cache_write_extended=rates["cache_write_extended"],
        audio_input=rates["audio_input"],
        audio_output=rates["audio_output"],
        image_input=rates["image_input"],
        image_output=rates["image_output"],
    )
