"""YAML text into plain data in which every value keeps its place, and every scalar its own text.

Scalars are not guessed at: `0.1` stays the text "0.1" until the schema says it is money (so it never passes through
binary floating point), and `on`, `no`, `1e3` or a date mean what the field makes of them. Only an unquoted `null`, `~` or nothing
is None. A scalar whose `${…}` come out empty is None too: it counts as not written.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from proxy.settings.environment import hide, show, substitute
from proxy.settings.mistakes import Finding, Mistake, Path, Place, located

MOST_NODES = 200_000
_NULL = "tag:yaml.org,2002:null"
_STANDARD = "tag:yaml.org,2002:"
_QUOTED = re.compile(r"'(?![<\\\\])[^'\s]{2,}'")
_NAMED = re.compile(r'"[^"]*"')

Plain = Any
"""None, str, list[Plain] or dict[str, Plain]."""
Flag = str | dict[str, str] | None
"""What a command line says of one key; None takes away what the file says."""


@dataclass(slots=True)
class Source:
    """One configuration as read: `data`, the place of every path, the paths whose value came from the environment, and
    what was wrong already. `faulty` paths have been reported; nothing more is said about them. `moved` gives the written
    path of values whose neighbours were cut out (salvage.py)."""

    file: str
    data: dict[str, Plain] = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)
    from_env: set[Path] = field(default_factory=set)
    faulty: set[Path] = field(default_factory=set)
    moved: dict[Path, Path] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def written(self, path: Path) -> Path:
        """The path as the operator wrote it. A short form has no step where the schema has one: what stands for
        `default: […]`, for a list of one, for `factor: 0.5`."""
        out: list[str | int] = []
        at: Plain = self.data
        for part in path:
            expected = dict if isinstance(part, str) else list
            if at is not None and not isinstance(at, expected):
                continue
            out.append(part)
            at = child(at, part)
        return tuple(out)

    def find(self, path: Path) -> Path:
        """The deepest written part of `path`: a missing key stands at its parent."""
        path = self.written(path)
        while path and path not in self.places:
            path = path[:-1]
        return path

    def text(self, path: Path) -> str:
        """The scalar at `path` as written; "" when there is none or the environment supplied it."""
        at: Plain = self.data
        for part in path:
            at = child(at, part)
        return at if isinstance(at, str) and path not in self.from_env else ""

    def mistake(self, finding: Finding) -> Mistake:
        """The finding with its place in this source. What the environment supplied is not named."""
        place = self.places.get(self.find(finding.path), Place(self.file))
        if finding.path in self.from_env:
            hidden = _NAMED.sub("the value from the environment", finding.message)
            finding = Finding(finding.path, hidden, finding.allowed)
        return located(finding, place, self.moved.get(finding.path, self.written(finding.path)))

    def adopt(self, other: "Source", section: str) -> None:
        """Take a whole top-level section, with its places, from another source."""
        if section not in other.data:
            return
        self.data[section] = other.data[section]
        self.places |= {path: place for path, place in other.places.items() if path[:1] == (section,)}
        self.from_env |= {path for path in other.from_env if path[:1] == (section,)}

    def put(self, path: Path, value: Flag, place: Place) -> None:
        """Write one value as if it stood in the file (a flag, an environment variable)."""
        at = self.data
        for depth, part in enumerate(path[:-1], start=1):
            if not isinstance(at.get(str(part)), dict):
                at[str(part)] = {}
            at = at[str(part)]
            self.places.setdefault(path[:depth], place)
        at[str(path[-1])] = value
        self.places[path] = place


def child(at: Plain, part: str | int) -> Plain:
    if isinstance(at, dict):
        return at.get(part)
    if isinstance(at, list) and isinstance(part, int) and part < len(at):
        return at[part]
    return None


def read_source(text: str, file: str, env: Mapping[str, str]) -> Source:
    """Parse and substitute. Never raises: what is wrong is in `mistakes`."""
    source = Source(file)
    try:
        root = yaml.compose(hide(text), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        # The parser quotes what it met, which may be a secret in the wrong place; its own terms are in <>.
        half = error.problem or "unreadable"
        whole = f"{error.context}, {half}" if error.context and half.startswith("but ") else half
        problem = _QUOTED.sub("a name", whole)
        source.mistakes.append(Mistake(file, line, column, "", f"not YAML: {problem}"))
    except (yaml.YAMLError, RecursionError):
        source.mistakes.append(
            Mistake(file, 0, 0, "", "not YAML: unreadable characters, or nested too deeply")
        )
    else:
        if root is not None:
            _Reader(source, env).root(root)
    return source


class _Reader:
    """Walks the node tree once, filling a Source."""

    def __init__(self, source: Source, env: Mapping[str, str]) -> None:
        self._source = source
        self._env = env
        self._nodes = 0
        self._open: set[int] = set()

    def root(self, node: yaml.Node) -> None:
        data = self._node(node, ())
        if isinstance(data, dict):
            self._source.data = data
        elif data is not None:
            self._say(node, (), "expected a mapping of keys at the top of the file")

    def _node(self, node: yaml.Node, path: Path) -> Plain:
        self._nodes += 1
        if self._nodes > MOST_NODES or id(node) in self._open:
            self._say(node, path, "an anchor that contains itself, or far too many values")
            return None
        self._source.places.setdefault(path, self._place(node))
        if not node.tag.startswith(_STANDARD):
            self._say(node, path, "YAML tags are not used here; remove the !tag")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self._node(item, (*path, i)) for i, item in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Plain]:
        out: dict[str, Plain] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._say(key_node, path, "a key must be a plain name")
                continue
            key = show(key_node.value)
            at = (*path, key)
            if key in out:
                first = self._source.places[at].line
                self._say(key_node, at, f"written twice; it is already on line {first}")
                continue
            self._source.places[at] = self._place(key_node)
            out[key] = self._node(value_node, at)
        return out

    def _scalar(self, node: yaml.Node, path: Path) -> str | None:
        if node.tag == _NULL:
            return None
        done = substitute(show(node.value), self._env)
        for fault in done.faults:
            self._say(node, path, fault)
        if done.used:
            self._source.from_env.add(path)
        return None if done.faults or (done.used and not done.text) else done.text

    def _say(self, node: yaml.Node, path: Path, message: str) -> None:
        self._source.faulty.add(path)
        self._source.mistakes.append(located(Finding(path, message), self._place(node), path))

    def _place(self, node: yaml.Node) -> Place:
        mark = node.start_mark
        return Place(self._source.file, mark.line + 1, mark.column + 1)
