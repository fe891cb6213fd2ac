"""What a request must pass before its content is looked at: room in the house, and a body of bearable size.

    with gate.enter() as ticket:                      # 503 + retry-after when the house is full
        ticket.claim(authorization)                   # 429 when the key has its share of a busy house
        refuse_coding(heading.coding)                 # 415, where it has one
        body = await read_body(exchange, limit_bytes, ticket)   # 413, 503, ClientGone

The gate counts requests whose head was parsed, not connections, so half-open sockets cannot use it up. Bytes are counted
as they are buffered and given back when the ticket is closed. `/livez` and `/readyz` do not enter. Whose request it is
counts from its `claim`, after its key was judged and before its body is read: in a busy house each key has its share (`fairness`).
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NoReturn, Self

from proxy.api.exchange import Exchange
from proxy.api.fairness import may_have
from proxy.errors import BodyTooLarge, RateLimited, UnsupportedCoding, UpstreamUnavailable

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

_RETRY_AFTER_S: Final = 1


class ClientGone(Exception):
    """The client left before its request was complete: there is nobody to answer."""


class Overloaded(UpstreamUnavailable):
    """The process has as much to do as it may take on; another moment or another replica will do."""


class Gate:
    """Caps over all requests of one process: `max_requests` at once, `max_bytes` of bodies held at once. `keys` counts the
    requests of each key, by a hash of what it sent."""

    __slots__ = ("held_bytes", "keys", "max_bytes", "max_requests", "requests")

    def __init__(self, max_requests: int, max_bytes: int) -> None:
        self.max_requests = max_requests
        self.max_bytes = max_bytes
        self.requests = 0
        self.held_bytes = 0
        self.keys: dict[int, int] = {}

    def enter(self) -> "Ticket":
        """Raises Overloaded when `max_requests` are inside. The ticket must be closed (it is a context manager)."""
        if self.requests >= self.max_requests:
            raise Overloaded(
                "Too many requests are being served at the moment.", retry_after_s=_RETRY_AFTER_S
            )
        self.requests += 1
        return Ticket(self)


class Ticket:
    """One request's share of the gate."""

    __slots__ = ("_gate", "_held_bytes", "_key")

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._held_bytes = 0
        self._key: int | None = None

    def claim(self, credential: bytes) -> None:
        """Count this request as one of the key's. Raises RateLimited when the key has its share already."""
        gate, key = self._gate, hash(credential)
        mine = gate.keys.get(key, 0) + 1
        if mine > 1 and not may_have(mine, len(gate.keys), gate.requests, gate.max_requests):
            raise RateLimited(
                "This key has more requests under way than its share of a busy proxy.",
                retry_after_s=_RETRY_AFTER_S,
            )
        gate.keys[key] = mine
        self._key = key

    def hold(self, count_bytes: int) -> None:
        """Raises Overloaded when the bodies of all requests together would exceed the cap."""
        gate = self._gate
        if gate.held_bytes + count_bytes > gate.max_bytes:
            raise Overloaded(
                "Too many large requests are being served at the moment.", retry_after_s=_RETRY_AFTER_S
            )
        gate.held_bytes += count_bytes
        self._held_bytes += count_bytes

    def close(self, *_: object) -> None:
        gate, key = self._gate, self._key
        gate.requests -= 1
        gate.held_bytes -= self._held_bytes
        self._held_bytes = 0
        if key is not None:
            self._key = None
            left = gate.keys.pop(key) - 1
            if left:
                gate.keys[key] = left

    def __enter__(self) -> Self:
        return self

    __exit__ = close


def refuse_coding(coding: str) -> NoReturn:
    """Raises UnsupportedCoding. No body is decoded here: providers take none that is encoded, and a small one may become a
    huge one."""
    raise UnsupportedCoding(
        f"Unsupported content-encoding: '{coding}'. "
        "Send the body as it is, without a content-encoding or with 'identity'."
    )


async def read_body(exchange: Exchange, limit_bytes: int, ticket: Ticket) -> bytes:
    """The whole body. Raises BodyTooLarge (by length, before a byte is read, or by count), Overloaded, ClientGone."""
    exchange.body_limit_bytes = limit_bytes
    declared = exchange.declared_bytes
    if declared is not None and declared > limit_bytes:
        raise _too_large(limit_bytes)
    pieces: list[bytes] = []
    while True:
        if exchange.client_gone:
            raise ClientGone
        piece = exchange.take()
        ticket.hold(len(piece))
        if exchange.received_bytes > limit_bytes:
            raise _too_large(limit_bytes)
        if exchange.request_complete:
            # As a rule at once: the body came along with its head.
            return b"".join((*pieces, piece)) if pieces else piece
        pieces.append(piece)
        await exchange.arrival()


def _too_large(limit_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is larger than the {limit_bytes} bytes accepted here.")
