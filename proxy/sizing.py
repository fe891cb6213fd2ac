"""A translated request as money sees it: what it can cost at most, and what must be edited so that this holds. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from proxy.budgets.bill import bill
from proxy.budgets.holds import Ask, HoldSize, Rule, Tariff, hold_size, tariff
from proxy.budgets.scopes import Tab
from proxy.errors import NotAllowed
from proxy.hosted import NO_TOOLS, has_unpriced, hosted_tools, priced
from proxy.nouns import Candidate, Endpoint, PriceRow, Usage
from proxy.parse import Fields, Request, decode, fields_of
from proxy.routing.policy import expected_output

_TEXT: Final = frozenset(
    (
        *("messages", "input", "prompt", "instructions", "tools", "functions", "response_format", "text"),
        *("prediction", "tool_choice", "suffix"),
    )
)
_CAPS: Final[Mapping[Endpoint, tuple[str, ...]]] = {
    Endpoint.CHAT: ("max_completion_tokens", "max_tokens"),
    Endpoint.RESPONSES: ("max_output_tokens",),
    Endpoint.COMPLETIONS: ("max_tokens",),
}
_STORED: Final = ("previous_response_id", "conversation")
_TEMPLATE: Final = "prompt"
_TELLING: Final = frozenset(
    (
        *("tools", "background", "n", "modalities", "audio", "response_format", "text", "service_tier"),
        *_STORED,
        _TEMPLATE,
    )
)
"""Fields that a request's cost depends on beside its text and its cap. Most requests have none of them."""
_LONGEST_CAP: Final = 16
_MOST_KNOWN: Final = 4096
_IMAGE_TOKENS: Final = 50_000
"""More than any family charges for one image (high detail, largest size, the mini models' multipliers included)."""
_MEDIA: Final = (
    ("messages", b'"image_url"', 2, b'"file"'),
    ("input", b'"input_image"', 1, b'"input_file"'),
)
"""Where media are, how an image says that it is one, and how often: in chat as its type and as its key; and a file."""
_media_in: Final = re.compile(rb'"(?:input_|image_url"|file")').search
"""Finds where a body may hold media: images, speech and files of either endpoint."""
_PAGES_PER_FILE: Final = 10
"""A usual file, for estimates: nothing but the model's window bounds one."""
_inlined_at: Final = re.compile(rb'"(?:url|image_url|file_data)"\s{0,64}:\s{0,64}$').search
"""Whether what follows is an image's or a file's data: any other string that looks so is text. No string can look like the
key, whose quotes would be escaped in it."""
_KEY_BYTES: Final = 160
_USUAL_IMAGE_TOKENS: Final = 1_000
_BYTES_PER_TOKEN: Final = 4
_DENSE_BYTES_PER_TOKEN: Final = 3
"""Letters beyond ASCII have two to four bytes and are a third of a token to a whole one."""


class Sized(msgspec.Struct, frozen=True, gc=False):
    """A hold, and what it changes: `edits` of the body and their names, the candidate's own among them."""

    size: HoldSize
    edits: Mapping[str, bytes]
    changes: tuple[str, ...]


class _Known(msgspec.Struct, frozen=True, gc=False):
    """What holds of one candidate have in common as long as nothing but their text differs."""

    candidate: Candidate
    tariff: Tariff
    edits: Mapping[str, bytes]
    changes: tuple[str, ...]


class Sizer:
    """Sizes holds and remembers tariffs: most traffic is text for the same few candidates, of which only the length is new.
    One per snapshot of the settings."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], _Known] = {}

    def sized(self, request: Request, candidate: Candidate, tab: Tab, default_max_output: int) -> Sized:
        """The hold of one candidate. Raises NotAllowed where a hard budget counts and the cost has no bound."""
        price, raws = candidate.price, request.fields.raws
        has_tariff = price is not None and _has_tariff(candidate, price)
        text_bytes = _plain_bytes(request.fields) if has_tariff else None
        if price is None or text_bytes is None:
            return adapted(request, candidate, bounded(request, candidate, tab, default_max_output))
        caps = (raws.get("max_completion_tokens"), raws.get("max_tokens"), raws.get("max_output_tokens"))
        endpoint = request.endpoint._value_  # an Enum's hash is a function in Python
        key = (endpoint, candidate.model, candidate.provider, candidate.effort, tab, default_max_output, caps)
        known = self._known.get(key)
        if known is not None and _alike(known.candidate, candidate):
            most = candidate.context_tokens
            size = known.tariff.size(text_bytes if text_bytes < most else most)
            return Sized(size, known.edits, known.changes)
        sized = adapted(request, candidate, bounded(request, candidate, tab, default_max_output))
        if not any(len(cap) > _LONGEST_CAP for cap in caps if cap):
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            ask = _ask(request, candidate, price, NO_TOOLS)
            found = tariff(ask, price, _rule(tab, default_max_output))
            self._known[key] = _Known(candidate, found, sized.edits, sized.changes)
        return sized


def bounded(request: Request, candidate: Candidate, tab: Tab, default_max_output: int) -> HoldSize:
    """The hold of one candidate. Raises NotAllowed where a hard budget counts and the cost has no bound."""
    price, request = candidate.price, _plainly_spelt(request)
    hosted = hosted_tools(request.fields)
    if _costs_without_end(request, hosted, price) and not tab.allows_unpriced:
        raise NotAllowed(
            "The cost of this request has no upper bound, and this key spends from a hard budget.",
            code="endpoint_not_budgeted",
        )
    if price is None:
        return HoldSize(0, None, 0)
    size = hold_size(_ask(request, candidate, price, hosted), price, _rule(tab, default_max_output))
    return _asked_often(size, candidate.fan_out) if candidate.fan_out > 1 else size


def adapted(request: Request, candidate: Candidate, size: HoldSize) -> Sized:
    """What a hold, as it was asked for or as it was granted, requires of the body."""
    changes = tuple([f"{change} {size.cap_to_set}" for change in size.changes])
    return Sized(size, edits_for(request, candidate, size), candidate.changes + changes)


def _plainly_spelt(request: Request) -> Request:
    """The request as an encoder writes it, so that a search for an image, speech, a file or a tool finds what is there."""
    if not request.fields.hides_letters():
        return request
    written = msgspec.json.encode({name: decode(raw) for name, raw in request.fields.raws.items()})
    return replace(request, fields=fields_of(written))


def _rule(tab: Tab, default_max_output: int) -> Rule:
    return Rule(bool(tab.budgets), default_max_output, tab.shrinks_always)


def _alike(one: Candidate, other: Candidate) -> bool:
    """Whether two candidates differ at most in why they were chosen."""
    return one is other or replace(one, reason=other.reason, arm=other.arm) == other


def _has_tariff(candidate: Candidate, price: PriceRow) -> bool:
    """Whether its holds of plain requests grow evenly with their text."""
    return price.long is None and candidate.fan_out == 1 and candidate.context_tokens > 0


def _plain_bytes(fields: Fields) -> int | None:
    """The bytes of its text; None where its cost depends on more than that and its cap, or seems to: a text may speak of
    images."""
    if _media_in(fields.body) is not None or fields.hides_letters():
        return None
    text_bytes = 0
    for name, raw in fields.raws.items():
        if name in _TEXT:
            text_bytes += len(raw)
        if name in _TELLING:
            return None
    return text_bytes


def _text_bytes(fields: Fields) -> int:
    return sum(map(len, fields.sent(_TEXT)))


def _asked_often(size: HoldSize, times: int) -> HoldSize:
    """The hold of a question that is sent `times` times: the output is for all n already, the input is paid each time."""
    more_nano = size.fixed_nano * (times - 1)
    return replace(
        size,
        amount_nano=size.amount_nano + more_nano,
        smallest_nano=size.smallest_nano + more_nano,
        reasoning_nano=size.reasoning_nano + more_nano if size.reasoning_nano else 0,
        fixed_nano=size.fixed_nano + more_nano,
        input_tokens=size.input_tokens * times,
    )


def likely_input(request: Request) -> int:
    """Input tokens to expect: an estimate for choosing a model, neither a bound nor a bill."""
    text = b"".join(request.fields.sent(_TEXT))
    media = _media(request)
    images = media.images + media.files * _PAGES_PER_FILE
    if media.inlined_bytes:
        text, _ = _around_inlined(text)
    dense = 0 if text.isascii() else len(text) - len(text.decode("ascii", "ignore"))
    escaped_bytes = text.count(b"\\u") * 6
    prose_bytes = len(text) - dense - escaped_bytes
    tokens = max(0, prose_bytes) // _BYTES_PER_TOKEN + dense // _DENSE_BYTES_PER_TOKEN + escaped_bytes // 6
    return tokens + images * _USUAL_IMAGE_TOKENS


def output_cap(request: Request) -> int | None:
    """The caller's own output cap; None where it set none."""
    for name in _CAPS.get(request.endpoint, ()):
        value = request.fields.get(name)
        if isinstance(value, int) and value > 0:
            return value
    return None


def expected_nano(
    request: Request, candidate: Candidate, input_tokens: int | None = None, cached_tokens: int = 0
) -> int | None:
    """What an attempt will probably cost, for comparing candidates; None without a price. `input_tokens` None: as
    estimated from the body."""
    if candidate.price is None:
        return None
    output = expected_output(candidate.effort, output_cap(request)) if request.endpoint in _CAPS else 0
    usage = Usage(
        input_tokens=likely_input(request) if input_tokens is None else input_tokens,
        cached_tokens=cached_tokens,
        output_tokens=output,
    )
    return bill(usage, candidate.price, "")


def most_nano(request: Request, candidate: Candidate, default_max_output: int) -> int | None:
    """What an attempt may cost: its input's bound and its output cap, which is `default_max_output` where none is set.
    None where nothing bounds it."""
    request = _plainly_spelt(request)
    hosted = hosted_tools(request.fields)
    if candidate.price is None or _costs_without_end(request, hosted, candidate.price):
        return None
    rule = Rule(hard=False, default_max_output=default_max_output)
    return hold_size(_ask(request, candidate, candidate.price, hosted), candidate.price, rule).amount_nano


def edits_for(request: Request, candidate: Candidate, size: HoldSize) -> dict[str, bytes]:
    """What the hold requires of the body: the cap it pays for, and a service tier whose price is known."""
    edits: dict[str, bytes] = {}
    if size.cap_to_set is not None:
        edits[_cap_field(request, candidate)] = msgspec.json.encode(size.cap_to_set)
    tier = request.fields.raws.get("service_tier", b"null")
    if candidate.takes_tiers and tier == b"null" and request.endpoint in _CAPS:
        edits["service_tier"] = b'"default"'
    return edits


def _ask(request: Request, candidate: Candidate, price: PriceRow, hosted: Mapping[str, int]) -> Ask:
    fields = request.fields
    media = _media(request)
    ask = Ask(
        text_bytes=_text_bytes(fields) - media.inlined_bytes,
        context_tokens=candidate.context_tokens,
        max_output=candidate.max_output_tokens,
        cap=_cap(request, candidate),
        image_tokens=media.images * _IMAGE_TOKENS,
        audio_input_tokens=media.audio_tokens,
        whole_window=media.files > 0,
        reasoning_allowance=candidate.allowance_tokens,
        tier="default",
        generates=request.endpoint in _CAPS,
    )
    if fields.lacks(_TELLING):
        return ask
    n = fields.get("n")
    return replace(
        ask,
        n=n if isinstance(n, int) and n > 0 else 1,
        audio_output=b'"audio"' in fields.raw("modalities") or fields.get("audio") is not None,
        whole_window=(
            ask.whole_window
            or any(fields.get(name) is not None for name in _STORED)
            or bool(hosted)
            or _from_template(request)
        ),
        has_schema=b'"json_schema"' in fields.raw("response_format") + fields.raw("text"),
        tier=_tier(request),
        tool_calls=priced(hosted, price),
    )


def _cap(request: Request, candidate: Candidate) -> int | None:
    """The output cap as it will be sent: the candidate's edit, else the caller's. One that is no count is the provider's to
    refuse, in its own words; should it be taken, it may mean as much as the model can write."""
    fields, edits = request.fields, candidate.edits
    for name in _CAPS.get(request.endpoint, ()):
        value: Any = None
        if name in edits:
            value = msgspec.json.decode(edits[name]) if edits[name] else None
        elif name in fields.raws:
            value = fields[name]
        if value is not None:
            return value if isinstance(value, int) and value > 0 else candidate.max_output_tokens
    return None


def _cap_field(request: Request, candidate: Candidate) -> str:
    """Where a cap is written: where the caller wrote one, else in the spelling every chat family takes."""
    names = _CAPS[request.endpoint]
    for name in names:
        if candidate.edits.get(name) or (
            name not in candidate.edits and request.fields.get(name) is not None
        ):
            return name
    return names[0]


class _Media(NamedTuple):
    """How many images and files a request has, how many bytes of its text are those inlined as data, and a bound on the tokens
    of spoken input: they are fewer than the bytes of any encoding, and may cost more than text."""

    images: int
    files: int
    inlined_bytes: int
    audio_tokens: int


def _media(request: Request) -> _Media:
    images = files = inlined_bytes = audio_tokens = 0
    for name, image, spelt, file in _MEDIA:
        if raw := request.fields.raws.get(name):
            around, data_bytes = _around_inlined(raw)
            shown, attached = -(-around.count(image) // spelt), around.count(file)
            images += shown
            files += attached
            inlined_bytes += data_bytes if shown or attached else 0
            audio_tokens += len(raw) if b'"input_audio"' in around else 0
    return _Media(images, files, inlined_bytes, audio_tokens)


def _around_inlined(raw: bytes) -> tuple[bytes, int]:
    """JSON without what is inlined in it as `"data:…`, and how many bytes that is. Each is left out up to the next quote, so that
    no name or value is: those begin with one."""
    start = raw.find(b'"data:')
    if start < 0:
        return raw, 0
    kept, at = [], 0
    while start >= 0:
        end = raw.find(b'"', start + 1)
        if _inlined_at(raw[max(0, start - _KEY_BYTES) : start]):
            kept.append(raw[at:start])
            at = end
        start = raw.find(b'"data:', end)
    around = b"".join([*kept, raw[at:]])
    return around, len(raw) - len(around)


def _costs_without_end(request: Request, hosted: Mapping[str, int], price: PriceRow | None) -> bool:
    if price is None or (hosted and has_unpriced(hosted, price)):
        return True
    background = request.fields.raws.get("background") == b"true"
    return 0 in hosted.values() or background or _from_template(request)


def _from_template(request: Request) -> bool:
    """Whether it is answered from a prompt stored at the provider, whose text and tools only the provider knows."""
    return request.endpoint is Endpoint.RESPONSES and request.fields.raw(_TEMPLATE).startswith(b"{")


def _tier(request: Request) -> str:
    tier = request.fields.get("service_tier")
    return tier if isinstance(tier, str) else "default"
