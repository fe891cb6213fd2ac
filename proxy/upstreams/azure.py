"""Azure OpenAI: the same bodies under other paths, and our key in `api-key`.

    endpoint                                              path behind the resource's root
    chat, completions, embeddings, speech, images         /openai/deployments/{deployment}{endpoint}?api-version={configured}
    everything else (responses, files, batches, forms)    /openai/v1{endpoint}?api-version=preview

A deployment is what the resource's owner called it; `deployments` maps model names to it. Under /openai/v1 it is the
body's `model`, elsewhere it is part of the path, read from the JSON body here. Forms are not JSON, so they go to /openai/v1.

Sources: openai-python `lib/azure.py` (which endpoints have a deployment in their path), openai-node `docs/azure.md` (the v1
API, whose `model` is the deployment), Azure's REST reference (`api-key`, `api-version`).
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import msgspec

from proxy.nouns import Call
from proxy.upstreams.http import Response
from proxy.upstreams.providers import HttpProvider

_DEPLOYED: Final = frozenset(
    (
        *(b"/chat/completions", b"/completions", b"/embeddings"),
        *(b"/audio/speech", b"/images/generations"),
    )
)


class _Named(msgspec.Struct, gc=False):
    model: str = ""


_named = msgspec.json.Decoder(_Named)


@dataclass(frozen=True, slots=True)
class AzureProvider:
    """One Azure resource. `http` has its root as origin; `deployments` is by model name."""

    http: HttpProvider
    api_version: str
    deployments: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.http.name

    @property
    def passthrough(self) -> bool:
        return self.http.passthrough

    @property
    def stream_usage(self) -> bool:
        return self.http.stream_usage

    @property
    def secrets(self) -> tuple[bytes, ...]:
        return self.http.secrets

    async def send(self, call: Call, target: bytes, body: bytes) -> Response:
        """POST `body` to the endpoint `target` names. Raises the errors of `http`."""
        return await self.http.send(call, self._path(target, body), body)

    async def relay(
        self, call: Call, method: bytes, target: bytes, body: bytes | AsyncIterator[bytes], length: int | None
    ) -> Response:
        """Pass a call on as it is. Raises the errors of `http`, and what the body raises."""
        seen = body if isinstance(body, bytes) else b""
        return await self.http.relay(call, method, self._path(target, seen), body, length)

    async def list_models(self, timeout_s: float) -> bytes:
        """The models that have a deployment. Azure's own list is of what could be deployed in the region, which says
        nothing about this resource; nobody is asked."""
        del timeout_s
        return msgspec.json.encode({"object": "list", "data": [{"id": name} for name in self.deployments]})

    def _path(self, target: bytes, body: bytes) -> bytes:
        endpoint, mark, query = target.partition(b"?")
        rest = b"&" + query if mark else b""
        deployment = self._deployment(body) if endpoint in _DEPLOYED else ""
        if not deployment:
            return b"/openai/v1%b?api-version=preview%b" % (endpoint, rest)
        place = quote(deployment, safe="").encode()
        version = quote(self.api_version, safe="").encode()
        return b"/openai/deployments/%b%b?api-version=%b%b" % (place, endpoint, version, rest)

    def _deployment(self, body: bytes) -> str:
        try:
            model = _named.decode(body).model
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return ""
        return self.deployments.get(model, model)
