"""What is known of one request while it runs: the headers that tell the caller, the bill, and the row that remains.

Times are readings of one monotonic clock in seconds. Overhead is the time the request spent here rather than waiting for
a provider: everything up to the answer's first byte, less the time between sending and that byte.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from proxy.account import cost_nano, used
from proxy.errors import ApiError, Headers
from proxy.nouns import NANO_PER_USD, Call, Caller, Candidate, LedgerRow, Plan, Reason, Usage
from proxy.parse import Request
from proxy.store.ports import Grant
from proxy.upstreams.seen import Seen

_CLIENT_CLOSED = 499
"""Status of a request whose client left before an answer began, as nginx writes it; it exists only in our own records."""
_NO_USAGE = Usage(source="none")
_SHORT = 200
"""Characters of a text that is kept: what callers make up must not fill the memory."""
_TOLD = frozenset({Reason.LEARNED, Reason.SUCCESSOR})
"""Reasons that say more than that another candidate came before."""


@dataclass(slots=True)
class Trace:
    """Mutable on purpose: the one place where the facts of a running request gather. Never shared between requests.

    `sent` says that the attempt under way may have been billed and has not been accounted for; `seen` is what its answer
    has said so far.
    """

    call: Call
    caller: Caller
    request: Request | None = None
    plan: Plan | None = None
    candidate: Candidate | None = None
    grant: Grant | None = None
    seen: Seen | None = None
    accounted: Seen | None = None
    sent: bool = False
    attempt: int = 0
    reason: str = ""
    status: int = 0
    finish: str = ""
    error: str = ""
    usage: Usage = _NO_USAGE
    cost_nano: int = 0
    sent_s: float = 0.0
    first_byte_s: float = 0.0
    waited_s: float = 0.0
    changes: tuple[str, ...] = ()
    rates: Headers = ()
    _user_hash: str = ""

    @property
    def user_hash(self) -> str:
        """The pseudonym of the request's user."""
        request = self.request
        if request is None or not request.user:
            return ""
        if not self._user_hash:
            self._user_hash = user_hash(self.caller.key_id, request.user)
        return self._user_hash

    def considering(self, candidate: Candidate, *, fallback: bool) -> None:
        """Go on with a candidate."""
        self.candidate, self.changes = candidate, candidate.changes
        told = not fallback or candidate.reason in _TOLD
        self.reason = candidate.reason._value_ if told else Reason.FALLBACK._value_

    def sending(self, now_s: float) -> None:
        """An attempt begins."""
        self.attempt += 1
        self.seen, self.sent, self.sent_s = None, True, now_s
        self.usage, self.cost_nano = _NO_USAGE, 0

    def heard(self, now_s: float) -> None:
        """The attempt's answer has begun, or it has failed."""
        self.first_byte_s = now_s
        self.waited_s += now_s - self.sent_s

    def left(self) -> None:
        """The client is gone."""
        self.finish, self.status = "client_gone", self.status or _CLIENT_CLOSED

    def refused(self, refusal: ApiError) -> None:
        """We refuse it ourselves."""
        self.status, self.finish = refusal.status, "refused"
        self.error = self.error or refusal.code or type(refusal).__name__

    def account(self, *, whole: bool = False) -> None:
        """Usage and cost of the attempt under way, from what was seen of it so far; `whole`: there is nothing more to see,
        so that it need not be added up a second time when the attempt is closed."""
        if not self.sent or self.request is None or self.candidate is None:
            self.usage, self.cost_nano = _NO_USAGE, 0
            return
        if self.seen is not None and self.seen is self.accounted:
            return
        self.accounted = self.seen if whole else None
        held_output = self.grant.size.output_tokens if self.grant else 0
        self.usage = used(self.request, self.candidate, self.seen, held_output)
        self.cost_nano = cost_nano(self.usage, self.candidate)

    def overhead_s(self, now_s: float) -> float:
        """Seconds spent here until the answer's first byte, or until now while there is none."""
        until_s = self.first_byte_s or now_s
        return max(0.0, until_s - self.call.started_s - self.waited_s)

    def headers(self, now_s: float) -> list[tuple[bytes, bytes]]:
        """The `x-switchyard-*` headers: how this answer was made, as far as it is known when its head is sent."""
        candidate, plan = self.candidate, self.plan
        out = [(b"x-switchyard-request-id", self.call.id.encode())]
        if candidate is not None and candidate.model:
            out.append((b"x-switchyard-model", _header_text(candidate.model)))
        if plan is not None and plan.task:
            out.append((b"x-switchyard-task", _header_text(plan.task)))
        if self.reason:
            out.append((b"x-switchyard-reason", _header_text(self.reason)))
        if self.changes:
            out.append((b"x-switchyard-changes", _header_text(", ".join(self.changes))))
        if plan is not None:
            out += plan.headers
        remaining = self._remaining_nano()
        if remaining is not None:
            out.append((b"x-switchyard-budget-remaining-usd", usd(remaining)))
        spent_s = now_s - self.call.started_s - self.waited_s
        out.append((b"x-switchyard-overhead-ms", b"%.2f" % (max(0.0, spent_s) * 1000)))
        return out

    def _remaining_nano(self) -> int | None:
        """What is left to the key and the user: after this request's bill where that is known, else after its hold."""
        grant = self.grant
        remaining_nano = grant.remaining_nano if grant is not None else None
        if grant is None or remaining_nano is None:
            return None
        if self.sent and self.usage.source == "none":
            return remaining_nano
        return remaining_nano + grant.hold.amount_nano - self.cost_nano

    def row(self, now_s: float) -> LedgerRow:
        """The row of this request (or of the attempt under way) as it stands at `now_s`."""
        request, plan, candidate, seen = self.request, self.plan, self.candidate, self.seen
        began_s = self.call.started_s
        arm = candidate.arm if candidate else None
        return LedgerRow(
            request_id=self.call.id,
            attempt=self.attempt,
            at=self.call.at,
            endpoint=self.call.endpoint._value_,
            key_id=self.caller.key_id,
            key_name=self.caller.key_name,
            team=self.caller.team,
            user_hash=self.user_hash,
            asked=request.model if request else "",
            served=candidate.model if candidate else "",
            response_model=seen.model if seen else "",
            provider=candidate.provider if candidate else "",
            route=plan.route if plan else "",
            task=plan.task if plan else "",
            reason=self.reason,
            status=self.status,
            finish=self.finish or (seen.finish if seen else ""),
            error=self.error,
            stream=request.stream if request else False,
            usage=self.usage,
            cost_nano=self.cost_nano,
            estimated=self.usage.source in ("estimated", "bound"),
            first_byte_ms=_ms(self.first_byte_s - began_s) if self.first_byte_s else 0.0,
            duration_ms=_ms(now_s - began_s),
            overhead_ms=_ms(self.overhead_s(now_s)),
            changes=self.changes,
            migration=arm.migration if arm else "",
            arm=arm.side if arm else "",
        )


def _ms(duration_s: float) -> float:
    """Milliseconds to the microsecond; `round` takes ten times as long."""
    return int(duration_s * 1e6 + 0.5) / 1000


def user_hash(key_id: str, user: str) -> str:
    """A pseudonym per (key, user), 16 hex digits: the same person under two keys is two people; `""` for none."""
    if not user:
        return ""
    return hashlib.sha256(f"{key_id}\0{user}".encode("utf-8", "surrogatepass")).hexdigest()[:16]


def usd(nano: int) -> bytes:
    """Nano-dollars as a plain decimal of US dollars, exact: 1_250 is `0.000001250`."""
    whole, part = divmod(nano, NANO_PER_USD)
    return b"%d.%09d" % (whole, part)


def _header_text(text: str) -> bytes:
    """Printable ASCII only, so that nothing a client or a file says can start a header of its own."""
    return _kept_text(text) if len(text) <= _SHORT else _printable(text)


def _printable(text: str) -> bytes:
    if text.isascii() and text.isprintable():
        return text.encode()
    return "".join(c if " " <= c <= "~" else "?" for c in text).encode("ascii")


_kept_text = lru_cache(maxsize=1024)(_printable)
