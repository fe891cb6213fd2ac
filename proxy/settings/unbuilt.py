"""Keys the schema knows but this version does not act on: refused by name, never silently ignored.

ONE table. A row goes when its part is built. `*` stands for any key or list item.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from proxy.settings.mistakes import Finding, Path
from proxy.settings.source import Plain


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """`path` is refused when written; with `value`, only if it says that."""

    path: str
    instead: str
    value: str | None = None


NOT_BUILT: tuple[Unbuilt, ...] = ()


def unbuilt(data: Plain, rows: tuple[Unbuilt, ...]) -> Iterator[Finding]:
    """Everything written that a row refuses."""
    for row in rows:
        for path, value in _matches(data, tuple(row.path.split(".")), ()):
            if value and row.value in (None, value):
                what = f"{row.value} is" if row.value else ""
                yield Finding(path, f"{what} not built yet; {row.instead}".strip())


def _matches(data: Plain, pattern: tuple[str, ...], path: Path) -> Iterator[tuple[Path, Plain]]:
    if not pattern:
        yield path, data
        return
    head, rest = pattern[0], pattern[1:]
    if isinstance(data, dict):
        for key, value in data.items():
            if head in ("*", key):
                yield from _matches(value, rest, (*path, key))
    elif isinstance(data, list) and head == "*":
        for i, value in enumerate(data):
            yield from _matches(value, rest, (*path, i))
