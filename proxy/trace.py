"""What is known of one request while it runs: the headers that tell the caller, and the ledger row that remains.

Times are readings of one monotonic clock in seconds. Overhead is the time the request spent here rather than waiting for
a provider: everything up to the answer's first byte, less the time between sending and that byte.
"""

import hashlib
from dataclasses import dataclass, field

from proxy.nouns import Call, Caller, LedgerRow, Plan, Usage


@dataclass(slots=True)
class Trace:
    """Mutable on purpose: the one place where the facts of a running request gather. Never shared between requests."""

    call: Call
    caller: Caller
    attempt: int = 0
    asked: str = ""
    served: str = ""
    provider: str = ""
    route: str = ""
    task: str = ""
    reason: str = ""
    user: str = ""
    response_model: str = ""
    status: int = 0
    finish: str = ""
    error: str = ""
    stream: bool = False
    changes: tuple[str, ...] = ()
    usage: Usage = field(default_factory=lambda: Usage(source="none"))
    cost_nano: int = 0
    waited_s: float = 0.0
    sent_s: float = 0.0
    first_byte_s: float = 0.0

    def planned(self, plan: Plan) -> None:
        """Take over what the plan decided."""
        self.asked, self.route, self.task = plan.asked, plan.route, plan.task

    def overhead_ms(self, now_s: float) -> float:
        """Milliseconds spent here so far, or until the first byte when there is one."""
        return (now_s - self.call.started_s - self.waited_s) * 1000

    def headers(self, now_s: float) -> list[tuple[bytes, bytes]]:
        """The `x-switchyard-*` headers: how this answer was made, as far as it is known when its head is sent."""
        out = [(b"x-switchyard-request-id", self.call.id.encode())]
        for name, text in (
            (b"x-switchyard-model", self.served),
            (b"x-switchyard-task", self.task),
            (b"x-switchyard-reason", self.reason),
            (b"x-switchyard-changes", ", ".join(self.changes)),
        ):
            if text:
                out.append((name, _header_text(text)))
        out.append((b"x-switchyard-overhead-ms", b"%.2f" % self.overhead_ms(now_s)))
        return out

    def row(self, now_s: float, overhead_ms: float) -> LedgerRow:
        """The row of this request (or of the attempt under way) as it stands at `now_s`."""
        first = self.first_byte_s - self.call.started_s if self.first_byte_s else 0.0
        return LedgerRow(
            request_id=self.call.id,
            attempt=self.attempt,
            at=self.call.at,
            endpoint=self.call.endpoint.value,
            key_id=self.caller.key_id,
            key_name=self.caller.key_name,
            team=self.caller.team,
            user_hash=user_hash(self.caller.key_id, self.user),
            asked=self.asked,
            served=self.served,
            response_model=self.response_model,
            provider=self.provider,
            route=self.route,
            task=self.task,
            reason=self.reason,
            status=self.status,
            finish=self.finish,
            error=self.error,
            stream=self.stream,
            usage=self.usage,
            cost_nano=self.cost_nano,
            estimated=self.usage.source in ("estimated", "bound"),
            first_byte_ms=round(first * 1000, 3),
            duration_ms=round((now_s - self.call.started_s) * 1000, 3),
            overhead_ms=round(overhead_ms, 3),
            changes=self.changes,
        )


def user_hash(key_id: str, user: str) -> str:
    """A pseudonym per (key, user), 16 hex digits: the same person under two keys is two people; `""` for none."""
    if not user:
        return ""
    return hashlib.sha256(f"{key_id}\0{user}".encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _header_text(text: str) -> bytes:
    """Printable ASCII only, so that nothing a client or a file says can start a header of its own."""
    return "".join(c if " " <= c <= "~" else "?" for c in text).encode("ascii")
