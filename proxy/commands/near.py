"""What somebody meant who mistyped a name."""

from collections.abc import Iterable
from difflib import get_close_matches


def meant(given: str, names: Iterable[str]) -> str:
    """`; did you mean "list"?`, or "" where no name is near."""
    found = get_close_matches(given, list(names), n=1, cutoff=0.6)
    return f'; did you mean "{found[0]}"?' if found else ""
