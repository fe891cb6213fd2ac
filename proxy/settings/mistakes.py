"""What is wrong with a configuration, with its place in the file and what to write instead.

All mistakes of a file are collected and reported together; one prints as

    config/switchyard.yaml:12: routes.auto.defalt: unknown key; did you mean "default"? allowed: default, tasks, …

The value of a secret, or one that the environment supplied, is never part of the message about it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

Path = tuple[str | int, ...]

MOST_NAMES_SHOWN = 40
MOST_BESIDE_A_SUGGESTION = 20
"""More names than that bury the one that was meant: a catalogue of models is left out."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value is written. Lines and columns count from 1; line 0 is a place that has no lines (a flag)."""

    file: str
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake before its place is looked up. `given` is the wrong name, compared with `allowed` for a suggestion."""

    path: Path
    message: str
    allowed: tuple[str, ...] = ()
    given: str = ""

    @property
    def near(self) -> str:
        """The allowed name most like `given`; "" when none is."""
        found = get_close_matches(self.given, self.allowed, n=1, cutoff=0.6) if self.given else []
        return found[0] if found else ""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing to mend. `key_path` is dotted (`keys[0].team`); `allowed` and `suggestion` may be empty."""

    file: str
    line: int
    column: int
    key_path: str
    message: str
    allowed: tuple[str, ...] = ()
    suggestion: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        key = f" {self.key_path}:" if self.key_path else ""
        meant = f'; did you mean "{self.suggestion}"?' if self.suggestion else ""
        return f"{where}:{key} {self.message}{meant}{self._allowed()}"

    def _allowed(self) -> str:
        if not self.allowed or (self.suggestion and len(self.allowed) > MOST_BESIDE_A_SUGGESTION):
            return ""
        shown = ", ".join(self.allowed[:MOST_NAMES_SHOWN])
        more = len(self.allowed) - MOST_NAMES_SHOWN
        separator = " " if self.suggestion else "; "
        return f"{separator}allowed: {shown}" + (f" and {more} more" if more > 0 else "")


class SettingsError(Exception):
    """The configuration is refused. `mistakes` is never empty and is in the order of the file."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))


def dotted(path: Path) -> str:
    """`("keys", 0, "hash")` as `keys[0].hash`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def located(finding: Finding, place: Place, path: Path) -> Mistake:
    """The finding at `place`, with the nearest allowed name as suggestion."""
    return Mistake(
        file=place.file,
        line=place.line,
        column=place.column,
        key_path=dotted(path),
        message=finding.message,
        allowed=finding.allowed,
        suggestion=finding.near,
    )
