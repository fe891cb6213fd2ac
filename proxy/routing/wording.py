"""Facts about the words of an instruction: which classes they belong to, where they stand, what comes first, what goes together.

Zones: `H` first line, `G` second line, `L` last line, `A` anywhere in the three, `B` in the material, `1` the very first word,
`F` the first kind of content word ("a poem about recursion" is a poem, "a script that translates" a script), `E` the last in
that line (where verbs come last), `FL` the first in the last line, `S` in the system prompt, `SF` the task a system prompt sets.

Applications put the same instruction around ever new material, and the same system prompt before it. What was found in the
last few hundred of those is remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import msgspec

from proxy.routing.instruction import Instruction
from proxy.routing.lexicon import Lexicon, tokens
from proxy.routing.view import TaskView

PAIRS_OF = 10
NEAR = 12
GRAM_WORDS = 40
BODY_CHARS = 900
SYSTEM_TASK_WORDS = 25
STEPS = (1, 2, 4, 8)
SETS_TASK = frozenset(("SF.translate", "SF.summarise", "SF.extract", "SF.classify"))
_SET_BY_SYSTEM = frozenset(
    ("translate", "summarise", "extract", "classify", "rewrite", "agentword", "writingobj", "codeobj")
)
_CONTENT = frozenset((
    "translate", "summarise", "extract", "classify", "rewrite", "writingobj", "roleplay", "brainstorm", "codeverb", "codeobj",
    "lang", "lib", "mathverb", "mathnoun", "quantity", "puzzle", "plan", "figword", "seeverb", "callverb",
))  # fmt: skip
_KEPT = 256
"""Instructions of at most some 700 characters with a few hundred facts: 7 MB when all are new, long and full of known words,
with what the classifier keeps of them; system prompts 2 MB."""

Facts = tuple[str, ...]
"""Without repetition. Whatever is remembered comes again as the very same tuple."""


class Wording(msgspec.Struct, frozen=True, gc=False):
    """Facts about the words of three lines, these words themselves (`grams`), which `F.` fact there is, and all the `A.`
    facts once more, to be looked up (`anywhere`)."""

    facts: Facts
    grams: Facts
    leads: str
    anywhere: frozenset[str]


def steps(name: str, count: int) -> list[str]:
    """`name>=1`, `name>=2`, … as far as the count goes: numbers as facts that can be added up."""
    return [f"{name}>={step}" for step in STEPS if count >= step] if count > 0 else []


def wording(said: Instruction, lexicon: Lexicon) -> Wording:
    """What there is to say about the words of the instruction."""
    return _wording(said.first, said.second, said.last, lexicon)


@lru_cache(_KEPT)
def _wording(first: str, second: str, last: str, lexicon: Lexicon) -> Wording:
    out: list[str] = []
    seen: dict[str, int] = {}
    placed: list[tuple[int, int, str]] = []
    grams: list[str] = []
    for row, zone, text in ((0, "H", first), (1, "G", second), (2, "L", last)):
        if not text:
            continue
        words, found = lexicon.read(text)
        if row != 1:
            grams += _grams(words)
        for at, classes in found:
            for c in classes:
                seen[c] = seen.get(c, 0) + 1
                if c in _CONTENT:
                    placed.append((row, at, c))
                if at < NEAR:
                    out.append(f"{zone}.{c}")
                    if at == 0 and row == 0:
                        out.append(f"1.{c}")
    order = _order(placed)
    anywhere: list[str] = []
    for c, count in seen.items():
        anywhere.append(f"A.{c}")
        if count > 1:
            anywhere += steps(f"A.{c}", count)[1:]
    out += order
    out += anywhere
    often = seen if len(seen) <= PAIRS_OF else sorted(seen, key=lambda c: (-seen[c], c))[:PAIRS_OF]
    names = sorted(often)
    out += [f"{a}&{b}" for i, a in enumerate(names) for b in names[i + 1 :]]
    return Wording(tuple(dict.fromkeys(out)), tuple(dict.fromkeys(grams)), order[0], frozenset(anywhere))


def _order(placed: list[tuple[int, int, str]]) -> list[str]:
    placed.sort()
    kinds = list(dict.fromkeys([c for _, _, c in placed]))
    if not kinds:
        return ["F.none"]
    out = [f"F.{kinds[0]}"]
    if len(kinds) > 1:
        out.append(f"F.{kinds[0]}>{kinds[1]}")
    begun = placed[0][0]
    out.append(f"E.{[c for row, _, c in placed if row == begun][-1]}")
    if placed[-1][0] == 2:
        out.append(f"FL.{next(c for row, _, c in placed if row == 2)}")
    return out


def material(said: Instruction, lexicon: Lexicon) -> list[str]:
    """Facts about the words of what the instruction is about."""
    body = said.body[:BODY_CHARS]
    if not body:
        return []
    inside: dict[str, int] = {}
    for _, classes in lexicon.of_tokens(tokens(body)) + lexicon.of_unspaced(body[:300]):
        for c in classes:
            inside[c] = inside.get(c, 0) + 1
    return [fact for c, count in inside.items() if count > 1 for fact in steps(f"B.{c}", count)[1:]]


def _grams(words: Sequence[str]) -> list[str]:
    """Single words and pairs; the numbers in them are all `#`."""
    if not words:
        return []
    words = ["#" if w[0].isdigit() else w for w in words[:GRAM_WORDS]]
    pairs = [f"w.{a} {b}" for a, b in pairwise(words)]
    return [f"w.{w}" for w in words] + pairs + [f"1w.{words[0]}", f"1w.{' '.join(words[:2])}"]


def system_wording(view: TaskView, lexicon: Lexicon) -> Facts:
    """What the system prompt speaks of, the task it sets when it opens with one, and how long it is."""
    return _system(view.system, view.system_length, bool(view.tool_count), lexicon)


@lru_cache(_KEPT)
def _system(text: str, length: int, has_tools: bool, lexicon: Lexicon) -> Facts:
    words = tokens(text)
    found = sorted(lexicon.of_tokens(words) + lexicon.of_unspaced(text))
    out = [f"S.{c}" for _, classes in found for c in classes]
    opening = (c for at, classes in found if at < SYSTEM_TASK_WORDS for c in classes)
    task = next((c for c in opening if c in _SET_BY_SYSTEM), None)
    if task is not None:
        out.append(f"SF.{task}")
    if length > 400 and not has_tools and "S.docnoun" in out:
        out.append("S:context")
    out.append(f"systemlen:{min(length.bit_length(), 12)}")
    return tuple(dict.fromkeys((*out, *[f"s.{w}" for w in words[:GRAM_WORDS]])))
