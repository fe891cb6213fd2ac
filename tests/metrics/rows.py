"""Synthetic ledger rows and names for the tests of the metrics room."""

from msgspec.structs import replace

from proxy.metrics.labels import Vocabulary
from proxy.nouns import LedgerRow, Usage

NAMES = Vocabulary(
    models=frozenset({"gpt-4.1-mini", "o4-mini", "gpt-6-luna"}),
    providers=frozenset({"openai", "azure"}),
    routes=frozenset({"auto"}),
    migrations=frozenset({"leave-4.1-mini"}),
)

ROW = LedgerRow(
    request_id="sw-0123456789abcdef",
    attempt=0,
    at=1795000000.25,
    endpoint="chat",
    key_id="k-1",
    key_name="search-web",
    team="search",
    user_hash="00112233445566aa",
    asked="auto",
    served="gpt-4.1-mini",
    response_model="gpt-4.1-mini-2025-04-14",
    provider="openai",
    route="auto",
    task="chat",
    reason="task",
    status=200,
    finish="stop",
    error="",
    stream=True,
    usage=Usage(input_tokens=900, output_tokens=120, cached_tokens=512),
    cost_nano=423_000,
    estimated=False,
    first_byte_ms=412.5,
    duration_ms=2311.25,
    overhead_ms=0.41,
    changes=(),
)


def row(**fields: object) -> LedgerRow:
    """The row above with some fields changed."""
    return replace(ROW, **fields)
