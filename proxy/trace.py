"""What is known of one request while it runs: the headers that tell the caller, the bill, and the row that remains.

Times are readings of one monotonic clock in seconds. Overhead is the time the request spent here rather than waiting for
a provider: everything up to the answer's first byte, less the time between sending and that byte.
"""

import hashlib
from functools import lru_cache

import msgspec

from proxy.account import cost_nano, used
from proxy.errors import ApiError, Headers
from proxy.nouns import NANO_PER_USD, Call, Caller, Candidate, LedgerRow, Plan, Reason, Usage
from proxy.parse import Request
from proxy.store.ports import Grant
from proxy.upstreams.seen import Seen

_CLIENT_CLOSED = 499
"""Status of a request whose client left before an answer began, as nginx writes it; it exists only in our own records."""
_NO_USAGE = Usage(source="none")
_NOBODY = Candidate("", "", Reason.PINNED)
_NO_PLAN = Plan("", ())
_NOTHING = Seen()
_SHORT = 200
"""Characters of names that are kept: what callers make up must not fill the memory."""
_GUESSED = frozenset({"estimated", "bound"})
_TOLD = frozenset({Reason.LEARNED, Reason.SUCCESSOR})
"""Reasons that say more than that another candidate came before."""


class Trace(msgspec.Struct, eq=False):
    """Mutable on purpose: the one place where the facts of a running request gather. Never shared between requests.

    `sent` says that the attempt under way may have been billed and has not been accounted for; `seen` is what its answer
    has said so far; `accounted` that it has been added up and will say no more. `user_hash` is the pseudonym of the
    request's user: both are set by `parsed`.
    """

    call: Call
    caller: Caller
    request: Request | None = None
    plan: Plan | None = None
    candidate: Candidate | None = None
    grant: Grant | None = None
    seen: Seen | None = None
    accounted: bool = False
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
    user_hash: str = ""

    def parsed(self, request: Request) -> None:
        """The body is a request."""
        self.request = request
        if request.user:
            self.user_hash = user_hash(self.caller.key_id, request.user)

    def considering(self, candidate: Candidate, *, fallback: bool) -> None:
        """Go on with a candidate."""
        self.candidate, self.changes = candidate, candidate.changes
        reason = candidate.reason
        self.reason = reason._value_ if not fallback or reason in _TOLD else Reason.FALLBACK._value_

    def sending(self, now_s: float) -> None:
        """An attempt begins."""
        if self.attempt:  # what the one before it cost, or failed of, is on a row of its own
            self.seen, self.accounted, self.error = None, False, ""
            self.usage, self.cost_nano = _NO_USAGE, 0
        self.attempt += 1
        self.sent, self.sent_s = True, now_s

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
        if self.accounted:
            return
        if not self.sent or self.request is None or self.candidate is None:
            self.usage, self.cost_nano = _NO_USAGE, 0
            return
        self.accounted = whole
        held_output = self.grant.size.output_tokens if self.grant else 0
        self.usage = used(self.request, self.candidate, self.seen, held_output)
        self.cost_nano = cost_nano(self.usage, self.candidate, self.request, self.seen)

    def headers(self, now_s: float) -> list[tuple[bytes, bytes]]:
        """The `x-switchyard-*` headers: how this answer was made, as far as it is known when its head is sent."""
        plan = self.plan or _NO_PLAN
        model, task = (self.candidate or _NOBODY).model, plan.task
        named = _kept_named if len(model) + len(task) <= _SHORT else _named
        out = [(b"x-switchyard-request-id", self.call.id.encode()), *named(model, task, self.reason)]
        if self.changes:
            out.append((b"x-switchyard-changes", _printable(", ".join(self.changes))))
        out += plan.headers
        remaining_nano = self._remaining_nano()
        if remaining_nano is not None:
            out.append((b"x-switchyard-budget-remaining-usd", usd(remaining_nano)))
        spent_s = now_s - self.call.started_s - self.waited_s
        out.append((b"x-switchyard-overhead-ms", b"%.2f" % (spent_s * 1000 if spent_s > 0 else 0.0)))
        return out

    def _remaining_nano(self) -> int | None:
        """What is left to the key and the user: after this request's bill where that is known, else after its hold."""
        grant = self.grant
        if grant is None:
            return None
        remaining_nano = grant.remaining_nano
        if remaining_nano is None or (self.sent and self.usage.source == "none"):
            return remaining_nano
        return remaining_nano + grant.hold.amount_nano - self.cost_nano

    def row(self, now_s: float) -> LedgerRow:
        """The row of this request (or of the attempt under way) as it stands at `now_s`."""
        call, caller, request, usage = self.call, self.caller, self.request, self.usage
        plan, candidate, seen = self.plan or _NO_PLAN, self.candidate or _NOBODY, self.seen or _NOTHING
        arm = candidate.arm
        began_s, first_byte_s = call.started_s, self.first_byte_s
        overhead_s = (first_byte_s or now_s) - began_s - self.waited_s
        # By position: so many names would be gathered in a dictionary first, at ten times the cost of the record.
        return LedgerRow(
            call.id, self.attempt, call.at, call.endpoint._value_,
            caller.key_id, caller.key_name, caller.team, self.user_hash,
            request.model if request else "", candidate.model, seen.model, candidate.provider,
            plan.route, plan.task, self.reason,
            self.status, self.finish or seen.finish, self.error, request.stream if request else False,
            usage, self.cost_nano, usage.source in _GUESSED,
            _ms(first_byte_s - began_s) if first_byte_s else 0.0, _ms(now_s - began_s), _ms(overhead_s) if overhead_s > 0 else 0.0,
            self.changes, arm.migration if arm else "", arm.side if arm else "",
        )  # fmt: skip


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
    return b"%d.%09d" % divmod(nano, NANO_PER_USD)


def _named(model: str, task: str, reason: str) -> Headers:
    """Who serves a request, for which task and why: headers for those there are."""
    told = ((b"x-switchyard-model", model), (b"x-switchyard-task", task), (b"x-switchyard-reason", reason))
    return tuple([(name, _printable(text)) for name, text in told if text])


_kept_named = lru_cache(maxsize=1024)(_named)


def _printable(text: str) -> bytes:
    """Printable ASCII only, so that nothing a client or a file says can start a header of its own."""
    if text.isascii() and text.isprintable():
        return text.encode()
    return "".join(c if " " <= c <= "~" else "?" for c in text).encode("ascii")
