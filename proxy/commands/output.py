"""What commands write: aligned tables for people, JSON and CSV for programs. One place, so that all look alike."""

import csv
import io
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

_GAP = "  "


def say(text: str) -> None:
    """One piece of the result, on standard output."""
    sys.stdout.write(f"{text}\n")


def remark(text: str) -> None:
    """What a person should know beside the result; on standard error, so that a script can take the result alone."""
    sys.stderr.write(f"{text}\n")


def as_json(value: Any) -> str:
    """Indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns side by side; a head that begins with ">" is aligned to the right, as are its values."""
    right = [head.startswith(">") for head in heads]
    lines = [[head.removeprefix(">").upper() for head in heads], *[list(row) for row in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    shown = [
        [
            cell.rjust(width) if r else cell.ljust(width)
            for cell, width, r in zip(line, widths, right, strict=True)
        ]
        for line in lines
    ]
    return "\n".join(_GAP.join(line).rstrip() for line in shown)


def as_csv(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Comma-separated lines with a head; a text that a spreadsheet would run as a formula is quoted with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([[_inert(cell) for cell in row] for row in rows])
    return text.getvalue().rstrip("\n")


def _inert(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
