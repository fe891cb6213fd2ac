"""A request's view turned into a list of named facts: the only thing the weights know.

Facts are names, not numbers (`len:6`, `A.translate`, `m.dollar>=2`), so a verdict can be explained by listing them and a
sum over weights needs no multiplication. A word class is noted by where it stands: `1` first word, `H` first line, `L` last
line, `A` anywhere in the instruction (first two lines and last), `B` in the text between, `S` in the system prompt.
"""

from __future__ import annotations

from proxy.routing import shapes
from proxy.routing.lexicon import Lexicon, tokens
from proxy.routing.view import TaskView

LINE_CHARS = 240
PAIRS_OF = 10
_STEPS = (1, 2, 4, 8)
_CODE = ("fence", "py", "c", "js", "html", "sql", "trace", "shell", "file", "call", "dotcall", "sig", "semi", "bigo", "assert")
_CODE_WEAK = ("snake", "camel", "path", "named")
_MATH = ("dollar", "tex", "power", "equals", "letter", "op")


def facts(view: TaskView, lexicon: Lexicon) -> list[str]:
    """Every fact of a request, without repetition, in a fixed order."""
    family = "img" if view.images else "tool" if view.tool_count else "txt"
    plain = _text_facts(view, lexicon)
    out = dict.fromkeys(_structure(view))
    if family == "img":
        out.update(dict.fromkeys("I." + f for f in plain))
        return list(out)
    out.update(dict.fromkeys(plain))
    if family == "tool":
        out.update(dict.fromkeys("T." + f for f in plain if f[:2] in _SHARED))
        out.update(dict.fromkeys(_tool_facts(view)))
    return list(out)


_SHARED = frozenset(("A.", "1.", "le", "se", "en"))


def _log2(number: int) -> int:
    return number.bit_length()


def _steps(name: str, count: int) -> list[str]:
    return [f"{name}>={step}" for step in _STEPS if count >= step]


def _structure(view: TaskView) -> list[str]:
    family = "img" if view.images else "tool" if view.tool_count else "txt"
    out = [f"family:{family}", f"form:{view.answer_form}"]
    if view.system:
        out.append("system")
    if view.answer_form == "schema":
        out += _steps("schema", view.schema_fields)
        if view.schema_fields and view.schema_enums == view.schema_fields:
            out.append("schema:enums")
        elif view.schema_enums:
            out.append("schema:some-enums")
    if view.earlier_images and not view.images:
        out.append("earlier-image")
    if view.images > 1:
        out.append("images>=2")
    if view.results or view.calls:
        out.append("loop")
    if view.after_result:
        out.append("loop:waiting")
    out += _steps("results", view.results)
    if view.user_turns > 1:
        out += [f"{family}:turns{s}" for s in _steps("", view.user_turns - 1)]
    return out


def _tool_facts(view: TaskView) -> list[str]:
    asked = {w[:5] for w in tokens(view.ask[:400]) if len(w) > 2}
    named = {w[:5] for name in view.tools for w in _split_name(name) if len(w) > 2}
    overlap = len(asked & named)
    about = len(asked & {w[:5] for w in tokens(view.tool_words) if len(w) > 3})
    matching = sum(any(w[:5] in asked for w in _split_name(name) if len(w) > 2) for name in view.tools)
    sentences = view.ask.count(". ") + view.ask.count("? ") + view.ask.count("! ") + view.ask.count("\n")
    out = ["toolcount:" + str(min(_log2(view.tool_count), 5))]
    out += _steps("overlap", overlap) or ["overlap:none"]
    out += _steps("about", about) or ["about:none"]
    out += _steps("matching", matching)
    out += _steps("sentences", sentences)
    if view.tool_count <= sum(w in view.ask.lower() for n in view.tools for w in (n.lower(),)):
        out.append("tool:named")
    return out


def _split_name(name: str) -> list[str]:
    spaced = "".join(" " + c if c.isupper() else c for c in name)
    return spaced.replace("_", " ").replace("-", " ").replace(".", " ").lower().split()


def _text_facts(view: TaskView, lexicon: Lexicon) -> list[str]:
    text = view.ask
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    first, second, last = _instruction(lines)
    out = [f"len:{min(_log2(view.length), 14)}", f"lines:{min(_log2(len(lines)), 6)}"]
    out += _ends(text, lines)
    seen = shapes.counts(text)
    for name in sorted(seen):
        out += _steps(f"x.{name}", seen[name])
    out += _gathered(seen)
    out += _lexical(first, second, last, "\n".join(lines[2:-1]) if len(lines) > 3 else "", lexicon)
    if view.system:
        for _, classes in lexicon.of_tokens(tokens(view.system)) + lexicon.of_unspaced(view.system):
            out += [f"S.{c}" for c in classes]
        out += [f"s.{w}" for w in tokens(view.system)[:40]]
    return out


def _instruction(lines: list[str]) -> tuple[str, str, str]:
    """First line, second line, last line; a long single line gives its head, nothing and its tail."""
    if not lines:
        return "", "", ""
    first = lines[0]
    if len(lines) == 1:
        return (first, "", "") if len(first) <= LINE_CHARS else (first[:160], "", first[-160:])
    second = lines[1][:LINE_CHARS] if len(lines) > 2 else ""
    return first[:LINE_CHARS], second, lines[-1][-LINE_CHARS:]


def _ends(text: str, lines: list[str]) -> list[str]:
    out = []
    stripped = text.rstrip()
    if not stripped:
        return ["empty"]
    tail = stripped[-1]
    out.append("end:" + ("?" if tail in "?？؟" else ":" if tail in ":：" else "." if tail in ".。!！" else "x"))
    if len(lines) > 1:
        head = lines[0].rstrip()[-1:]
        out.append("first:" + ("?" if head in "?？؟" else ":" if head in ":：" else "." if head in ".。!！" else "x"))
        if "\n\n" in text:
            out.append("paragraphs")
        longest = max(map(len, lines))
        out.append(f"longest:{_log2(longest)}")
        if len(lines[-1]) < 160 < longest and lines[-1].rstrip()[-1:] in "?？؟":
            out.append("passage-then-question")
        if len(lines[0]) < 160 < longest:
            out.append("instruction-then-passage")
    colon = text.find(":", 0, 160)
    if colon < 0:
        colon = text.find("：", 0, 120)
    if colon > 0:
        out.append(f"colon:{_log2(len(stripped) - colon) // 2}")
    if stripped[0].islower():
        out.append("lowercase")
    questions = sum(text.count(c) for c in "?？؟")
    return out + _steps("questions", questions)


def _gathered(seen: dict[str, int]) -> list[str]:
    code = sum(1 for name in _CODE if name in seen)
    weak = sum(1 for name in _CODE_WEAK if name in seen)
    maths = sum(1 for name in _MATH if name in seen)
    out = _steps("code-shapes", code) + _steps("code-weak", weak) + _steps("math-shapes", maths)
    if not code and not weak:
        out.append("no-code")
    if not seen["digits"]:
        out.append("no-digits")
    return out


def _lexical(first: str, second: str, last: str, body: str, lexicon: Lexicon) -> list[str]:
    out: list[str] = []
    anywhere: dict[str, int] = {}
    head = tokens(first)
    for zone, words, text in (("H", head, first), ("G", tokens(second), second), ("L", tokens(last), last)):
        for position, classes in lexicon.of_tokens(words):
            for c in classes:
                anywhere[c] = anywhere.get(c, 0) + 1
                if position == 0 and zone == "H":
                    out.append(f"1.{c}")
                if position < 12:
                    out.append(f"{zone}.{c}")
        if not text.isascii():
            for offset, classes in lexicon.of_unspaced(text):
                for c in classes:
                    anywhere[c] = anywhere.get(c, 0) + 1
                    out.append(f"{zone}.{c}")
                    if offset == 0 and zone == "H":
                        out.append(f"1.{c}")
    for c, count in anywhere.items():
        out += [f"A.{c}"] + _steps(f"A.{c}", count)[1:]
    names = sorted(anywhere, key=lambda c: (-anywhere[c], c))[:PAIRS_OF]
    out += [f"{min(a, b)}&{max(a, b)}" for i, a in enumerate(names) for b in names[i + 1 :]]
    if body:
        inside: dict[str, int] = {}
        for _, classes in lexicon.of_tokens(tokens(body)):
            for c in classes:
                inside[c] = inside.get(c, 0) + 1
        for c, count in inside.items():
            out += _steps(f"B.{c}", count)[1:]
    out += _grams(head, "w")
    out += _grams(tokens(last), "w")
    return out


def _grams(words: list[str], mark: str) -> list[str]:
    words = ["#" if w[0].isdigit() else w for w in words[:40]]
    out = [f"{mark}.{w}" for w in words]
    out += [f"{mark}.{a} {b}" for a, b in zip(words, words[1:])]
    if words:
        out.append(f"1{mark}.{words[0]}")
        out.append(f"1{mark}.{' '.join(words[:2])}")
    return out


def follows_up(view: TaskView, lexicon: Lexicon) -> bool:
    """Whether the request only continues the turn before it ("and with interest?") and says nothing of its own."""
    if not view.earlier or view.images or view.length > 90:
        return False
    words = tokens(view.ask)
    if not words or len(words) > 14:
        return False
    found = lexicon.of_tokens(words) + lexicon.of_unspaced(view.ask)
    starts = any(position == 0 and "followup" in classes for position, classes in found)
    own = {c for position, classes in found for c in classes if c in _OWN_TASK}
    return starts and not own


_OWN_TASK = frozenset(
    ("translate", "summarise", "extract", "classify", "codeverb", "codeobj", "lang", "lib", "writingobj", "smalltalk", "puzzle")
)
