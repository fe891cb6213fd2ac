"""YAML with line numbers: the text becomes a tree whose every value knows its line, and every fault is collected.

A person who edits prices wants all mistakes at once, each with its place. Scalars stay the text that was written, so
`1.10` is the decimal 1.10 whether it was quoted or not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

SHIPPED_FILE = "config/models.yaml"
OVERRIDES_FILE = "models"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One fault: `line` is 0 when the value came from somewhere without lines (`path` still names it)."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.path}: {self.message}"


class CatalogueError(ValueError):
    """The catalogue cannot be used. `mistakes` has every fault found, in the order of the file."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in mistakes))


@dataclass(frozen=True, slots=True)
class Tree:
    """A value and where it was written. Scalars are their text; `null` and an absent value are the empty text."""

    value: "str | tuple[Tree, ...] | dict[str, Tree]"
    file: str
    line: int

    @property
    def text(self) -> str:
        return self.value if isinstance(self.value, str) else ""

    @property
    def items(self) -> "tuple[Tree, ...]":
        return self.value if isinstance(self.value, tuple) else ()

    @property
    def fields(self) -> "dict[str, Tree]":
        return self.value if isinstance(self.value, dict) else {}


class Notes:
    """Collects mistakes while a file is read."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    def add(self, tree: Tree, path: str, message: str) -> None:
        self.mistakes.append(Mistake(tree.file, tree.line, path, message))

    def raise_if_any(self) -> None:
        if self.mistakes:
            raise CatalogueError(self.mistakes)


def read_yaml(text: str, file: str) -> Tree:
    """The document as a tree. Raises CatalogueError when it is not YAML or repeats a key."""
    notes = Notes()
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else 0
        raise CatalogueError([Mistake(file, line, "", f"not YAML: {fault.problem}")]) from None
    tree = Tree({}, file, 1) if node is None else _from_node(node, file, "", notes)
    notes.raise_if_any()
    return tree


def from_plain(value: Any, file: str = OVERRIDES_FILE) -> Tree:
    """A tree of values already parsed elsewhere (the operator's configuration); their lines are not known here."""
    if isinstance(value, Mapping):
        return Tree({str(key): from_plain(item, file) for key, item in value.items()}, file, 0)
    if isinstance(value, list | tuple):
        return Tree(tuple(from_plain(item, file) for item in value), file, 0)
    if value is None:
        return Tree("", file, 0)
    return Tree(str(value).lower() if isinstance(value, bool) else str(value), file, 0)


def _from_node(node: yaml.Node, file: str, path: str, notes: Notes) -> Tree:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        out: dict[str, Tree] = {}
        for key, item in node.value:
            below = f"{path}.{key.value}" if path else str(key.value)
            tree = _from_node(item, file, below, notes)
            if key.value in out:
                notes.add(Tree("", file, key.start_mark.line + 1), below, "written twice")
            # The line of the key is where a reader looks, not where a shared (anchored) value was defined.
            out[str(key.value)] = Tree(tree.value, file, key.start_mark.line + 1)
        return Tree(out, file, line)
    if isinstance(node, yaml.SequenceNode):
        return Tree(tuple(_from_node(item, file, path, notes) for item in node.value), file, line)
    text = "" if node.tag.endswith(":null") else str(node.value)
    return Tree(text, file, line)
