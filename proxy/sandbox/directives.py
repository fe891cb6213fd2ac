"""Orders hidden in a prompt: `[[sandbox:NAME]]`, `[[sandbox:NAME=VALUE]]`, `[[sandbox:NAME=VALUE key=value ...]]`.

They reach the sandbox through any proxy, since nothing but the user's text carries them. What a name means is decided
by `brain` (say, words, refuse, filter) and `faults` (everything that goes wrong on purpose).
"""

import re
from dataclasses import dataclass

_DIRECTIVE = re.compile(
    r"\[\[sandbox:([a-z_0-9]+)(?:[=:]((?:[^\]]|\](?!\]))*?))?((?: [a-z_]+=[^\s\]]+)*)\]\]"
)


@dataclass(frozen=True, slots=True)
class Directive:
    name: str
    value: str
    options: tuple[tuple[str, str], ...] = ()


def directives(text: str) -> dict[str, Directive]:
    """Every order in a text, by name; of two with one name the last counts."""
    if "[[sandbox:" not in text:
        return {}
    found = {}
    for name, value, tail in _DIRECTIVE.findall(text):
        options = tuple((key, given) for key, _, given in (pair.partition("=") for pair in tail.split()))
        found[name] = Directive(name, value, options)
    return found


def without(text: str) -> str:
    """The text with its orders taken out."""
    return _DIRECTIVE.sub("", text) if "[[sandbox:" in text else text
