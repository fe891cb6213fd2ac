"""Hosted tools: which a request offers, how often each may be or was called, and what of that has a price. Pure.

A tool's price is per call (per container for `code_interpreter`), under the shortest of its names: `web_search` is that of
`web_search_preview` and of `web_search_2025_08_26` too.
"""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from proxy.nouns import PriceRow

NO_TOOLS: Final[Mapping[str, int]] = MappingProxyType({})
_OURS: Final = frozenset({"function", "custom"})
_FEELESS: Final = frozenset({"mcp"})
"""Paid in tokens alone (OpenAI's pricing page, November 2026)."""
_CALL: Final = "_call"


class _Item(msgspec.Struct, gc=False):
    type: str = ""
    container_id: str | None = None


_items: Final = msgspec.json.Decoder(list[_Item]).decode


def hosted_tools(fields: Mapping[str, Any]) -> Mapping[str, int]:
    """A request's hosted tools by name with the most calls each may make; 0 where nothing bounds them."""
    tools = fields.get("tools")
    if not isinstance(tools, list):
        return NO_TOOLS
    most = fields.get("max_tool_calls")
    calls = most if isinstance(most, int) and most > 0 else 0
    kinds = [tool.get("type") for tool in tools if isinstance(tool, dict)]
    return {str(kind): calls for kind in kinds if kind not in _OURS}


def called(items: bytes) -> Mapping[str, int]:
    """Hosted tools by name with how often they were called, of an answer's output items (JSON). Calls in one container
    are one: it is what is paid."""
    try:
        found = _items(items) if items else []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return NO_TOOLS
    calls = [item for item in found if item.type.endswith(_CALL)]
    apart = {(item.type, item.container_id or index) for index, item in enumerate(calls)}
    return Counter([kind.removesuffix(_CALL) for kind, _ in apart])


def priced(tools: Mapping[str, int], price: PriceRow) -> Mapping[str, int]:
    """Calls by the names that the price has."""
    counts: Counter[str] = Counter()
    for kind, calls in tools.items():
        name = _name(kind, price)
        if name:
            counts[name] += calls
    return counts


def has_unpriced(tools: Mapping[str, int], price: PriceRow) -> bool:
    """Whether one of the tools costs more than tokens, and nobody here knows how much."""
    return any(kind not in _FEELESS and not _name(kind, price) for kind in tools)


def _name(kind: str, price: PriceRow) -> str:
    return max((name for name in price.tool_calls if kind.startswith(name)), key=len, default="")
