"""The records that cross rooms. Frozen, typed, no behaviour beyond what follows from their fields.

Units are in the names: `*_nano` is nano-dollars (1 USD = 10^9, int), `*_s` seconds, `*_ms` milliseconds, `*_tokens` tokens,
`*_bytes` bytes. Times of day are Unix seconds (`at`); durations come from a monotonic clock and never mix with them.

What a configuration is made of are frozen dataclasses. What every request makes anew are msgspec's frozen structs, which are
read the same way and are built in a tenth of the time (`msgspec.structs.replace` changes a copy).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

import msgspec

NANO_PER_USD = 1_000_000_000
_encode = msgspec.json.Encoder().encode


class Endpoint(StrEnum):
    """What a key can be allowed to call; the value is what `keys[].endpoints` says."""

    CHAT = "chat"
    RESPONSES = "responses"
    EMBEDDINGS = "embeddings"
    COMPLETIONS = "completions"
    MODERATIONS = "moderations"
    MODELS = "models"
    AUDIO = "audio"
    IMAGES = "images"
    FILES = "files"
    BATCHES = "batches"


class Reason(StrEnum):
    """Why a request was served by the model that served it (`x-switchyard-reason`)."""

    PINNED = "pinned"
    CALLER = "caller"
    TASK = "task"
    STICKY = "sticky"
    MIGRATION = "migration"
    SUCCESSOR = "successor"
    FALLBACK = "fallback"
    BUDGET = "budget"
    LEARNED = "learned"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling. `models`/`endpoints` empty means all. `credential` is the caller's own Authorization header value,
    kept only in passthrough mode and never shown."""

    key_id: str
    key_name: str
    team: str = ""
    models: frozenset[str] = frozenset()
    endpoints: frozenset[str] = frozenset()
    trusted_users: bool = False
    credential: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Asks:
    """The optional `x-switchyard-*` request headers, and the SDK's own read timeout."""

    task: str = ""
    route: str = ""
    session: str = ""
    max_cost_nano: int | None = None
    read_timeout_s: float | None = None


class Call(msgspec.Struct, frozen=True, gc=False):
    """One request as the api room hands it to flow: raw body, nothing parsed. `target` is the path behind the API's root,
    such as `/chat/completions`; `headers` are those of the client's that may go to any provider, `credentials` its own for a
    provider in passthrough mode; names in lower case. Neither they nor the body are shown."""

    id: str
    endpoint: Endpoint
    target: bytes
    raw: bytes
    headers: Sequence[tuple[bytes, bytes]]
    asks: Asks
    at: float
    started_s: float
    credentials: Sequence[tuple[bytes, bytes]] = ()

    def __repr__(self) -> str:
        return f"Call(id={self.id!r}, endpoint={self.endpoint!r}, target={self.target!r})"


@dataclass(frozen=True, slots=True)
class Arm:
    """The side of a migration a request is on. `unit` is the pseudonym of who was assigned (a user, a conversation, a key);
    `version` is that of the migration's state at the time, so that what is measured belongs to one stage."""

    migration: str
    side: Literal["old", "new"]
    unit: str
    version: int


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """One way to serve the request: a catalogue model on one deployment of one provider.

    `edits` (top-level field → JSON bytes, `b""` to remove) turn the caller's body into one for this model, the provider's
    name for it included; `changes` names each of them that a caller would want to know of. `price` None: not priced in
    tokens. `effort` is the one in force ("none" for a model that does not reason). `reasons`: it may think out of sight before it answers; `allowance_tokens` is what that may take. `bridged`: a
    chat call that goes over /v1/responses. `stop` and `fan_out` are what must be emulated. `arm` is set where a migration
    decides between this model and another. Not hashable, for its edits.
    """

    model: str
    provider: str
    reason: Reason
    edits: Mapping[str, bytes] = msgspec.field(default_factory=dict)
    changes: tuple[str, ...] = ()
    price: "PriceRow | None" = None
    context_tokens: int = 0
    max_output_tokens: int = 0
    effort: str = ""
    reasons: bool = False
    allowance_tokens: int = 0
    takes_tiers: bool = False
    bridged: bool = False
    stop: tuple[str, ...] = ()
    fan_out: int = 1
    arm: Arm | None = None


class Plan(msgspec.Struct, frozen=True, gc=False):
    """Ordered candidates with the task that chose them. `asked` is the name the caller used, `headers` what every answer
    to it says (a requested model's end)."""

    asked: str
    candidates: tuple[Candidate, ...]
    route: str = ""
    task: str = ""
    confidence: float = 0.0
    next_on_timeout: bool = False
    rejects_loss: bool = False
    default_max_output: int = 4096
    drain_on_disconnect: bool = False
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class PriceRow:
    """What one model costs, in nano-dollars per 1,000,000 tokens (0.25 USD per million is 250_000_000: exact integers).

    The details are parts of the totals (see Usage): each token is billed once, at the rate of its own kind. A rate the
    provider does not list on its own equals the plain `input` or `output` rate, so no field is an accidental zero.
    `long` replaces the whole row when the prompt has more than `long_threshold_tokens` input tokens (0: there is no such
    tier). `tiers` holds complete rows, with their own `long`, for service tiers by OpenAI's name ("flex", "priority",
    "batch"); `default` and `standard` are this row. `tool_calls` is nano-dollars per call of a hosted tool ("web_search").
    """

    input: int
    output: int
    cached_input: int
    cache_write: int
    cache_write_extended: int
    audio_input: int
    audio_output: int
    image_input: int
    image_output: int
    long_threshold_tokens: int = 0
    long: "PriceRow | None" = None
    tiers: Mapping[str, "PriceRow"] = field(default_factory=dict, hash=False)
    tool_calls: Mapping[str, int] = field(default_factory=dict, hash=False)


UsageSource = Literal["reported", "estimated", "bound", "none"]


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one answer. As at OpenAI, the details are inside the totals: cached, cache-write, audio and image input
    inside `input_tokens`; reasoning, audio output and rejected predictions inside `output_tokens`.

    `source` says how we know: upstream reported it, we estimated it from what was seen, or it is a conservative bound.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    image_input_tokens: int = 0
    source: UsageSource = "reported"
    service_tier: str = ""
    flagged: bool = False


class Hold(msgspec.Struct, frozen=True, gc=False):
    """Money set aside for one attempt, in every scope it counts against or in none. `counters` name the store's keys."""

    id: str
    amount_nano: int
    counters: tuple[str, ...]
    expires_at: float


Finish = Literal[
    "stop", "length", "tool_calls", "content_filter", "error", "client_gone", "cut", "refused", ""
]


class LedgerRow(msgspec.Struct, frozen=True, gc=False):
    """One request (or one billed attempt of it) as it is kept: no content, no keys, only hashes of users."""

    request_id: str
    attempt: int
    at: float
    endpoint: str
    key_id: str
    key_name: str
    team: str
    user_hash: str
    asked: str
    served: str
    response_model: str
    provider: str
    route: str
    task: str
    reason: str
    status: int
    finish: str
    error: str
    stream: bool
    usage: Usage
    cost_nano: int
    estimated: bool
    first_byte_ms: float
    duration_ms: float
    overhead_ms: float
    changes: tuple[str, ...] = ()
    migration: str = ""
    arm: Literal["", "old", "new"] = ""

    def as_json(self) -> bytes:
        """The row as it is kept and logged. A name that is no text (half a surrogate pair) is kept as near as may be."""
        try:
            return _encode(self)
        except UnicodeEncodeError:
            texts = {
                name: text for name, text in msgspec.structs.asdict(self).items() if isinstance(text, str)
            }
            return _encode(msgspec.structs.replace(self, **{n: _as_text(text) for n, text in texts.items()}))


def _as_text(name: str) -> str:
    return name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
