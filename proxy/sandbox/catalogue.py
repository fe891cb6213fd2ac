"""The models this simulated provider sells: name, family, windows, dates, prices, pace. Data only.

Source: the public model, pricing and deprecation pages as collected on 2026-11-20. Prices are dollars per million
tokens (input, cached input, cache write, output) of the standard tier. `shutdown` is 00:00 UTC of its day.
`ttft_s` and `token_s` are the model's natural pace before `time_scale`. Written apart from the proxy's own
catalogue on purpose: a mistake there must show here.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from proxy.sandbox.families import FAMILIES, Family


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens."""

    input: Decimal
    cached: Decimal
    write: Decimal
    output: Decimal
    priority: tuple[Decimal, Decimal, Decimal] | None = None
    long_context: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    family: Family
    window: int
    max_output: int
    released: str
    shutdown: date | None
    price: Price | None
    images: bool = True
    ttft_s: float = 0.6
    token_s: float = 0.008
    owner: str = "system"
    dated: bool = True

    @property
    def snapshot(self) -> str:
        """The name answers carry in `model`."""
        return f"{self.name}-{self.released}" if self.dated else self.name

    @property
    def created(self) -> int:
        return int(datetime.fromisoformat(self.released).replace(tzinfo=UTC).timestamp())


# name | family | window | max output | released | shutdown | in | cached | write | out | priority in/cached/out
_TABLE = """
o1            | o1       |  200000 | 100000 | 2024-12-17 | 2026-10-23 | 15   | 7.5   |       | 60   |
o3            | o        |  200000 | 100000 | 2025-04-16 | 2026-12-11 | 2    | 0.5   |       | 8    | 3.5 .875 14
o3-mini       | o3-mini  |  200000 | 100000 | 2025-01-31 | 2026-10-23 | 1.10 | 0.55  |       | 4.40 |
o4-mini       | o        |  200000 | 100000 | 2025-04-16 | 2026-10-23 | 1.10 | 0.275 |       | 4.40 | 2 .5 8
gpt-4         | gpt-4    |    8192 |   8192 | 2023-06-13 | 2026-10-23 | 30   | 30    |       | 60   |
gpt-3.5-turbo | gpt-4    |   16385 |   4096 | 2024-01-25 | 2026-10-23 | 0.5  | 0.5   |       | 1.5  |
gpt-4.1       | gpt-4.1  | 1047576 |  32768 | 2025-04-14 | 2027-01-14 | 2    | 0.5   |       | 8    | 3.5 .875 14
gpt-4.1-mini  | gpt-4.1  | 1047576 |  32768 | 2025-04-14 | 2027-01-14 | 0.40 | 0.10  |       | 1.60 | .7 .175 2.8
gpt-4.1-nano  | gpt-4.1  | 1047576 |  32768 | 2025-04-14 | 2026-10-23 | 0.10 | 0.025 |       | 0.40 | .2 .05 .8
gpt-4o        | gpt-4.1  |  128000 |  16384 | 2024-08-06 | 2027-01-14 | 2.5  | 1.25  |       | 10   | 4.25 2.125 17
gpt-4o-mini   | gpt-4.1  |  128000 |  16384 | 2024-07-18 | 2027-01-14 | 0.15 | 0.075 |       | 0.60 | .25 .125 1
gpt-4o-audio-preview | audio | 128000 | 16384 | 2025-06-03 |        | 2.5  | 2.5   |       | 10   |
gpt-5         | gpt-5    |  272000 | 128000 | 2025-08-07 | 2026-12-11 | 1.25 | 0.125 |       | 10   |
gpt-5-mini    | gpt-5    |  272000 | 128000 | 2025-08-07 | 2026-12-11 | 0.25 | 0.025 |       | 2    |
gpt-5-nano    | gpt-5    |  272000 | 128000 | 2025-08-07 | 2026-12-11 | 0.05 | 0.005 |       | 0.40 |
gpt-5.1       | gpt-5.1  |  272000 | 128000 | 2025-11-13 | 2027-04-01 | 1.25 | 0.125 |       | 10   |
gpt-5.2       | gpt-5.2  |  272000 | 128000 | 2025-12-11 |            | 1.75 | 0.175 |       | 14   |
gpt-5.4       | gpt-5.4  | 1050000 | 128000 | 2026-03-05 |            | 2.50 | 0.25  |       | 15   |
gpt-5.4-mini  | gpt-5.4  |  272000 | 128000 | 2026-03-17 |            | 0.75 | 0.075 |       | 4.50 |
gpt-5.4-nano  | gpt-5.4  |  272000 | 128000 | 2026-03-17 | 2027-04-01 | 0.20 | 0.02  |       | 1.25 |
gpt-5.5       | gpt-5.4  | 1050000 | 128000 | 2026-04-23 |            | 5    | 0.5   |       | 30   |
gpt-5.6-luna  | gpt-5.6  |  922000 | 128000 | 2026-07-09 |            | 0.20 | 0.02  | 0.25  | 1.20 |
gpt-5.6-terra | gpt-5.6  |  922000 | 128000 | 2026-07-09 |            | 2    | 0.2   | 2.5   | 12   |
gpt-5.6-sol   | gpt-5.6  |  922000 | 128000 | 2026-07-09 |            | 4    | 0.4   | 5     | 20   |
gpt-6-luna    | gpt-5.6  |  922000 | 128000 | 2026-09-22 |            | 0.10 | 0.01  | 0.125 | 0.50 |
gpt-6-sol     | gpt-5.6  |  922000 | 128000 | 2026-09-22 |            | 2    | 0.2   | 2.5   | 10   |
gpt-6.1-terra | gpt-5.6  |  922000 | 128000 | 2026-10-27 |            | 1    | 0.05  | 1.25  | 5    |
gpt-6.1-sol   | astra    |  922000 | 128000 | 2026-10-27 |            | 2    | 0.1   | 2.5   | 10   |
gpt-6-astra   | astra    |  922000 | 128000 | 2026-09-03 |            | 10   | 1     | 12.5  | 50   |
gpt-6.2-sol   | gpt-6.2  |  922000 | 128000 | 2026-11-17 |            | 2    | 2     | 2.5   | 10   |
gpt-6.2-astra | gpt-6.2  |  922000 | 128000 | 2026-11-17 |            | 8    | 8     | 10    | 40   |
gpt-oss-120b  | open     |  131072 | 131072 | 2025-08-05 |            | 0.15 | 0.15  |       | 0.60 |
text-embedding-3-small | embedding | 8191 | 0 | 2024-01-22 |           | 0.02 | 0.02  |       | 0    |
text-embedding-3-large | embedding | 8191 | 0 | 2024-01-22 |           | 0.13 | 0.13  |       | 0    |
omni-moderation-latest | moderation | 32768 | 0 | 2024-09-26 |         |      |       |       |      |
gpt-4o-mini-tts | speech |    2000 |      0 | 2025-03-20 |            | 0.60 | 0.60  |       | 12   |
tts-1         | speech   |    4096 |      0 | 2023-11-06 |            | 15   | 15    |       | 0    |
whisper-1     | transcription |  0 |      0 | 2023-02-27 |            | 0    | 0     |       | 0    |
gpt-4o-transcribe | transcription | 16000 | 2000 | 2025-03-20 |       | 2.5  | 2.5   |       | 10   |
gpt-image-1   | image    |   32000 |      0 | 2025-04-23 |            | 5    | 1.25  |       | 40   |
gpt-3.5-turbo-instruct | instruct | 4096 | 4096 | 2023-09-18 |          | 1.5  | 1.5   |       | 2    |
"""

_TEXT_ONLY = {"o3-mini", "gpt-4", "gpt-3.5-turbo", "gpt-oss-120b", "gpt-4o-audio-preview"}
_UNDATED = {"embedding", "moderation", "speech", "transcription", "image", "open", "instruct"}
_PACE = {"o4-mini": (22.0, 1 / 186.5), "o3-mini": (14.0, 0.006), "o3": (18.0, 0.010), "o1": (25.0, 0.015)}


def _price(cells: list[str], long_context: bool) -> Price | None:
    if not cells[0]:
        return None
    given = [Decimal(cell or "0") for cell in cells[:4]]
    dear = tuple(Decimal(cell) for cell in cells[4].split())
    priority = (dear[0], dear[1], dear[2]) if dear else None
    return Price(given[0], given[1], given[2] or given[0], given[3], priority, long_context)


def _row(line: str) -> Model:
    cells = [cell.strip() for cell in line.split("|")]
    name, family, window = cells[0], FAMILIES[cells[1]], int(cells[2])
    ttft_s, token_s = _PACE.get(name, (0.6, 0.008))
    return Model(
        name=name,
        family=family,
        window=window,
        max_output=int(cells[3]),
        released=cells[4],
        shutdown=date.fromisoformat(cells[5]) if cells[5] else None,
        price=_price(cells[6:], window > 272_000 and not name.startswith("gpt-4.1")),
        images=name not in _TEXT_ONLY and family.chat,
        ttft_s=ttft_s,
        token_s=token_s,
        owner="openai" if family.name == "open" else "system",
        dated=family.name not in _UNDATED,
    )


MODELS: dict[str, Model] = {row.name: row for row in map(_row, _TABLE.strip().splitlines())}
ALIASES: dict[str, str] = {"gpt-5.6": "gpt-5.6-sol", "gpt-6": "gpt-6-sol"}
_BY_SNAPSHOT = {model.snapshot: model for model in MODELS.values()}


def find(name: str) -> Model | None:
    """The model behind a name, an alias, a dated snapshot or a fine-tune (`ft:BASE:org::id`)."""
    if name.startswith("ft:"):
        base = find(name.split(":")[1]) if name.count(":") >= 3 else None
        return base if base is not None and base.family.tunable else None
    return MODELS.get(ALIASES.get(name, name)) or _BY_SNAPSHOT.get(name)


def served_name(asked: str, model: Model) -> str:
    """What `model` says in the answer: the fine-tune itself, else the dated snapshot."""
    return asked if asked.startswith("ft:") else model.snapshot
