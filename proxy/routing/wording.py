"""Facts about the words of an instruction: which classes they belong to, where they stand, what comes first, what goes together.

Zones: `H` first line, `L` last line, `A` anywhere in the first two and the last, `B` in the material, `1` the very first word, `F`
the first kind of content word ("a poem about recursion" is a poem, "a script that translates" a script), `E` the last in that
line (where verbs come last), `S` in the system prompt, `SF` the task a system prompt sets; `w` is a word as it stands.

Applications put the same instruction around ever new material, and the same system prompt before it. What was found in the
last few hundred of those is remembered.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from proxy.routing.instruction import Instruction
from proxy.routing.lexicon import Lexicon, tokens
from proxy.routing.view import TaskView

PAIRS_OF = 10
NEAR = 12
SINGLE_WORDS = 40
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
"""Instructions of at most some 700 characters with a few hundred facts: 6 MB when all are new, long and full of known words,
with what the classifier keeps of them and of system prompts."""

Facts = tuple[str, ...]
"""Without repetition. Whatever is remembered comes again as the very same tuple."""


class Wording(msgspec.Struct, frozen=True, gc=False):
    """Facts about the words of three lines and these words themselves, which `F.` fact there is, and all the `A.` facts once
    more, to be looked up (`anywhere`)."""

    facts: Facts
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
    for row, zone, text in ((0, "H", first), (1, "", second), (2, "L", last)):
        if not text:
            continue
        words, found = lexicon.read(text)
        if zone:
            out += ["w.#" if word[0].isdigit() else f"w.{word}" for word in words[:SINGLE_WORDS]]
        for at, classes in found:
            for c in classes:
                seen[c] = seen.get(c, 0) + 1
                if c in _CONTENT:
                    placed.append((row, at, c))
                if zone and at < NEAR:
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
    return Wording(tuple(dict.fromkeys(out)), order[0], frozenset(anywhere))


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


def system_wording(view: TaskView, lexicon: Lexicon) -> Facts:
    """What the system prompt speaks of, the task it sets when it opens with one, and how long it is."""
    return _system(view.system, view.system_length, bool(view.tool_count), lexicon)


@lru_cache(_KEPT)
def _system(text: str, length: int, has_tools: bool, lexicon: Lexicon) -> Facts:
    found = sorted(lexicon.of_tokens(tokens(text)) + lexicon.of_unspaced(text))
    out = [f"S.{c}" for _, classes in found for c in classes]
    opening = (c for at, classes in found if at < SYSTEM_TASK_WORDS for c in classes)
    task = next((c for c in opening if c in _SET_BY_SYSTEM), None)
    if task is not None:
        out.append(f"SF.{task}")
    if length > 400 and not has_tools and "S.docnoun" in out:
        out.append("S:context")
    out.append(f"systemlen:{min(length.bit_length(), 12)}")
    return tuple(dict.fromkeys(out))
