"""`models:`: full rows for models of your own, or overrides of the shipped catalogue (config/models.yaml).

Field names are those of the catalogue; prices are nano-dollars per million tokens, so that 0.15 USD is 150_000_000.
A row for a name the catalogue does not know must say family, context, max_output and both plain prices.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from proxy.settings.record import Record
from proxy.settings.values import Day, Factor, ModelName, ModelTarget, Name, UsdNano, refuse

Modality = Literal["text", "image", "audio", "file"]


class Deployment(Record):
    """One place that serves the model."""

    provider: Name = Field(description="A name under providers.")
    model: ModelName | None = Field(default=None, description="The model's name there, if it differs.")
    weight: int = Field(
        default=1, gt=0, le=1000, description="Share of conversations, relative to the other deployments."
    )


class LongPrice(Record):
    """Long prompts make the whole request dearer."""

    above: int = Field(gt=0, description="Input tokens above which the long rates apply.")
    in_factor: Factor = Field(alias="in", description="Factor on every input rate.")
    out_factor: Factor = Field(alias="out", description="Factor on every output rate.")


class Rates(Record):
    """US dollars per million tokens. What is not listed costs what plain input or output costs."""

    input: UsdNano | None = Field(default=None, description="Plain input.")
    cached: UsdNano | None = Field(default=None, description="Input read from the prompt cache.")
    cache_write: UsdNano | None = Field(default=None, description="Input written to the prompt cache.")
    cache_write_extended: UsdNano | None = Field(
        default=None, description="Input written to the long-lived prompt cache."
    )
    output: UsdNano | None = Field(default=None, description="Output, reasoning included.")
    audio_input: UsdNano | None = Field(default=None, description="Audio input.")
    audio_output: UsdNano | None = Field(default=None, description="Audio output.")
    image_input: UsdNano | None = Field(default=None, description="Image input.")
    image_output: UsdNano | None = Field(default=None, description="Image output.")


class Tier(Rates):
    """A service tier: a factor on the whole row, or rates of its own."""

    factor: Factor | None = Field(
        default=None, description="Factor on every rate of the row; `flex: 0.5` is short for it."
    )


def _tier(value: Any) -> Any:
    return {"factor": value} if isinstance(value, str) else value


class Prices(Rates):
    """The price of one model."""

    long: LongPrice | None = Field(default=None, description="Dearer rates for long prompts.")
    tiers: Mapping[Name, Annotated[Tier, BeforeValidator(_tier)]] = Field(
        default_factory=dict, description="Service tiers: a factor (flex: 0.5) or rates of their own."
    )
    tool_calls: Mapping[Name, UsdNano] = Field(
        default_factory=dict, description="US dollars per call of a hosted tool, such as web_search."
    )


class Modalities(Record):
    """What goes in and comes out."""

    into: tuple[Modality, ...] = Field(
        default=("text",), alias="in", description="Kinds of input the model takes."
    )
    out: tuple[Modality, ...] = Field(default=("text",), description="Kinds of output it gives.")


class Latency(Record):
    """A prior until live figures exist."""

    ttft_s: float = Field(gt=0, description="Seconds to the first token.")
    tokens_per_s: float = Field(gt=0, description="Tokens a second after that.")


class ModelRow(Record):
    """One model: only the fields written differ from the catalogue (`model_fields_set` says which those are)."""

    family: str | None = Field(
        default=None, description="Rule table for parameters, such as gpt-4.1, o-series or open."
    )
    deployments: tuple[Deployment, ...] = Field(
        default=(), description="Who serves it. None: the provider named openai."
    )
    snapshots: tuple[ModelName, ...] = Field(default=(), description="Dated names of the same model.")
    aliases: tuple[ModelName, ...] = Field(default=(), description="Other names of the same model.")
    context: int | None = Field(default=None, gt=0, description="Tokens of input and output together.")
    max_input: int | None = Field(default=None, gt=0, description="Most input tokens.")
    max_output: int | None = Field(default=None, gt=0, description="Most output tokens.")
    modalities: Modalities | None = Field(default=None, description="What it takes and gives.")
    endpoints: tuple[str, ...] = Field(
        default=(), description="Endpoints it answers on, such as chat, responses, embeddings."
    )
    chat_tools: Literal["chat", "only-none", "responses"] | None = Field(
        default=None,
        description="How tools go with reasoning on chat/completions: any effort, only effort none, or not at all.",
    )
    prices: Prices | None = Field(
        default=None, alias="usd_per_m", description="US dollars per million tokens."
    )
    shutdown: Day | None = Field(default=None, description="First day (UTC) on which it no longer answers.")
    announced: Day | None = Field(default=None, description="Day on which the shutdown was made known.")
    successors: tuple[ModelTarget, ...] = Field(
        default=(), description="Who stands in after the shutdown, in order."
    )
    latency: Latency | None = Field(default=None, description="Expected latency until live figures exist.")

    @model_validator(mode="after")
    def _deploys_once_each(self) -> Self:
        places = [(d.provider, d.model) for d in self.deployments]
        if len(places) != len(set(places)):
            refuse("the same deployment is listed twice; give it one weight")
        return self
