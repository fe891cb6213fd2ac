"""What somebody meant who mistyped a name."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_LONG: Final = 6


def meant(given: str, names: Iterable[str]) -> str:
    """`; did you mean "list"?`, or "" where no name is near. Long names are alike by their beginnings already."""
    found = get_close_matches(given, list(names), n=1, cutoff=0.8 if len(given) >= _LONG else 0.6)
    return f'; did you mean "{found[0]}"?' if found else ""
