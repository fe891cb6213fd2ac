"""Every model we know, and the one it is when somebody writes a name.

A name is looked up as written, then without what callers add around it: `model@effort`, `provider/model`,
`ft:base:org::id` (a fine-tuned model: its base's limits, its own price, no successor), a date this file has not seen
(`gpt-6-luna-2026-09-22` is gpt-6-luna). Unknown names are None: they have no price, so nothing may be assumed.

Built once per configuration from the shipped file, the operator's rows (which win) and, only for names neither has,
litellm's price map; never changed afterwards. All mistakes of all rows are raised together.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from proxy.models.consistency import check_all
from proxy.models.price_map import read_price_map, rows_from_price_map
from proxy.models.rowfile import OVERRIDES_FILE, SHIPPED_FILE, Notes, Tree, from_plain, read_yaml
from proxy.models.rowreader import RowReader, split_effort
from proxy.models.rows import ModelRow
from proxy.nouns import PriceRow

SHIPPED_PATH = Path(__file__).parents[2] / SHIPPED_FILE
_MOST_KEPT = 1024
_LONGEST_KEPT = 200
"""Characters: what callers make up must not fill the memory. Routes have names that are no model's, and are asked all the time."""
_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")


class Catalogue:
    """Immutable but for a memo. `resolve` answers for any name a caller may write, `get` only for catalogue names."""

    __slots__ = ("_by_name", "_fine_tuned", "_otherwise", "_rows")

    def __init__(self, rows: Iterable[ModelRow], fine_tuned: Mapping[str, PriceRow]) -> None:
        self._rows = {row.name: row for row in rows}
        self._by_name = {name: row for row in self._rows.values() for name in row.names}
        self._fine_tuned = {
            name: _fine_tuned_row(row, fine_tuned.get(name)) for name, row in self._rows.items()
        }
        self._otherwise: dict[str, ModelRow | None] = {}

    @classmethod
    def build(
        cls,
        shipped_text: str,
        overrides: Mapping[str, Any] | None = None,
        foreign: Iterable[ModelRow] = (),
        *,
        shipped_file: str = SHIPPED_FILE,
    ) -> "Catalogue":
        """The catalogue of the shipped YAML text, the operator's `models:` mapping and rows read elsewhere.

        Raises CatalogueError with every mistake: file and line for the shipped text, `models.NAME.key` for overrides.
        """
        notes = Notes()
        document = read_yaml(shipped_text, shipped_file)
        shipped = document.fields["models"].fields if "models" in document.fields else {}
        ours = from_plain(overrides or {}, OVERRIDES_FILE).fields
        trees: dict[str, Tree] = dict(shipped)
        for name, tree in ours.items():
            trees[name] = _merged(shipped[name], tree) if name in shipped else tree
        rows: dict[str, ModelRow] = {}
        fine_tuned: dict[str, PriceRow] = {}
        for name, tree in trees.items():
            reader = RowReader(name, tree, notes, name in ours and "shutdown" in ours[name].fields)
            row, price = reader.read(), reader.fine_tuned_price()
            if row is not None:
                rows[name] = row
            if price is not None:
                fine_tuned[name] = price
        notes.raise_if_any()
        check_all(rows, trees, notes)
        notes.raise_if_any()
        extra = [row for row in foreign if row.name not in rows]
        return cls([*rows.values(), *extra], fine_tuned)

    def get(self, name: str) -> ModelRow | None:
        """The row of a catalogue name; no aliases."""
        return self._rows.get(name)

    def resolve(self, name: str) -> ModelRow | None:
        """The row a caller means by `name`, or None when we do not know it."""
        found = self._by_name.get(name)
        if found is not None:
            return found
        if name in self._otherwise:
            return self._otherwise[name]
        found = self._spelt_otherwise(name)
        if len(name) <= _LONGEST_KEPT:
            if len(self._otherwise) >= _MOST_KEPT:
                self._otherwise.clear()
            self._otherwise[name] = found
        return found

    def _spelt_otherwise(self, name: str) -> ModelRow | None:
        name = split_effort(name)[0]
        for candidate in (name, name.partition("/")[2]):
            base = candidate.split(":")[1] if candidate.startswith("ft:") and candidate.count(":") > 1 else ""
            plain = base or candidate
            row = self._by_name.get(plain) or self._by_name.get(_DATED.sub("", plain))
            if row is not None:
                return self._fine_tuned[row.name] if base else row
        return None

    def names(self) -> tuple[str, ...]:
        """Catalogue names, in the order of the file."""
        return tuple(self._rows)

    def __iter__(self) -> Iterator[ModelRow]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)


def load(
    overrides: Mapping[str, Any] | None = None, wanted: Iterable[str] = (), path: Path = SHIPPED_PATH
) -> Catalogue:
    """Read the shipped file and build. `wanted` are names the configuration uses: those nobody describes are looked up
    in litellm's price map, which is read (12 ms, 3 MB) only then and let go of again. Raises CatalogueError, OSError."""
    text = path.read_text(encoding="utf-8")
    catalogue = Catalogue.build(text, overrides)
    missing = [name for name in wanted if catalogue.resolve(name) is None]
    if not missing:
        return catalogue
    return Catalogue.build(text, overrides, rows_from_price_map(read_price_map(), missing))


def _merged(shipped: Tree, ours: Tree) -> Tree:
    fields = dict(shipped.fields)
    if "prices" in ours.fields or "usd_per_m" in ours.fields:
        for key in ("prices", "unpriced", "fine_tuned"):
            fields.pop(key, None)
    return Tree(fields | ours.fields, ours.file, ours.line)


def _fine_tuned_row(row: ModelRow, price: PriceRow | None) -> ModelRow:
    """A fine-tuned version is somebody's own model: nothing may silently stand in for it, and its price is its own."""
    prices = ((0.0, price),) if price is not None else ()
    return replace(
        row,
        prices=prices,
        unpriced="" if prices else "the price of a fine-tuned version is not known",
        successors=(),
        fine_tuned=True,
    )
