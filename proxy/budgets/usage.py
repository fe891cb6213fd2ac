"""What an answer used, from what it said and what was seen of it.

The rules, in order:

1. Reported usage wins, and an explicit zero is zero. Reported twice, the last report is the answer's.
2. A report whose numbers contradict each other is read as the dearer of its readings, and flagged. Parts larger than
   their whole (cached > prompt) are clamped to it, and flagged.
3. Without a report, a complete answer is estimated from its bytes.
4. An answer cut before its usage is what was seen of it, plus what may have been under way; while a model reasons out of
   sight, the bound of the hold instead, because nobody outside knows how far it got.
5. Nothing sent, nothing used.
"""

from collections.abc import Sequence
from math import ceil
from typing import Annotated, Any, Final

import msgspec

from proxy.nouns import Usage, UsageSource

UNDER_WAY_TOKENS: Final = 32
"""Tokens a provider may have written between our last look and its noticing that we left."""

_ONE_TOKEN_BYTES: Final = 8
_DENSE_BYTES_PER_TOKEN: Final = 3
_PROSE_BYTES_PER_TOKEN: Final = 4
_MOST_TOKENS: Final = 1_000_000_000
"""No answer has more; a larger number is nonsense and would leave the range in which counters are exact."""

_INPUT: Final = ("prompt_tokens", "input_tokens")
_OUTPUT: Final = ("completion_tokens", "output_tokens")
_INPUT_DETAILS: Final = ("prompt_tokens_details", "input_tokens_details")
_OUTPUT_DETAILS: Final = ("completion_tokens_details", "output_tokens_details")
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_Count = Annotated[int, msgspec.Meta(ge=0, le=_MOST_TOKENS)]


class _Details(msgspec.Struct, gc=False):
    cached_tokens: _Count = 0
    cache_write_tokens: _Count = 0
    reasoning_tokens: _Count = 0
    audio_tokens: _Count = 0
    image_tokens: _Count = 0


class _Report(msgspec.Struct, gc=False):
    prompt_tokens: _Count | None = None
    input_tokens: _Count = 0
    completion_tokens: _Count | None = None
    output_tokens: _Count = 0
    total_tokens: _Count | None = None
    prompt_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


_decode_report: Final = msgspec.json.Decoder(_Report).decode
_NO_DETAILS: Final = _Details()


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """Everything known about one attempt when it is over.

    `reports` are usage objects as JSON bytes in the order seen; `complete` says that the answer said it was over;
    `events` and `text_bytes` tell how much generated text was seen; `input_tokens` is `estimate_input` of the prompt;
    `input_bound_tokens` and `output_bound_tokens` are the hold's (0: none); `reasons` says that the model may have
    reasoned unseen, `sent` that a provider got the request and may have begun.
    """

    reports: Sequence[bytes] = ()
    complete: bool = True
    events: int = 0
    text_bytes: int = 0
    input_tokens: int = 0
    input_bound_tokens: int = 0
    output_bound_tokens: int = 0
    reasons: bool = False
    sent: bool = True
    service_tier: str = ""


def usage_of(evidence: Evidence) -> Usage:
    """The usage to bill. `source` says how it is known: reported, estimated, bound, or none."""
    usage = reported(evidence.reports, evidence.service_tier)
    if usage is not None:
        return usage
    if not evidence.sent:
        return Usage(source="none", service_tier=evidence.service_tier)
    return _unreported(evidence)


def reported(reports: Sequence[bytes], service_tier: str = "") -> Usage | None:
    """What the last usage object says that has token counts, of chat, responses, completions or embeddings; None without
    any."""
    for report in reversed(reports):
        usage = _read_sound(report, service_tier) or _read_odd(report, service_tier)
        if usage is not None:
            return usage
    return None


def _read_sound(report: bytes, service_tier: str) -> Usage | None:
    """The usage of a report in which nothing is odd, as nearly all are; None for any other. It only saves time: what it
    accepts, `_read_odd` reads the same way."""
    try:
        said = _decode_report(report)
    except _UNREADABLE:
        return None
    prompt, answer = said.prompt_tokens, said.completion_tokens
    if prompt is None:
        prompt = said.input_tokens
    if answer is None:
        answer = said.output_tokens
    if not (prompt or answer) or said.total_tokens != prompt + answer:
        return None
    into = said.prompt_tokens_details or said.input_tokens_details or _NO_DETAILS
    out = said.completion_tokens_details or said.output_tokens_details or _NO_DETAILS
    cached, written = into.cached_tokens, into.cache_write_tokens
    heard, shown = into.audio_tokens, into.image_tokens
    reasoning, spoken = out.reasoning_tokens, out.audio_tokens
    if cached + written + heard + shown > prompt or reasoning + spoken > answer:
        return None
    return Usage(
        input_tokens=prompt,
        output_tokens=answer,
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
        audio_input_tokens=heard,
        audio_output_tokens=spoken,
        image_input_tokens=shown,
        service_tier=service_tier,
    )


def _read_odd(report: bytes, service_tier: str) -> Usage | None:
    try:
        fields = msgspec.json.decode(report)
    except _UNREADABLE:
        return None
    if not isinstance(fields, dict):
        return None
    reading = _Reading()
    prompt, answer = reading.count(fields, *_INPUT), reading.count(fields, *_OUTPUT)
    if prompt is None and answer is None:
        return None
    total = reading.count(fields, "total_tokens")
    return _reconciled(fields, _dearer(prompt, answer, total, reading), reading, service_tier)


def _dearer(
    prompt: int | None, answer: int | None, total: int | None, reading: "_Reading"
) -> tuple[int, int]:
    """Input and output tokens; where the sum says otherwise, whichever reading costs more.

    Output is the dearer side everywhere, so what a larger total adds is taken for output, except where the answer has
    none by nature (embeddings report prompt and total only).
    """
    missing = 0 if total is None else total - (prompt or 0) - (answer or 0)
    reading.flagged |= missing != 0
    if missing <= 0:
        return prompt or 0, answer or 0
    if answer is None:
        return (prompt or 0) + missing, 0
    return prompt or 0, answer + missing


def _reconciled(
    fields: dict[str, Any], tokens: tuple[int, int], reading: "_Reading", service_tier: str
) -> Usage:
    into, out = _details(fields, _INPUT_DETAILS), _details(fields, _OUTPUT_DETAILS)
    prompt, answer = tokens
    reasoning = reading.part(out, "reasoning_tokens")
    reading.flagged |= reasoning > answer
    answer = max(answer, reasoning)
    cached = reading.within(reading.part(into, "cached_tokens"), prompt)
    return Usage(
        input_tokens=prompt,
        output_tokens=answer,
        cached_tokens=cached,
        cache_write_tokens=reading.within(reading.part(into, "cache_write_tokens"), prompt - cached),
        reasoning_tokens=reasoning,
        audio_input_tokens=reading.within(reading.part(into, "audio_tokens"), prompt),
        audio_output_tokens=reading.within(reading.part(out, "audio_tokens"), answer),
        image_input_tokens=reading.within(reading.part(into, "image_tokens"), prompt),
        source="reported",
        service_tier=service_tier,
        flagged=reading.flagged,
    )


def _unreported(evidence: Evidence) -> Usage:
    output = estimate_output(evidence.text_bytes, evidence.events)
    source: UsageSource = "estimated"
    if not evidence.complete and evidence.reasons:
        output, source = max(output, evidence.output_bound_tokens), "bound"
    elif not evidence.complete:
        output += UNDER_WAY_TOKENS
    return Usage(
        input_tokens=_at_most(evidence.input_tokens, evidence.input_bound_tokens),
        output_tokens=_at_most(output, evidence.output_bound_tokens),
        source=source,
        service_tier=evidence.service_tier,
    )


def _at_most(tokens: int, bound: int) -> int:
    return min(tokens, bound) if bound else tokens


def estimate_input(text: bytes) -> int:
    """Tokens of a prompt's JSON text. Prose and code are near a quarter token a byte; other scripts, escaped or not, are
    counted at up to a token a byte, which they rarely exceed."""
    plain = len(text)
    dense = 0 if text.isascii() else plain - len(text.decode("ascii", "ignore"))
    return -((dense - plain) // _PROSE_BYTES_PER_TOKEN) + dense + text.count(b"\\u") * 4


def estimate_output(text_bytes: int, events: int) -> int:
    """Tokens of generated text: providers send one token an event; where events are larger, a byte count that rarely
    falls short. An estimate, not a bound: `text_bytes` itself would be the bound."""
    if text_bytes <= _ONE_TOKEN_BYTES * events:
        return events
    return max(events, -(-text_bytes // _DENSE_BYTES_PER_TOKEN))


def _details(fields: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    for name in names:
        value = fields.get(name)
        if isinstance(value, dict):
            return value
    return {}


class _Reading:
    """Reads counts leniently and remembers whether anything had to be bent."""

    __slots__ = ("flagged",)

    def __init__(self) -> None:
        self.flagged = False

    def count(self, fields: dict[str, Any], *names: str) -> int | None:
        """The first of `names` that holds a number; negative and absurd ones are clamped and flagged."""
        for name in names:
            value = fields.get(name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                self.flagged = True
                continue
            return self.within(ceil(max(-1, min(value, _MOST_TOKENS + 1))), _MOST_TOKENS)
        return None

    def part(self, fields: dict[str, Any], name: str) -> int:
        return self.count(fields, name) or 0

    def within(self, value: int, most: int) -> int:
        if 0 <= value <= most:
            return value
        self.flagged = True
        return max(0, min(value, most))
