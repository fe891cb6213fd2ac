"""A provider: where it is, what it is sent, and with whose key.

`Provider` is what the rest of the house sees; the three kinds are `HttpProvider` (any OpenAI-compatible server, spoken to
directly), `azure.AzureProvider` and `litellm_adapter.LitellmProvider`. The body never chooses a host or a key: both come
from here.
"""

from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from proxy.headers import Header
from proxy.nouns import Call
from proxy.upstreams.http import HttpPool, Response, Timeouts
from proxy.upstreams.response import FrameTap, Tap

_MOST_LIST_BYTES = 8 * 1024 * 1024
_SECRET_HEADERS = frozenset({b"authorization", b"api-key"})
_LATER_S = 5.0
"""How much longer than its caller we wait: the caller's own timeout is the one it knows what to do with."""


class Incoming(Protocol):
    """An answer while it arrives; read by one task at a time. What it raises are the errors of `http`."""

    status: int
    headers: list[Header]

    async def read_chunk(self) -> bytes:
        """What arrived since the last call, b"" at the end."""

    async def pour(self, tap: Tap, frame_tap: FrameTap | None = None) -> bool:
        """Hand every piece to `tap` until it is shut (True) or the body has ended (False). Who has frames may show them to
        `frame_tap` first."""

    async def read_all(self, limit_bytes: int) -> bytes:
        """The whole body. Raises BodyTooLarge past the limit."""

    def close(self) -> None:
        """Done with it, whatever is still to come. Never waits; may be called again."""


async def poured(response: Incoming, tap: Tap) -> bool:
    """`Incoming.pour` for answers that are read piece by piece."""
    while block := await response.read_chunk():
        if not tap(block):
            return True
    return False


class Provider(Protocol):
    """One configured provider. `passthrough`: the caller's key goes up instead of ours. `stream_usage`: whether it may be
    asked for usage in streams."""

    @property
    def name(self) -> str: ...
    @property
    def passthrough(self) -> bool: ...
    @property
    def stream_usage(self) -> bool: ...
    @property
    def secrets(self) -> tuple[bytes, ...]:
        """Our own credentials as they are sent, without their scheme."""

    async def send(self, call: Call, target: bytes, body: bytes) -> Incoming:
        """POST `body` to `target`, a path behind the API's root. Raises the errors of `http`."""

    async def relay(
        self, call: Call, method: bytes, target: bytes, body: bytes | AsyncIterator[bytes], length: int | None
    ) -> Response:
        """Pass a call on as it is; a body that is streamed may have a known `length`. Raises NotFound where the provider
        has no such endpoints, the errors of `http`, and what the body raises."""

    async def list_models(self, timeout_s: float) -> bytes:
        """The body of its `GET /models`. Raises the errors of `http`, ValueError for an answer that is none."""


@dataclass(frozen=True, slots=True)
class HttpProvider:
    """An OpenAI-compatible provider. `own_headers` carry our credentials; empty in passthrough mode, where the caller's go up.

    `stream_usage` is whether it may be asked for usage in streams (some compatible servers refuse `stream_options`).
    """

    name: str
    pool: HttpPool
    timeouts: Timeouts
    passthrough: bool = False
    stream_usage: bool = True
    own_headers: tuple[Header, ...] = field(default=(), repr=False)

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """Our own credentials as they are sent, without their scheme."""
        found = [value.rpartition(b" ")[2] for name, value in self.own_headers if name in _SECRET_HEADERS]
        return tuple([secret for secret in found if secret])

    def send(self, call: Call, target: bytes, body: bytes) -> Coroutine[Any, Any, Response]:
        """POST `body` to `target`, a path behind the API's root. Raises the errors of `http`."""
        return self.pool.send(b"POST", target, self._headers(call), body, patient(self.timeouts, call))

    async def relay(
        self, call: Call, method: bytes, target: bytes, body: bytes | AsyncIterator[bytes], length: int | None
    ) -> Response:
        """Pass a call on as it is. `length` is that of a body still being sent, if it is known. Raises the errors of
        `http`, and what the body raises."""
        headers = self._headers(call)
        if length is not None:
            headers = (*headers, (b"content-length", b"%d" % length))
        return await self.pool.send(method, target, headers, body, patient(self.timeouts, call))

    def _headers(self, call: Call) -> tuple[Header, ...]:
        return (*call.headers, *(call.credentials if self.passthrough else ()), *self.own_headers)

    async def list_models(self, timeout_s: float) -> bytes:
        """The body of its `GET /models`. Raises the errors of `http`, ValueError for an answer that is none."""
        waits = Timeouts(connect_s=timeout_s, first_byte_s=timeout_s, idle_s=timeout_s)
        response = await self.pool.send(b"GET", b"/models", self.own_headers, b"", waits)
        try:
            body = await response.read_all(_MOST_LIST_BYTES)
        finally:
            response.close()
        if response.status != 200:
            raise ValueError(f"the model list was answered with {response.status}")
        return body


def patient(timeouts: Timeouts, call: Call) -> Timeouts:
    """The caller's own patience (`x-stainless-read-timeout`) shortens ours, so that nobody waits for an answer whose reader
    has gone."""
    patience_s = call.asks.read_timeout_s
    if patience_s is None or patience_s + _LATER_S >= timeouts.first_byte_s:
        return timeouts
    patience_s += _LATER_S
    return replace(timeouts, first_byte_s=patience_s, idle_s=min(patience_s, timeouts.idle_s))
