"""Which part of a prompt is the instruction and which the material it is about.

People put the instruction in the first two lines or the last, and paste below or above it; or they write it in front of a
colon (`Translate to German: …`) or around a quotation (`Is "…" positive?`). Words of the material must not vote as if they
had been asked: a paragraph about train fares is not a sum, and a headline about Germans is not a translation.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from proxy.routing.lexicon import Lexicon, is_unspaced, tokens
from proxy.routing.view import TaskView

LINE_CHARS = 240
PROSE_CHARS = 200
FOLLOW_UP_CHARS, FOLLOW_UP_WORDS = 90, 14
ASKS = ("?", "？", "؟")
_STOPS = (". ", "。", "! ", "? ", "।", '."')
_CUE = re.compile(
    r"\W{0,3}(?:\w{1,12} )?(?:answer|a|response|output|result|solution|explanation|antwort|respuesta|resposta|réponse|ответ|答案|答|回答|答え|답|정답)\s?[:：]?\W{0,3}",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"“«「『„][^\"”»」』“\n]{16,400}[\"”»」』“]")
_COLON = re.compile(r"[:：]\s*|\s->\s|\s=>\s")
_ASKED_OF = frozenset(
    ("translate", "langto", "summarise", "extract", "classify", "rewrite", "language", "create")
)
_KEPT = 256
_OWN_TASK = frozenset(
    (
        "translate",
        "summarise",
        "extract",
        "classify",
        "codeverb",
        "codeobj",
        "lang",
        "lib",
        "writingobj",
        "smalltalk",
        "puzzle",
    )
)


class Instruction(msgspec.Struct, frozen=True, gc=False):
    """`first`, `second`, `last` are instruction lines without their material; `body` is everything else."""

    lines: tuple[str, ...]
    first: str
    second: str
    last: str
    body: str
    prose: str = ""
    inside: str = ""
    quoted: str = ""
    cued: bool = False


def split(text: str, lexicon: Lexicon) -> Instruction:
    """The parts of a (clipped) prompt."""
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    cued = len(lines) > 1 and len(lines[-1]) < 40 and _CUE.fullmatch(lines[-1].strip()) is not None
    if cued:
        lines.pop()
    prose = _prose(lines)
    said = [line for line in lines if line is not prose] if prose else lines
    first, second, last = _zones(said)
    first, inside = _without_material(first, lexicon)
    last, quoted = _without_material(last, lexicon)
    body = "\n".join(part for part in (prose, inside, quoted, *said[2:-1]) if part)
    return Instruction(tuple(lines), first, second, last, body, prose, inside, quoted, cued)


def _zones(lines: list[str]) -> tuple[str, str, str]:
    """First, second and last line; a single line gives its head, nothing and its last sentence."""
    if not lines:
        return "", "", ""
    first = lines[0]
    if len(lines) == 1:
        cut = max([first.rfind(mark, 0, len(first) - 8) for mark in _STOPS])
        if cut > 0:
            return first[: min(cut + 1, LINE_CHARS)], "", first[cut + 1 :].strip()[-LINE_CHARS:]
        return (first, "", "") if len(first) <= LINE_CHARS else (first[:160], "", first[-160:])
    second = lines[1][:LINE_CHARS] if len(lines) > 2 else ""
    return first[:LINE_CHARS], second, lines[-1][-LINE_CHARS:]


def _prose(lines: list[str]) -> str:
    """The longest line when it reads like a passage and something else is asked around it; else nothing."""
    if len(lines) < 2:
        return ""
    block = max(lines, key=len)
    wide = len(block) * (3 if is_unspaced(block[:40]) else 1)
    if wide < PROSE_CHARS or block.count("(") > 3 + wide // 200:
        return ""
    return block if wide >= 3 * PROSE_CHARS or sum(block.count(mark) for mark in _STOPS) >= 2 else ""


def _without_material(line: str, lexicon: Lexicon) -> tuple[str, str]:
    """(what is asked, what it is asked of) of one line."""
    found = _QUOTED.search(line) if '"' in line or not line.isascii() else None
    if found is not None and len(found.group()) < len(line):
        return f"{line[: found.start()]} {line[found.end() :]}", found.group()
    cut = _COLON.search(line, 8, 170)
    if cut is None or len(line) - cut.end() < 12:
        return line, ""
    head = line[: cut.start()]
    return (head, line[cut.end() :]) if _asks(head, lexicon) else (line, "")


@lru_cache(_KEPT)
def _asks(head: str, lexicon: Lexicon) -> bool:
    """Whether what stands in front of a colon asks something of what stands behind it."""
    words, found = lexicon.read(head)
    if len(words) < 2 and head.isascii():
        return False
    return any(not _ASKED_OF.isdisjoint(classes) for _, classes in found)


def follows_up(view: TaskView, lexicon: Lexicon) -> bool:
    """Whether the request only continues the turn before it ("and with interest?") and says nothing of its own."""
    if not view.earlier or view.images or view.length > FOLLOW_UP_CHARS:
        return False
    words = tokens(view.ask)
    if not words or len(words) > FOLLOW_UP_WORDS:
        return False
    found = lexicon.of_tokens(words) + lexicon.of_unspaced(view.ask)
    starts = any(position == 0 and "followup" in classes for position, classes in found)
    return starts and not any(c in _OWN_TASK for _, classes in found for c in classes)
