"""What moving from one model to another does to each kind of request, found by translating one of each. Pure.

Nobody keeps what callers send, so what will change cannot be read off the past; what would change for whoever sends a field can
be. Each probe is the smallest request that has it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from proxy.models.draft import Wire
from proxy.models.families import FAMILIES
from proxy.models.rows import ModelRow
from proxy.models.translate import translate

_MESSAGES: Final = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello."}]
_TOOL: Final = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "properties": {}}},
}
_SCHEMA: Final = {
    "type": "json_schema",
    "json_schema": {"name": "it", "strict": True, "schema": {"type": "object"}},
}
_PROBES: Final[Mapping[str, Mapping[str, Any]]] = {
    "any chat call": {},
    "temperature": {"temperature": 0.2},
    "top_p": {"top_p": 0.9},
    "max_tokens": {"max_tokens": 100},
    "max_completion_tokens": {"max_completion_tokens": 100},
    "stop": {"stop": ["END"]},
    "n above 1": {"n": 2},
    "seed": {"seed": 7},
    "logprobs": {"logprobs": True, "top_logprobs": 5},
    "logit_bias": {"logit_bias": {"50256": -100}},
    "presence_penalty": {"presence_penalty": 0.5},
    "frequency_penalty": {"frequency_penalty": 0.5},
    "prediction": {"prediction": {"type": "content", "content": "Hello."}},
    "tools": {"tools": [_TOOL]},
    "functions": {"functions": [_TOOL["function"]]},
    "JSON mode": {"response_format": {"type": "json_object"}},
    "a JSON schema": {"response_format": _SCHEMA},
    "reasoning_effort": {"reasoning_effort": "low"},
    "verbosity": {"verbosity": "low"},
    "web_search_options": {"web_search_options": {}},
}


class Probed(NamedTuple):
    """Who sends `what` sees these changes (as `x-switchyard-changes` lists them), or is kept on the old model: `stays` says why."""

    what: str
    changes: tuple[str, ...]
    stays: str = ""

    @property
    def told(self) -> str:
        """What they see, in words."""
        return f"stays on the old model: {self.stays}" if self.stays else ", ".join(self.changes)


def probes(source: ModelRow, target: ModelRow, effort: str) -> Iterator[Probed]:
    """Every kind of chat request that would not go on as it is, and what all of them have in common first."""
    wire: Wire = "chat"
    common: frozenset[str] = frozenset()
    for what, more in _PROBES.items():
        if "reasoning_effort" in more and not FAMILIES[source.family].reasons:
            continue  # the old model refuses it, so nobody sends it
        fields = {"model": source.name, "messages": _MESSAGES, **more}
        found = translate(fields, source, target, effort or None, wire=wire)
        tokens = tuple([token for token in found.tokens if token not in common])
        if not more:
            common = frozenset(found.tokens)
        if tokens or found.excluded:
            yield Probed(what, tokens, found.excluded)
