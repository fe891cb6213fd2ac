"""What is left of a faulty configuration, so that its other mistakes can be reported in the same run.

The smallest part that was refused is cut out (a value, or the record that lacks one) and the rest is tried again. Paths of
list items shift when one is cut; the returned source still says where everything was written.
"""

from pydantic import ValidationError

from proxy.settings.faults import KEY
from proxy.settings.mistakes import Path
from proxy.settings.root import Settings
from proxy.settings.source import Plain, Source

_MOST_ROUNDS = 12


def salvage(source: Source, error: ValidationError) -> tuple[Settings, Source] | None:
    """Settings of the sound parts with a source for their places; None when there are none."""
    cut: set[Path] = set()
    rest = source
    for _ in range(_MOST_ROUNDS):
        cut |= {
            _original(_part_to_cut(detail["type"], detail["loc"], rest), rest, source)
            for detail in error.errors()
        }
        if () in cut:
            return None
        rest = _without(source, cut)
        try:
            return Settings.model_validate(rest.data), rest
        except ValidationError as again:
            error = again
    return None


def _part_to_cut(kind: str, loc: Path, source: Source) -> Path:
    if kind == "missing":
        loc = loc[:-1]
    return source.find(tuple(part for part in loc if part != KEY))


def _original(path: Path, rest: Source, source: Source) -> Path:
    return path if rest is source else rest.moved.get(path, path)


def _without(source: Source, cut: set[Path]) -> Source:
    out = Source(source.file, faulty=source.faulty)

    def copy(value: Plain, old: Path, new: Path) -> Plain:
        out.moved[new] = old
        if old in source.places:
            out.places[new] = source.places[old]
        if old in source.from_env:
            out.from_env.add(new)
        if isinstance(value, dict):
            return {k: copy(v, (*old, k), (*new, k)) for k, v in value.items() if (*old, k) not in cut}
        if isinstance(value, list):
            kept = [i for i in range(len(value)) if (*old, i) not in cut]
            return [copy(value[i], (*old, i), (*new, n)) for n, i in enumerate(kept)]
        return value

    out.data = copy(source.data, (), ())
    return out
