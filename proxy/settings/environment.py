"""`${NAME}` and `${NAME:-default}` inside a scalar value; `$${` writes a literal `${`.

As in a shell, `:-` also covers a variable that is set but empty. A variable without a default must be set and not empty:
an empty secret is an open door. What a variable holds never appears in a message.

In a YAML flow mapping a bare `}` would end the mapping, so references are hidden from the parser (`hide`, one private
character for each of theirs, which keeps columns) and brought back scalar by scalar (`show`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_REFERENCE = re.compile(
    r"\$(\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<has>:-(?P<default>[^}]*))?\}|(?P<stray>\$\{)"
)

_WHOLE = re.compile(r"\$\{[^}\n]*\}")
_PRIVATE = 0xE000
_HIDE = {code: _PRIVATE + code for code in range(128)}
_SHOW = {hidden: code for code, hidden in _HIDE.items()}


@dataclass(frozen=True, slots=True)
class Substituted:
    """`text` after substitution; `used` says whether any variable was involved; `faults` are messages."""

    text: str
    used: bool
    faults: tuple[str, ...]


def hide(text: str) -> str:
    """The text with every reference in characters that mean nothing to YAML."""
    return _WHOLE.sub(lambda match: match[0].translate(_HIDE), text)


def show(text: str) -> str:
    """Undo `hide`."""
    return text.translate(_SHOW)


def substitute(text: str, env: Mapping[str, str]) -> Substituted:
    """Replace every reference in one scalar."""
    if "${" not in text:
        return Substituted(text, used=False, faults=())
    faults: list[str] = []
    used = False

    def replace(match: re.Match[str]) -> str:
        nonlocal used
        if match[1]:
            return "${"
        if match["stray"]:
            faults.append("unreadable reference; write ${NAME}, ${NAME:-default}, or $${ for a literal")
            return ""
        used = True
        name = match["name"]
        value = env.get(name, "")
        if value:
            return value
        if match["has"]:
            return match["default"] or ""
        state = "is set but empty" if name in env else "is not set"
        faults.append(f"environment variable {name} {state}; write ${{{name}:-}} if it may be left out")
        return ""

    return Substituted(_REFERENCE.sub(replace, text), used, tuple(faults))
