"""Which models a litellm provider can be asked for, by the names callers write. Pure but for reading the price map.

The map lists a model under its own name, under `provider/name`, or both; only a name that stands alone in it can be asked
for without being described under `models:`, since only that one has a price.
"""

from collections.abc import Iterable, Iterator

import msgspec

from proxy.models.price_map import read_price_map

_MODES = frozenset({"chat", "embedding"})


class _Entry(msgspec.Struct, gc=False):
    litellm_provider: str = ""
    mode: str = ""


_entries = msgspec.json.Decoder(dict[str, _Entry])


def names_served(providers: Iterable[str]) -> set[str]:
    """Every name these litellm providers answer to. The map is read (some 15 ms) only when there is a provider."""
    wanted = set(providers)
    entries = _entries.decode(read_price_map()) if wanted else {}
    return {name for provider in wanted for name in _of(provider, entries)}


def _of(provider: str, entries: dict[str, _Entry]) -> Iterator[str]:
    for key, entry in entries.items():
        plain = key.removeprefix(f"{provider}/")
        if entry.mode in _MODES and entry.litellm_provider.startswith(provider) and plain in entries:
            yield plain
