"""`providers:`: the upstreams requests are sent to. Only this section and `deployments` ever choose a host."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from proxy.settings.record import Record
from proxy.settings.values import HttpUrl, ModelName, Secret, refuse

OPENAI_URL = "https://api.openai.com/v1"
_ENDPOINTS = (
    "/chat/completions",
    "/completions",
    "/responses",
    "/embeddings",
    "/models",
    "/moderations",
    "/images/generations",
    "/audio/speech",
    "/audio/transcriptions",
)
"""What is added to a base_url, from documentation that shows it whole; the longer ones first."""
_DIALLED = ("proxy", "ca_file", "organization", "project")


class Timeouts(Record):
    """Seconds to wait for an upstream."""

    connect_s: float = Field(default=5, gt=0, le=600, description="Seconds to connect, TLS included.")
    first_byte_s: float = Field(
        default=600, gt=0, le=7200, description="Seconds from the sent request to the first byte back."
    )
    idle_s: float = Field(default=600, gt=0, le=7200, description="Seconds a started answer may stay silent.")


class Provider(Record):
    """One upstream and our credentials for it."""

    kind: Literal["openai", "azure", "litellm"] = Field(
        default="openai",
        description="openai: any OpenAI-compatible server. azure: Azure OpenAI. litellm: every other provider.",
    )
    base_url: HttpUrl | None = Field(
        default=None,
        description=f"Root of the API, with /v1. Default for kind openai: {OPENAI_URL}. azure: the resource's root, "
        "https://NAME.openai.azure.com. litellm: only where the provider has no address of its own.",
    )
    api_key: Secret | None = Field(
        default=None, description="Our key. Take it from the environment: ${OPENAI_API_KEY}."
    )
    organization: str | None = Field(default=None, description="Sent as openai-organization.")
    project: str | None = Field(default=None, description="Sent as openai-project.")
    proxy: Secret | None = Field(default=None, description="HTTP proxy to reach this provider through.")
    ca_file: str | None = Field(
        default=None, description="PEM file of the certificate authorities to trust instead of the system's."
    )
    stream_usage: bool = Field(
        default=True,
        description="Ask for usage in streams (stream_options.include_usage). false for servers that refuse it.",
    )
    api_version: str | None = Field(default=None, description="Azure's api-version (kind azure).")
    deployments: Mapping[ModelName, str] = Field(
        default_factory=dict, description="Azure's deployment name of each model (kind azure)."
    )
    litellm_provider: str | None = Field(
        default=None, description="litellm's name of the provider (kind litellm), such as anthropic."
    )
    timeouts: Timeouts = Field(default_factory=Timeouts, description="How long to wait for this provider.")
    max_connections: int = Field(
        default=1000, ge=1, description="Connections to this provider that a worker keeps open at most."
    )
    max_waiting: int = Field(
        default=1000,
        ge=0,
        description="Calls of a worker that may wait for one of them; further ones get a 503.",
    )

    @model_validator(mode="after")
    def _is_a_root(self) -> Self:
        """Not asked of kind litellm: it has providers whose address is that of one endpoint."""
        if self.kind == "litellm" or not self.base_url:
            return self
        ending = next((end for end in _ENDPOINTS if self.base_url.endswith(end)), "")
        if ending:
            root = self.base_url.removesuffix(ending)
            refuse(f'{ending} is added by each request; write the root, "{root}"', at="base_url")
        if self.kind == "azure" and "/openai/deployments" in self.base_url:
            root = self.base_url.partition("/openai/deployments")[0]
            refuse(f'the deployment is added by each request; write the root, "{root}"', at="base_url")
        return self

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if self.kind == "azure" and not (self.base_url and self.api_version):
            refuse("kind azure needs base_url and api_version", at="kind")
        if self.kind == "litellm" and not self.litellm_provider:
            refuse("kind litellm needs litellm_provider, such as anthropic", at="kind")
        if self.kind != "litellm" and self.litellm_provider:
            refuse("belongs to kind litellm", at="litellm_provider")
        if self.kind != "azure" and self.deployments:
            refuse("belongs to kind azure", at="deployments")
        if self.kind != "azure" and self.api_version:
            refuse("belongs to kind azure", at="api_version")
        for name in _DIALLED if self.kind == "litellm" else ():
            if getattr(self, name) is not None:
                refuse("litellm makes its own connections; use kind openai or azure for this", at=name)
        return self

    @property
    def url(self) -> str:
        """`base_url`, or OpenAI's; "" for a litellm provider that knows its own. For azure the resource's root, also when
        the address of one of its APIs was written."""
        url = self.base_url or (OPENAI_URL if self.kind == "openai" else "")
        return url.rstrip("/").removesuffix("/v1").removesuffix("/openai") if self.kind == "azure" else url
