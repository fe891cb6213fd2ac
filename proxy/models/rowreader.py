"""One catalogue row: from a tree with line numbers to a ModelRow, with every fault noted.

Both the shipped file and the operator's `models:` have this shape. An operator's row for a known name replaces only the
keys it has; `usd_per_m` is a short way to write `prices`, and `deployments` belongs to routing.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import cast

from proxy.models.families import FAMILIES
from proxy.models.prices import read_price
from proxy.models.rowfile import Notes, Tree
from proxy.models.rows import KNOWN_EFFORTS, ChatTools, ModelRow, Successor
from proxy.nouns import Endpoint, PriceRow

KEYS = frozenset(
    (
        *(
            "family",
            "provider_kind",
            "snapshots",
            "aliases",
            "context",
            "max_input",
            "max_output",
            "modalities",
        ),
        *("endpoints", "chat_tools", "prices", "fine_tuned", "unpriced", "released", "shutdown", "announced"),
        *("successors", "latency", "source", "read"),
    )
)
OPERATOR_KEYS = KEYS | {"usd_per_m", "deployments"}
CHAT_TOOLS = ("chat", "only-none", "responses")
MODALITIES = ("text", "image", "audio", "file", "video", "vector", "labels")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")


def split_effort(name: str) -> tuple[str, str | None]:
    """`gpt-6-luna@none` as (`gpt-6-luna`, `none`); a name without a known effort keeps all of itself."""
    model, at, effort = name.rpartition("@")
    return (model, effort) if at and effort in KNOWN_EFFORTS else (name, None)


def day(text: str) -> float:
    """`2026-10-23` as the Unix time of its first second in UTC. Raises ValueError."""
    return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC).timestamp()


class RowReader:
    """Reads the fields of one row; `path` is where a mistake is said to be."""

    def __init__(self, name: str, tree: Tree, notes: Notes, pinned_dates: bool) -> None:
        self.name, self.tree, self.notes = name, tree, notes
        self.path = f"models.{name}"
        self.pinned_dates = pinned_dates

    def read(self) -> ModelRow | None:
        """The row, or None with the reasons noted."""
        before = len(self.notes.mistakes)
        self._check_keys()
        family = FAMILIES.get(self._text("family"))
        if family is None:
            self._wrong("family", f"unknown family; known: {', '.join(FAMILIES)}")
            return None
        context = self._number("context")
        row = ModelRow(
            name=self.name,
            family=family.name,
            provider_kind=self._text("provider_kind") or "openai",
            context=context,
            max_input=self._number("max_input") or context,
            max_output=self._number("max_output"),
            modalities_in=self._modalities("in"),
            modalities_out=self._modalities("out"),
            endpoints=self._endpoints(family.chat),
            chat_tools=self._chat_tools(family.chat_tools),
            prices=self._prices(),
            unpriced=self._text("unpriced"),
            released=self._day("released"),
            shutdown=self._day("shutdown"),
            announced=self._day("announced"),
            successors=self._successors(),
            successor_source=self._below("successors", "source"),
            successor_read=self._below("successors", "read"),
            ttft_s=self._seconds("ttft_s"),
            tokens_per_s=self._seconds("tokens_per_s"),
            source=self._text("source"),
            read=self._text("read"),
            names=(self.name, *self._names("snapshots"), *self._names("aliases")),
            pinned_dates=self.pinned_dates,
        )
        self._check(row, family.chat)
        return row if len(self.notes.mistakes) == before else None

    def fine_tuned_price(self) -> PriceRow | None:
        """What a fine-tuned version of this model costs; None when it is not known."""
        tree = self.tree.fields.get("fine_tuned")
        return read_price(tree, f"{self.path}.fine_tuned", self.notes) if tree else None

    def _check_keys(self) -> None:
        if not self.tree.fields:
            self.notes.add(self.tree, self.path, "a row is a mapping")
        if not _NAME.fullmatch(self.name):
            self.notes.add(self.tree, self.path, "a model name is letters, digits and . _ : / -")
        for key in sorted(self.tree.fields.keys() - OPERATOR_KEYS):
            self._wrong(key, f"unknown key; known: {', '.join(sorted(KEYS))}")

    def _check(self, row: ModelRow, chat: bool) -> None:
        """What contradicts itself inside one row."""
        if chat and row.context == 0:
            self._wrong("context", "a chat model needs its window")
        if chat and row.max_output == 0:
            self._wrong("max_output", "a chat model needs its output cap")
        if row.context and max(row.max_output, row.max_input) > row.context:
            self._wrong("max_output", "one side cannot be larger than the window that holds both")
        priced = bool(self.tree.fields.keys() & {"prices", "usd_per_m"})
        if not priced and not row.unpriced:
            self._wrong("prices", "missing; a model without a token price says why in `unpriced`")
        if priced and row.unpriced:
            self._wrong("unpriced", "the row has prices")
        if row.shutdown and row.released and row.shutdown <= row.released:
            self._wrong("shutdown", "not after `released`")
        if row.announced and (row.shutdown is None or row.announced > row.shutdown):
            self._wrong("announced", "an announcement needs a later `shutdown`")

    def _prices(self) -> tuple[tuple[float, PriceRow], ...]:
        key = "usd_per_m" if "usd_per_m" in self.tree.fields else "prices"
        tree = self.tree.fields.get(key)
        if tree is None:
            return ()
        out: list[tuple[float, PriceRow]] = []
        for item in tree.items or (tree,):
            begins = 0.0
            if tree.items:
                begins = self._date_of(item.fields.get("from", item), f"{self.path}.{key}.from") or 0.0
            price = read_price(item, f"{self.path}.{key}", self.notes)
            if out and begins <= out[-1][0]:
                self.notes.add(
                    item, f"{self.path}.{key}.from", "prices are listed from the oldest to the newest"
                )
            if price is not None:
                out.append((begins, price))
        return tuple(out)

    def _successors(self) -> tuple[Successor, ...]:
        tree = self.tree.fields.get("successors")
        if tree is None:
            return ()
        chain = tree.fields["chain"].items if "chain" in tree.fields else tree.items
        out = []
        for item in chain:
            model, effort = split_effort(item.text)
            if "@" in model:
                self._wrong(
                    "successors", f"{item.text!r}: the part after @ is one of {', '.join(KNOWN_EFFORTS)}"
                )
            out.append(Successor(model, effort or ""))
        return tuple(out)

    def _endpoints(self, chat: bool) -> frozenset[str]:
        tree = self.tree.fields.get("endpoints")
        if tree is None:
            return frozenset({Endpoint.CHAT.value} if chat else ())
        known = {endpoint.value for endpoint in Endpoint}
        for item in tree.items:
            if item.text not in known:
                self._wrong("endpoints", f"unknown endpoint {item.text!r}; known: {', '.join(sorted(known))}")
        return frozenset(item.text for item in tree.items)

    def _modalities(self, side: str) -> frozenset[str]:
        tree = self.tree.fields.get("modalities")
        if tree is None or side not in tree.fields:
            return frozenset({"text"})
        for item in tree.fields[side].items:
            if item.text not in MODALITIES:
                self._wrong("modalities", f"unknown modality {item.text!r}; known: {', '.join(MODALITIES)}")
        return frozenset(item.text for item in tree.fields[side].items)

    def _chat_tools(self, default: ChatTools) -> ChatTools:
        text = self._text("chat_tools")
        if text and text not in CHAT_TOOLS:
            self._wrong("chat_tools", f"one of {', '.join(CHAT_TOOLS)}")
        return cast(ChatTools, text) if text else default

    def _names(self, key: str) -> tuple[str, ...]:
        return tuple(item.text for item in self.tree.fields[key].items) if key in self.tree.fields else ()

    def _text(self, key: str) -> str:
        return self.tree.fields[key].text if key in self.tree.fields else ""

    def _below(self, key: str, inner: str) -> str:
        fields: Mapping[str, Tree] = self.tree.fields[key].fields if key in self.tree.fields else {}
        return fields[inner].text if inner in fields else ""

    def _number(self, key: str) -> int:
        text = self._text(key)
        if text and not (text.isascii() and text.isdecimal()):
            self._wrong(key, f"{text!r} is not a whole number of tokens")
            return 0
        return int(text or 0)

    def _seconds(self, key: str) -> float:
        text = self._below("latency", key)
        try:
            value = float(text or 0)
        except ValueError:
            value = -1.0
        if not 0 <= value < 1e6:
            self._wrong("latency", f"{key}: {text!r} is not a positive number")
        return value

    def _day(self, key: str) -> float | None:
        return self._date_of(self.tree.fields[key], f"{self.path}.{key}") if key in self.tree.fields else None

    def _date_of(self, tree: Tree, path: str) -> float | None:
        try:
            return day(tree.text) if tree.text else None
        except ValueError:
            self.notes.add(tree, path, f"{tree.text!r} is not a date like 2026-10-23")
            return None

    def _wrong(self, key: str, message: str) -> None:
        self.notes.add(self.tree.fields.get(key, self.tree), f"{self.path}.{key}", message)
