"""A page for people, written once and shown as Markdown or as HTML: headings, paragraphs, lists and tables of plain text."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1c1c1e;background:#fff}"
    "h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}table{border-collapse:collapse;display:block;overflow-x:auto}"
    "th,td{padding:.25rem .75rem;border-bottom:1px solid #d1d1d6;text-align:left;vertical-align:top}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
    "@media(prefers-color-scheme:dark){body{color:#e5e5ea;background:#1c1c1e}th,td{border-color:#3a3a3c}}"
)


@dataclass(frozen=True, slots=True)
class Heading:
    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Words:
    text: str


@dataclass(frozen=True, slots=True)
class Items:
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table; a head that begins with ">" is aligned to the right, as are its values."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Heading | Words | Items | Grid


def as_markdown(blocks: Sequence[Block]) -> str:
    """For a terminal, a pull request, a chat."""
    return "\n\n".join([_markdown(block) for block in blocks])


def as_html(title: str, blocks: Sequence[Block]) -> str:
    """A page of its own: no script, nothing from elsewhere."""
    body = "\n".join([_html(block) for block in blocks])
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>\n{body}\n</body></html>'
    )


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_inert(text)}"
        case Words(text):
            return _inert(text)
        case Items(items):
            return "\n".join([f"* {_inert(item)}" for item in items])
        case Grid(heads, rows):
            ruler = ["---:" if head.startswith(">") else "---" for head in heads]
            lines = [[head.removeprefix(">") for head in heads], ruler, *rows]
            return "\n".join(["| " + " | ".join([_inert(cell) for cell in line]) + " |" for line in lines])


def _html(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{html.escape(text)}</h{level}>"
        case Words(text):
            return f"<p>{html.escape(text)}</p>"
        case Items(items):
            return f"<ul>{''.join([f'<li>{html.escape(item)}</li>' for item in items])}</ul>"
        case Grid(heads, rows):
            right = [' class="n"' if head.startswith(">") else "" for head in heads]
            head = "".join(
                [f"<th{r}>{html.escape(h.removeprefix('>'))}</th>" for h, r in zip(heads, right, strict=True)]
            )
            body = "".join([f"<tr>{_cells(row, right)}</tr>" for row in rows])
            return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(row: Sequence[str], right: Sequence[str]) -> str:
    return "".join([f"<td{r}>{html.escape(cell)}</td>" for cell, r in zip(row, right, strict=True)])


def _inert(text: str) -> str:
    """One line that cannot break out of its cell, or become a link or markup."""
    plain = " ".join(text.split())
    for sign in "\\|<[`":
        plain = plain.replace(sign, f"\\{sign}")
    return plain
