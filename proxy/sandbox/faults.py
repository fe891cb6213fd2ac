"""Everything that goes wrong on purpose: which fault meets which call, and what each one means. No I/O here.

A rule is JSON: `{"action": NAME, "match": {...}, "times": N, ...options}`. `match` may hold `model`, `path`, `stream`,
`contains` (in the body), `header` ({"name", "value"}), `key`, `nth` (the n-th call that matches the rest, or a list of
them), `every`, and `share` (0 to 1, drawn for each call, the same in every run). Without `times` a rule stays. The same actions answer to `[[sandbox:NAME options]]` in the last user
message, with `model=` and `times=` there too; `[[sandbox:cut:3]]` is short for `at=3`.

Actions, and the options they read:
* refusals: 429 quota 401 403 404 408 409 500 502 503 529 (retry_after, retry_after_ms, message, billed, html)
* silence: hang (before headers), hang_mid (at), slow_first (seconds; spread: log-normal around them), pace (seconds a token), stall (at, seconds)
* endings: cut (TCP reset; at event or bytes; at -1 before the headers), close (orderly, same options), no_done
* streams: malformed (at), error_inside (at, code, message), comments, crlf, giant (bytes), split
* bodies: gzip, chunked (bytes), html, huge (bytes), extra
* words: broken (what should be JSON is cut short), wordy (factor times as many tokens)
* usage: no_usage, zero_usage, usage_twice, wrong_sum
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from proxy.sandbox.answers import Quirks
from proxy.sandbox.directives import Directive, directives
from proxy.sandbox.refusals import INVALID, Refusal, bad
from proxy.sandbox.tokens import digest

# The refusal each status action answers with, in the order status, type, code, message.
STATUSES: dict[str, tuple[int, str, str | None, str]] = {
    "429": (
        429,
        "requests",
        "rate_limit_exceeded",
        "Rate limit reached for requests. Please try again in 20ms.",
    ),
    "quota": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "401": (401, INVALID, "invalid_api_key", "Incorrect API key provided: sk-prov*****key1."),
    "403": (
        403,
        "request_forbidden",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    "404": (404, INVALID, "model_not_found", "The model does not exist or you do not have access to it."),
    "408": (408, INVALID, None, "Request timed out."),
    "409": (409, INVALID, None, "The request conflicts with another one."),
    "500": (
        500,
        "server_error",
        None,
        "The server had an error while processing your request. Sorry about that!",
    ),
    "502": (502, "server_error", None, "Bad gateway."),
    "503": (503, "server_error", "overloaded", "The engine is currently overloaded, please try again later"),
    "529": (529, "server_error", "overloaded", "Overloaded"),
}
USAGE = {"no_usage": "missing", "zero_usage": "zero", "usage_twice": "twice", "wrong_sum": "wrong_sum"}
_ON_THE_WIRE = (
    "hang hang_mid slow_first pace stall cut close no_done malformed error_inside comments crlf giant split gzip "
    "chunked huge extra broken wordy"
)
ACTIONS = frozenset(STATUSES) | frozenset(USAGE) | frozenset(_ON_THE_WIRE.split())


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to do to one answer. `at` counts events before it happens, `bytes` is a size or a byte position."""

    action: str
    at: int = 0
    bytes: int | None = None
    seconds: float | None = None
    spread: float = 0.0
    factor: float = 1.0
    retry_after: str | None = None
    retry_after_ms: int | None = None
    message: str | None = None
    code: str | None = None
    billed: bool = False
    html: bool = False

    def refusal(self) -> Refusal | None:
        """The error answer of a status fault."""
        if self.action not in STATUSES:
            return None
        status, kind, code, message = STATUSES[self.action]
        headers = {}
        if self.retry_after is not None:
            headers["retry-after"] = self.retry_after
        elif self.action in ("429", "503") and self.retry_after_ms is None:
            headers["retry-after"] = "1"
        if self.retry_after_ms is not None:
            headers["retry-after-ms"] = str(self.retry_after_ms)
        return Refusal(status, self.message or message, kind=kind, code=self.code or code, headers=headers)


@dataclass(frozen=True, slots=True)
class Sight:
    """What a rule can see of a call."""

    model: str | None
    path: str
    stream: bool
    raw: bytes
    headers: dict[str, str]
    key: str
    said: str


@dataclass(slots=True)
class Rule:
    fault: Fault
    match: dict[str, Any]
    times: int | None
    seen: int = 0

    def hits(self, sight: Sight) -> bool:
        """Whether it applies to this call; counts the calls it could have met."""
        if not all(self._fits(name, wanted, sight) for name, wanted in self.match.items()):
            return False
        self.seen += 1
        nth, every = self.match.get("nth"), self.match.get("every")
        if nth is not None and self.seen not in ([nth] if isinstance(nth, int) else nth):
            return False
        if every is not None and self.seen % int(every):
            return False
        share = self.match.get("share")
        if share is not None and draw(self.fault.action, sight.said, str(self.seen)) >= share:
            return False
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0

    def _fits(self, name: str, wanted: Any, sight: Sight) -> bool:
        match name:
            case "model":
                return bool(sight.model == wanted)
            case "path":
                return re.fullmatch(str(wanted).replace("*", ".*"), sight.path) is not None
            case "stream":
                return sight.stream is wanted
            case "contains":
                return str(wanted).encode() in sight.raw
            case "header":
                return sight.headers.get(str(wanted["name"]).lower()) == str(wanted["value"])
            case "key":
                return sight.key == str(wanted)
        return True


_MATCH_WORDS = "model path stream contains header key nth every share"
_MATCH = frozenset(_MATCH_WORDS.split())
_OPTIONS = {item.name for item in fields(Fault)} - {"action"}


@dataclass(slots=True)
class FaultBook:
    """The rules in force, and how often each directive with `times` has struck."""

    rules: list[Rule] = field(default_factory=list)
    _struck: dict[int, int] = field(default_factory=dict)

    def replace(self, wishes: Any) -> None:
        """Read a JSON list of rules. Raises `Refusal` (400) naming what is wrong; the old rules then stay."""
        if not isinstance(wishes, list):
            raise bad("Send a JSON list of rules.")
        self.rules = [read_rule(wish) for wish in wishes]
        self._struck.clear()

    def meet(self, sight: Sight) -> tuple[Fault, ...]:
        """The faults this call meets, rules first."""
        found = [rule.fault for rule in self.rules if rule.hits(sight)]
        return (*found, *self._ordered(sight))

    def _ordered(self, sight: Sight) -> Iterable[Fault]:
        for order in directives(sight.said).values():
            options = dict(order.options)
            if order.name not in ACTIONS or options.pop("model", sight.model) != sight.model:
                continue
            times = options.pop("times", None)
            if times is None or self._strike(sight, order) <= int(times):
                yield _from_order(order, options)

    def _strike(self, sight: Sight, order: Directive) -> int:
        key = digest(sight.said, order.name, sight.model or "")
        self._struck[key] = self._struck.get(key, 0) + 1
        return self._struck[key]


def draw(*of: str) -> float:
    """A number in [0, 1) that only what it is drawn for decides."""
    return digest(*of) % 1_000_003 / 1_000_003


def read_rule(wish: Any) -> Rule:
    if not isinstance(wish, dict) or wish.get("action") not in ACTIONS:
        raise bad(f"A rule needs an action out of {sorted(ACTIONS)}.", "action")
    options = {name: value for name, value in wish.items() if name not in ("action", "match", "times")}
    match = wish.get("match") or {}
    if strange := (options.keys() - _OPTIONS) | (match.keys() - _MATCH):
        raise bad(f"Unknown in a rule: {sorted(strange)}.")
    _check_match(match)
    return Rule(_fault(wish["action"], options), match, wish.get("times"))


def _check_match(match: dict[str, Any]) -> None:
    nth, every, header = (
        match.get("nth", 1),
        match.get("every", 1),
        match.get("header", {"name": "", "value": ""}),
    )
    counts = nth if isinstance(nth, list) else [nth]
    if not all(isinstance(count, int) and count > 0 for count in [*counts, every]):
        raise bad("'nth' and 'every' count calls from 1.", "match")
    if not isinstance(match.get("share", 0), int | float):
        raise bad("'share' is a number from 0 to 1.", "match")
    if not isinstance(header, dict) or not {"name", "value"} <= header.keys():
        raise bad("'header' needs a name and a value.", "match")


def _from_order(order: Directive, options: dict[str, str]) -> Fault:
    if order.value:
        options.setdefault("seconds" if order.name in ("slow_first", "pace") else "at", order.value)
    return _fault(order.name, {key: value for key, value in options.items() if key in _OPTIONS})


_NUMBERS: dict[str, type] = {
    "at": int,
    "bytes": int,
    "seconds": float,
    "spread": float,
    "factor": float,
    "retry_after_ms": int,
}


def _fault(action: str, options: dict[str, Any]) -> Fault:
    read: dict[str, Any] = {}
    for name, value in options.items():
        if name in ("billed", "html"):
            read[name] = value in (True, "true", "1")
        elif name in _NUMBERS:
            try:
                read[name] = _NUMBERS[name](value)
            except ValueError:
                raise bad(f"'{name}' needs a number, got '{value}'.", name) from None
        else:
            read[name] = str(value)
    return Fault(action, **read)


def quirks(faults: tuple[Fault, ...]) -> Quirks:
    """What the answer's builders must do differently."""
    names = {fault.action: fault for fault in faults}
    usage = next((USAGE[name] for name in names if name in USAGE), "given")
    huge = names.get("huge")
    return Quirks(
        usage=usage,
        extra="extra" in names,
        done="no_done" not in names,
        filler_bytes=(huge.bytes or 1_000_000) if huge else 0,
        broken="broken" in names,
        wordy=names["wordy"].factor if "wordy" in names else 1.0,
    )
