"""`models:`: rows for models of your own, or overrides of the shipped catalogue (config/models.yaml), in its shape.

Here a row's spelling, prices and places are checked; what it means is the catalogue's business, which gets the row as it was
written (`Settings.model_rows`). `usd_per_m` and `prices` are the same: US dollars per million tokens, kept as nano-dollars.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from proxy.nouns import Endpoint
from proxy.settings.record import Record, ShortForm
from proxy.settings.values import (
    AMOUNT,
    TARGET_SCHEMA,
    Day,
    Factor,
    ModelName,
    ModelTarget,
    Name,
    UsdNano,
    refuse,
)

Modality = Literal["text", "image", "audio", "file", "video", "vector", "labels"]


class Deployment(Record):
    """One place that serves the model."""

    provider: Name = Field(description="A name under providers.")
    model: ModelName | None = Field(default=None, description="The model's name there, if it differs.")
    weight: int = Field(
        default=1, gt=0, le=1000, description="Share of conversations, relative to the other deployments."
    )


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


class LongPrice(Rates):
    """Long prompts make the whole request dearer: by factors, or at rates of their own."""

    above: int = Field(gt=0, description="Input tokens above which this applies.")
    in_factor: Factor | None = Field(default=None, alias="in", description="Factor on every input rate.")
    out_factor: Factor | None = Field(default=None, alias="out", description="Factor on every output rate.")


class Tier(Rates):
    """A service tier: a factor on the whole row, or rates of its own."""

    factor: Factor | None = Field(default=None, description="Written short: `flex: 0.5`.")
    long: LongPrice | None = Field(default=None, description="Dearer rates for long prompts in this tier.")


def _tier(value: Any) -> Any:
    return {"factor": value} if isinstance(value, str) else value


class Prices(Rates):
    """The price of one model."""

    starts: Day | None = Field(
        default=None, alias="from", description="First day of this price, in a list of them."
    )
    free: bool = Field(default=False, description="Says that an input price of zero is meant.")
    long: LongPrice | None = Field(default=None, description="Dearer rates for long prompts.")
    tiers: Mapping[Name, Annotated[Tier, BeforeValidator(_tier), ShortForm(lambda _: AMOUNT)]] = Field(
        default_factory=dict, description="Service tiers: a factor (flex: 0.5) or rates of their own."
    )
    tool_calls: Mapping[Name, UsdNano] = Field(
        default_factory=dict, description="US dollars per call of a hosted tool, such as web_search."
    )

    @model_validator(mode="after")
    def _has_both_sides(self) -> Self:
        lacks = [side for side in ("input", "output") if getattr(self, side) is None]
        if lacks:
            refuse(f"missing price: {' and '.join(lacks)}")
        return self


def _history(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


def _chain(value: Any) -> Any:
    return {"chain": value} if isinstance(value, list) else value


PriceHistory = Annotated[tuple[Prices, ...], BeforeValidator(_history), ShortForm(lambda full: full["items"])]


class Successors(Record):
    """Who stands in after the shutdown."""

    chain: tuple[ModelTarget, ...] = Field(description="Models to try, in order. Written short: a list.")
    source: str | None = Field(default=None, description="Where the advice comes from.")
    read: Day | None = Field(default=None, description="Day it was read.")


SuccessorChain = Annotated[
    Successors,
    BeforeValidator(_chain),
    ShortForm(lambda _: {"type": "array", "items": TARGET_SCHEMA}),
]


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
    """One model: of a known one, only the fields written differ from the catalogue."""

    family: str | None = Field(
        default=None, description="Rule table for parameters, such as gpt-4.1, o-series or open."
    )
    provider_kind: str | None = Field(default=None, description="Kind of provider that serves it by default.")
    deployments: tuple[Deployment, ...] = Field(
        default=(), description="Who serves it. None: the provider openai."
    )
    snapshots: tuple[ModelName, ...] = Field(default=(), description="Dated names of the same model.")
    aliases: tuple[ModelName, ...] = Field(default=(), description="Other names of the same model.")
    context: int | None = Field(default=None, gt=0, description="Tokens of input and output together.")
    max_input: int | None = Field(default=None, gt=0, description="Most input tokens.")
    max_output: int | None = Field(default=None, ge=0, description="Most output tokens; 0 for embeddings.")
    modalities: Modalities | None = Field(default=None, description="What it takes and gives.")
    endpoints: tuple[Endpoint, ...] = Field(default=(), description="Endpoints it answers on.")
    chat_tools: Literal["chat", "only-none", "responses"] | None = Field(
        default=None,
        description="Function tools with reasoning on chat/completions: any effort, only effort none, or not at all.",
    )
    usd_per_m: PriceHistory = Field(
        default=(), description="US dollars per million tokens; or a list of prices with from dates."
    )
    prices: PriceHistory = Field(default=(), description="The same as usd_per_m, as the catalogue calls it.")
    fine_tuned: Prices | None = Field(default=None, description="What fine-tuned versions cost.")
    unpriced: str | None = Field(default=None, min_length=1, description="Why there is no token price.")
    released: Day | None = Field(default=None, description="Day it appeared.")
    shutdown: Day | None = Field(default=None, description="First day (UTC) on which it no longer answers.")
    announced: Day | None = Field(default=None, description="Day on which the shutdown was made known.")
    successors: SuccessorChain | None = Field(
        default=None, description="Who stands in after the shutdown, in order."
    )
    latency: Latency | None = Field(default=None, description="Expected latency until live figures exist.")
    source: str | None = Field(default=None, description="Where the row comes from.")
    read: Day | None = Field(default=None, description="Day it was read.")

    @model_validator(mode="after")
    def _says_things_once(self) -> Self:
        places = [(d.provider, d.model) for d in self.deployments]
        if len(places) != len(set(places)):
            refuse("the same deployment is listed twice; give it one weight", at="deployments")
        if self.prices and self.usd_per_m:
            refuse("prices and usd_per_m are the same; keep one", at="prices")
        return self
