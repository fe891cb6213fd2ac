"""What can be wrong between rows: names claimed twice, successors that are unknown, dead, circular or cannot obey."""

from collections.abc import Mapping

from proxy.models.families import FAMILIES
from proxy.models.rowfile import Notes, Tree
from proxy.models.rows import ModelRow


def check_all(rows: Mapping[str, ModelRow], trees: Mapping[str, Tree], notes: Notes) -> None:
    """Note every contradiction between `rows`; `trees` says where each was written."""
    _check_names(rows, trees, notes)
    for row in rows.values():
        _check_successors(row, rows, trees, notes)
    _check_loops(rows, trees, notes)


def _check_names(rows: Mapping[str, ModelRow], trees: Mapping[str, Tree], notes: Notes) -> None:
    owner: dict[str, str] = {}
    for row in rows.values():
        for name in row.names:
            if owner.setdefault(name, row.name) != row.name or (name in rows and name != row.name):
                other = owner[name] if owner[name] != row.name else name
                notes.add(_at(trees, row), f"models.{row.name}", f"{name!r} is also a name of {other}")


def _check_successors(
    row: ModelRow, rows: Mapping[str, ModelRow], trees: Mapping[str, Tree], notes: Notes
) -> None:
    path, place = f"models.{row.name}.successors", _at(trees, row, "successors")
    for successor in row.successors:
        target = rows.get(successor.model)
        if target is None:
            notes.add(place, path, f"{successor.model!r} is not a model of this catalogue")
            continue
        efforts = FAMILIES[target.family].responses_efforts
        if successor.effort and successor.effort not in efforts:
            allowed = ", ".join(efforts) or "no effort at all"
            notes.add(
                place, path, f"{successor.model} does not take effort {successor.effort}; it takes {allowed}"
            )
        if row.shutdown and target.shutdown and target.shutdown <= row.shutdown:
            notes.add(place, path, f"{successor.model} stops no later than {row.name} itself")


def _check_loops(rows: Mapping[str, ModelRow], trees: Mapping[str, Tree], notes: Notes) -> None:
    done: set[str] = set()
    for name in rows:
        loop = _find_loop(name, rows, done, [])
        if loop:
            row = rows[loop[0]]
            notes.add(
                _at(trees, row, "successors"), f"models.{row.name}.successors", f"a loop: {' -> '.join(loop)}"
            )


def _find_loop(name: str, rows: Mapping[str, ModelRow], done: set[str], trail: list[str]) -> list[str]:
    """The names of a loop reached from `name`, first and last the same; [] when there is none."""
    if name in trail:
        return [*trail[trail.index(name) :], name]
    if name in done or name not in rows:
        return []
    for successor in rows[name].successors:
        loop = _find_loop(successor.model, rows, done, [*trail, name])
        if loop:
            done.update(trail, (name,))
            return loop
    done.add(name)
    return []


def _at(trees: Mapping[str, Tree], row: ModelRow, key: str = "") -> Tree:
    tree = trees[row.name]
    return tree.fields.get(key, tree)
