"""What is asked of the yard, and what it answers."""

import msgspec

from proxy.migration.roads import Fork, Traveller
from proxy.models.rows import ModelRow
from proxy.nouns import Candidate, Reason
from proxy.parse import Request
from proxy.planning.candidates.terms import Terms
from proxy.settings import CallRules


class Target(msgspec.Struct, frozen=True, gc=False):
    """A model to consider. `written` is its name as somebody wrote it, without provider and effort; `decides` says that
    the effort wins over the caller's."""

    written: str
    effort: str = ""
    provider: str = ""
    decides: bool = True


class Errand(msgspec.Struct, frozen=True, gc=False):
    """What candidates are wanted for. `source` is the model the caller wrote the request for (None: a route's name). `one`: a name that has ended stands for a single successor, not for its chain.
    `input_tokens` (estimated; 0: few enough for any window) and `output_tokens` (the caller's cap) are what has to fit.
    `last_resort`: nobody has logprobs, so they may be dropped. `traveller`: whose it is, where migrations want to know.
    `terms` None: what was found for others is of no use. `told`: somebody wants to hear what became of each target."""

    request: Request
    source: ModelRow | None
    rules: CallRules
    reason: Reason
    now: float
    one: bool
    input_tokens: int = 0
    output_tokens: int = 0
    last_resort: bool = False
    traveller: Traveller | None = None
    terms: Terms | None = None
    told: bool = False


class Crossing(msgspec.Struct, frozen=True, gc=False):
    """What a migration did: the way it sent a request, and who stands `behind`, should everybody else fail."""

    fork: Fork
    behind: tuple[Candidate, ...] = ()


class Found(msgspec.Struct, frozen=True, gc=False):
    """What became of one target: its candidates in order, or why there are none. `settled`: of the request, only its terms
    were looked at; `untouched`: only its model, its endpoint and its effort. Without candidates, `for_logprobs` says that
    they lack those and could serve without, `window_tokens` the window that is too small."""

    candidates: tuple[Candidate, ...] = ()
    why: str = ""
    known: bool = True
    settled: bool = False
    untouched: bool = False
    for_logprobs: bool = False
    window_tokens: int = 0
    crossing: Crossing | None = None

    @property
    def all_candidates(self) -> tuple[Candidate, ...]:
        """With who stands behind them."""
        return (*self.candidates, *self.crossing.behind) if self.crossing is not None else self.candidates
