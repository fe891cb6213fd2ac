"""What label values exist: nothing a caller chooses makes a series, whatever it writes in a model, task or user name.

Three kinds of bound. Names an operator wrote (models, providers, routes, migrations) come in a `Vocabulary`; names that are
ours (reasons, tasks, kinds of error) are the closed lists below; a provider's own spelling of a model (a dated snapshot) is
kept when it is a name we know plus a date, the first few per model. Everything else is `other`; empty stays empty.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from proxy.nouns import Endpoint, Reason

OTHER: Final = "other"
NONE: Final = "none"
"""Of a model, task or route: there was none, as with the task of a call that named its model."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ENDPOINTS: Final = frozenset(endpoint.value for endpoint in Endpoint)
REASONS: Final = frozenset(reason.value for reason in Reason)
STATUSES: Final = frozenset({int(status) for status in HTTPStatus} | {499, 529})
TASKS: Final = _words(
    "code math reasoning agentic vision_reasoning chat writing document extraction classification translation "
    "function_call vision"
)
REFUSALS: Final = _words(
    "invalid_api_key model_not_allowed endpoint_not_budgeted model_not_found not_found method_not_allowed bad_request "
    "context_length_exceeded request_timeout body_too_large headers_too_large rate_limit_exceeded insufficient_quota "
    "endpoint_not_allowed method_not_supported missing_required_parameter invalid_type invalid_value unsupported_coding "
    "unsupported_parameter overloaded server_error upstream_unavailable upstream_timeout not_allowed rate_limited"
)
ERRORS: Final = REFUSALS | _words(
    "unreachable connect timeout overloaded rate_limited our_key model_gone caller unreadable cut client_gone "
    "content_filter error length connect_failed connect_timeout pool_exhausted write_failed "
    "head_timeout idle_timeout connection_cut upstream_protocol_error bad_response upstream_error"
)
GUARDS: Final = _words("error_rate slow_first_token cost_ratio")
CHANGED: Final = _words(
    "cap max_output endpoint model effort reasoning reasoning_effort max_tokens max_completion_tokens max_output_tokens "
    "temperature top_p n stop seed logprobs top_logprobs logit_bias presence_penalty frequency_penalty prediction tools tool_choice functions "
    "function_call parallel_tool_calls response_format system developer messages images audio modalities verbosity "
    "service_tier store metadata user safety_identifier stream_options bridge responses previous_response_id "
    "prompt_cache_key prompt_cache_retention web_search_options include truncation"
)
OPERATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {"chat": "chat", "responses": "chat", "completions": "text_completion", "embeddings": "embeddings"}
)
"""Endpoint to OpenTelemetry operation; other endpoints keep their own name."""

_SNAPSHOT: Final = re.compile(r"(.+)-\d{4}-\d{2}-\d{2}", re.ASCII)
_FIELD: Final = re.compile(r"[a-z_]+", re.ASCII)
_CAPITAL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])", re.ASCII)
SNAPSHOTS_PER_MODEL: Final = 4


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names an operator has written or the catalogue has; replaced as a whole on reload."""

    models: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()
    routes: frozenset[str] = frozenset()
    migrations: frozenset[str] = frozenset()
    changes: frozenset[str] = CHANGED
    tasks: frozenset[str] = TASKS


def known(value: str, names: frozenset[str] | frozenset[int]) -> str:
    """The value itself when the list has it, "" for "", else `other`."""
    return value if not value or value in names else OTHER


def status_label(status: int) -> str:
    """The status when HTTP or OpenAI defines it."""
    return str(status) if status in STATUSES else OTHER


def change_label(change: str, vocabulary: Vocabulary) -> str:
    """The field a change is about: `max_tokens->max_completion_tokens` and `stop:emulated` name their first field."""
    found = _FIELD.match(change)
    return known(found[0], vocabulary.changes) if found else OTHER


def refusal_label(reason: str) -> str:
    """An error code, or the name of an error class: `NotFound` is `not_found`."""
    return known(_snake(reason), REFUSALS) or OTHER


def error_label(error: str) -> str:
    """The kind of an error without its detail: `overloaded:503` is `overloaded`, `ConnectTimeout` `connect_timeout`."""
    return known(_snake(error.partition(":")[0]), ERRORS)


def _snake(name: str) -> str:
    return _CAPITAL.sub("_", name[:64]).lower()


@dataclass(slots=True)
class Snapshots:
    """Dated spellings met so far; mutable, one per process, never more than `SNAPSHOTS_PER_MODEL` per known model."""

    met: dict[str, set[str]] = field(default_factory=dict)

    def label(self, value: str, vocabulary: Vocabulary) -> str:
        """The provider's spelling when it is a known name, or one with a date; else `other`."""
        if not value or value in vocabulary.models:
            return value
        dated = _SNAPSHOT.fullmatch(value)
        if dated is None or dated[1] not in vocabulary.models:
            return OTHER
        seen = self.met.setdefault(dated[1], set())
        if value not in seen and len(seen) < SNAPSHOTS_PER_MODEL:
            seen.add(value)
        return value if value in seen else OTHER
