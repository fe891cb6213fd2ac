"""Every provider that does not speak OpenAI's API, through the litellm library: the one room that imports it.

The import takes about two seconds and 170 MB, so it happens when a provider of this kind is built and in no other
process. litellm is told to fetch nothing and say nothing: its price map is the installed one, it retries nothing, and
its log (which has prompts in it) is off. What may be asked of it is in `litellm_fields`, what comes back in
`litellm_answers`; here is only the waiting: one call, its timeouts, its end.

An answer looks like one that came over HTTP, an exception like the error OpenAI would have answered with. Connections
are litellm's own; `max_in_flight` bounds them.
"""

import asyncio
import importlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from proxy.errors import NotFound
from proxy.headers import Header
from proxy.models.sse import DONE
from proxy.nouns import Call
from proxy.upstreams import http
from proxy.upstreams.litellm_answers import (
    Refusal,
    chunk_event,
    error_event,
    refusal_of,
    refused,
    unsent,
    whole_body,
)
from proxy.upstreams.litellm_fields import CHAT, EMBEDDINGS, Refused, arguments
from proxy.upstreams.providers import patient, poured
from proxy.upstreams.response import FrameTap, Tap

_QUIET: Final = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "CRITICAL",
}
_MARGIN_S: Final = 5.0
"""litellm's own timeout is this much longer than ours, which knows the phase it ran out in."""
_JSON: Final[Header] = (b"content-type", b"application/json")
_EVENTS: Final[Header] = (b"content-type", b"text/event-stream; charset=utf-8")

_NO_MCP: Final = {"_skip_mcp_handler": True}
"""Otherwise every call with tools imports litellm's own proxy, which needs packages nobody installed."""

Start = Callable[[Coroutine[Any, Any, None]], object]


def load_library() -> Any:
    """litellm, imported and made quiet. The second call is free."""
    for name, value in _QUIET.items():
        os.environ[name] = value
    library: Any = importlib.import_module("litellm")
    library.suppress_debug_info = True
    library.telemetry = False
    library.drop_params = False
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return library


@dataclass(slots=True)
class LitellmProvider:
    """One provider behind litellm, called `foreign` there. `start` runs what closes a stream, which takes an await."""

    name: str
    foreign: str
    library: Any
    start: Start
    timeouts: http.Timeouts
    max_in_flight: int
    api_key: str = field(default="", repr=False)
    base_url: str = ""
    passthrough: bool = False
    stream_usage: bool = True
    in_flight: int = 0

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """Our own key."""
        return (self.api_key.encode(),) if self.api_key else ()

    async def send(self, call: Call, target: bytes, body: bytes) -> "_Answer":
        """Ask litellm what the body asks. Raises the errors of `http`."""
        path = target.partition(b"?")[0]
        chat = path == b"/chat/completions"
        if not chat and path != b"/embeddings":
            return _told(refused("This provider does not serve this endpoint.", None, None, 404))
        try:
            model, given = arguments(body, CHAT if chat else EMBEDDINGS)
        except Refused as refusal:
            return _told(refused(refusal.message, refusal.param, refusal.code))
        if self.in_flight >= self.max_in_flight:
            raise http.PoolExhausted(f"{self.name}: {self.max_in_flight} calls are in flight")
        waits = patient(self.timeouts, call)
        ask, given = (self.library.acompletion, given | _NO_MCP) if chat else (self.library.aembedding, given)
        self.in_flight += 1
        answer: _Answer | None = None
        try:
            answer = await self._ask(ask, given | self._fixed(call, model, waits), waits)
        finally:
            if answer is None or not answer.streams:
                self.in_flight -= 1
        return answer

    async def relay(
        self, call: Call, method: bytes, target: bytes, body: bytes | AsyncIterator[bytes], length: int | None
    ) -> http.Response:
        """Nothing is passed through: there is no server of OpenAI's kind behind it. Raises NotFound."""
        del call, method, target, body, length
        raise NotFound("This provider does not serve this endpoint.")

    async def list_models(self, timeout_s: float) -> bytes:
        """There is no list to be had. Raises ValueError."""
        raise ValueError(f"a litellm provider has no model list (asked for one within {timeout_s:g} s)")

    async def _ask(self, ask: Any, keywords: dict[str, Any], waits: http.Timeouts) -> "_Answer":
        try:
            async with asyncio.timeout(waits.first_byte_s):
                answer = await ask(**keywords)
        except TimeoutError:
            raise http.HeadTimeout(f"{self.name}: no answer within {waits.first_byte_s:g} s") from None
        except self.errors() as error:
            return self._failed(error)
        if keywords.get("stream"):
            return _Answer(200, [_EVENTS], stream=answer, owner=self, idle_s=waits.idle_s)
        return _Answer(200, [_JSON], whole_body(answer.model_dump()))

    def _failed(self, error: Exception) -> "_Answer":
        if isinstance(error, self.library.Timeout):
            raise http.HeadTimeout(f"{self.name}: no answer in time") from None
        if unsent(error):
            raise http.ConnectFailed(f"{self.name}: not reached") from None
        if isinstance(error, self.library.APIConnectionError):
            raise http.ConnectionCut(f"{self.name}: cut off") from None
        return _told(refusal_of(error))

    def errors(self) -> type[Exception]:
        """The base of everything litellm raises on purpose."""
        base: type[Exception] = self.library.exceptions.openai.OpenAIError
        return base

    def _fixed(self, call: Call, model: str, waits: http.Timeouts) -> dict[str, Any]:
        """What the configuration says and no body can: provider, host, key, timeouts, and that nothing is retried."""
        key = _bearer(call) if self.passthrough else self.api_key
        return {
            "model": model,
            "custom_llm_provider": self.foreign,
            "api_base": self.base_url or None,
            "api_key": key or None,
            "timeout": max(waits.first_byte_s, waits.idle_s) + _MARGIN_S,
            "num_retries": 0,
            "max_retries": 0,
        }


class _Answer:
    """An `Incoming`: a whole body, or events made from litellm's stream as they come."""

    def __init__(
        self,
        status: int,
        headers: list[Header],
        body: bytes = b"",
        *,
        stream: Any = None,
        owner: LitellmProvider | None = None,
        idle_s: float = 0.0,
    ) -> None:
        self.status, self.headers, self.streams = status, headers, stream is not None
        self._body, self._stream, self._owner, self._idle_s = body, stream, owner, idle_s

    async def read_chunk(self) -> bytes:
        """The next event, [DONE] after the last, then b"". Raises IdleTimeout, ConnectionCut."""
        if self._stream is None or self._owner is None:
            body, self._body = self._body, b""
            return body
        try:
            async with asyncio.timeout(self._idle_s):
                chunk = await anext(self._stream)
        except StopAsyncIteration:
            self.close()
            return DONE
        except TimeoutError:
            raise http.IdleTimeout(f"{self._owner.name}: silent for {self._idle_s:g} s") from None
        except self._owner.errors() as error:
            return self._broken(error, self._owner)
        return chunk_event(chunk.model_dump())

    async def pour(self, tap: Tap, frame_tap: FrameTap | None = None) -> bool:  # noqa: ARG002 - has none
        return await poured(self, tap)

    async def read_all(self, limit_bytes: int) -> bytes:
        """The whole body. Raises BodyTooLarge."""
        pieces: list[bytes] = []
        while piece := await self.read_chunk():
            pieces.append(piece)
        body = b"".join(pieces)
        if len(body) > limit_bytes:
            raise http.BodyTooLarge(f"the upstream's answer is over {limit_bytes} bytes")
        return body

    def close(self) -> None:
        """An unfinished stream is closed at the provider by a task of its own."""
        stream, owner, self._stream = self._stream, self._owner, None
        if stream is not None and owner is not None:
            owner.in_flight -= 1
            owner.start(_closed(stream))

    def _broken(self, error: Exception, owner: LitellmProvider) -> bytes:
        """What the provider said in the middle is an event; a connection that broke is one that broke."""
        self.close()
        original = getattr(error, "original_exception", None) or error
        if isinstance(original, owner.library.APIConnectionError):
            raise http.ConnectionCut(f"{owner.name}: cut off") from None
        return error_event(refusal_of(original))


async def _closed(stream: Any) -> None:
    await stream.aclose()


def _told(refusal: Refusal) -> _Answer:
    return _Answer(refusal.status, [_JSON, *refusal.headers], refusal.body)


def _bearer(call: Call) -> str:
    """The caller's own key, in passthrough mode."""
    value = next((value for name, value in call.credentials if name == b"authorization"), b"")
    return value.partition(b" ")[2].strip().decode("latin-1")
