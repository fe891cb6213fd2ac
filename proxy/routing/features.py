"""A request's view turned into a list of named facts: the only thing the weights know.

Facts are names, not numbers (`len:6`, `A.translate`, `x.dollar>=2`), so a verdict can be explained by listing them and a sum
over weights needs no multiplication. Requests with an image have facts of their own (`I.`): what means "easy" about a text
means something else about a picture. Requests with tools have both the plain facts and `T.` ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

from proxy.routing import shapes
from proxy.routing.instruction import ASKS, Instruction, split
from proxy.routing.lexicon import Lexicon, tokens
from proxy.routing.view import TaskView
from proxy.routing.wording import SETS_TASK, material, steps, system_wording, wording

SYSTEM_TASK_CHARS = 700
SHORT_CHARS, MIDDLING_CHARS, LONG_OPTIONS_CHARS = 450, 1100, 700
TOOL_ASK_CHARS = 400
BARE_SUM_CHARS = 60
_ENVIRONMENT = frozenset((
    "click", "scroll", "browse", "navigate", "screenshot", "url", "type", "press", "bash", "shell", "exec", "execute", "run", "terminal",
    "command", "edit", "file", "files", "grep", "kubectl", "logs", "promql", "sql", "query", "python", "repo", "git", "commit", "patch",
    "submit", "finish", "answer", "think", "note", "notes", "page", "fill", "str", "ls", "cat", "pytest", "tests", "deploy", "view",
))  # fmt: skip
_CODE = frozenset((
    "fence", "py", "c", "js", "html", "sql", "trace", "shell", "file", "call", "dotcall", "sig", "semi", "bigo", "assert",
))  # fmt: skip
_LIKE_CODE = _CODE | {"path", "named"}
_MATH = frozenset(("dollar", "tex", "power", "equals", "op"))
_SHARED = frozenset(("A.", "1.", "F.", "S.", "le", "se", "en", "sy", "ba"))
_CODE_WORDS = frozenset(("A.codeobj", "A.codeverb", "A.lang", "A.lib"))
_MATH_WORDS = frozenset(("A.mathverb", "A.quantity", "A.mathnoun"))
_TASK_WORDS = _CODE_WORDS | frozenset((
    "A.translate", "A.langto", "A.summarise", "A.extract", "A.classify", "A.rewrite", "A.writingobj", "A.roleplay", "A.brainstorm",
    "A.mathverb", "A.puzzle", "A.plan", "A.create", "A.docnoun",
))  # fmt: skip
_TARGETS = frozenset(("A.langto", "A.langin"))
_PUZZLING = frozenset(("B.puzzle>=2", "A.puzzle", "A.puzzle>=2", "A.plan", "B.plan>=2"))


Group = Sequence[str]
"""Some facts of a request. A tuple is remembered with an instruction or a system prompt, and comes again with it."""


def facts(view: TaskView, lexicon: Lexicon) -> list[str]:
    """Every fact of a request, without repetition, in a fixed order."""
    return list(dict.fromkeys(chain.from_iterable(groups(view, lexicon))))


def groups(view: TaskView, lexicon: Lexicon) -> list[Group]:
    """The same in parts. Nothing in a tuple is repeated, in it or elsewhere; lists may repeat each other."""
    said = _text(view, lexicon)
    if view.images:
        return [_structure(view), ["I." + fact for fact in chain.from_iterable(said)]]
    if not view.tool_count:
        return [_structure(view), *said]
    shared = ["T." + fact for fact in chain.from_iterable(said) if fact[:2] in _SHARED]
    return [_structure(view), *said, shared, _tools(view, lexicon)]


def _structure(view: TaskView) -> list[str]:
    family = "img" if view.images else "tool" if view.tool_count else "txt"
    out = [f"family:{family}", f"form:{view.answer_form}"]
    if view.system:
        out.append("system")
    if view.answer_form == "schema":
        out += _schema(view)
    if view.earlier_images and not view.images:
        out.append("earlier-image")
    if view.images > 1:
        out.append("images>=2")
    if view.results or view.calls:
        out += ["loop", "loop:waiting" if view.after_result else "loop:asked"]
    elif view.after_result:
        out.append("loop:waiting")
    out += steps("results", view.results)
    return out + steps(f"{family}:turns", view.user_turns - 1)


def _schema(view: TaskView) -> list[str]:
    out = steps("schema", view.schema_fields)
    if view.schema_fields >= 3 and view.ask.rstrip()[-1:] not in ASKS:
        out.append("schema:filled")
    if view.schema_enums:
        out.append("schema:enums" if view.schema_enums == view.schema_fields else "schema:some-enums")
    return out


def _tools(view: TaskView, lexicon: Lexicon) -> list[str]:
    """How the request relates to the tools it carries; offering tools decides nothing by itself."""
    ask = view.ask[:TOOL_ASK_CHARS]
    said, offered = tokens(ask), tokens(view.tool_words.replace("_", " "))
    asked = {word[:5] for word in said if len(word) > 2}
    names = [{word[:5] for word in _split_name(name) if len(word) > 2} for name in view.tools]
    overlap = len(asked & set().union(*names)) if names else 0
    about = len(asked & {word[:5] for word in offered if len(word) > 3})
    topics = len(_topics(offered, view.tool_words, lexicon) & _topics(said, ask, lexicon))
    out = ["toolcount:" + str(min(view.tool_count.bit_length(), 5))]
    operated = sum(not _ENVIRONMENT.isdisjoint(_split_name(name)) for name in view.tools)
    if operated > 1:
        out += ["environment", "environment:most"][: 1 + (operated * 2 > len(names))]
    else:
        out.append("related" if overlap or topics else "related:loosely" if about else "unrelated")
    out += steps("topics", topics)
    out += steps("overlap", overlap) or ["overlap:none"]
    out += steps("about", about) or ["about:none"]
    out += steps("matching", sum(not asked.isdisjoint(name) for name in names))
    return out + steps("sentences", sum(ask.count(mark) for mark in (". ", "? ", "! ", "\n", "。")))


def _topics(words: list[str], text: str, lexicon: Lexicon) -> set[str]:
    found = lexicon.of_tokens(words) + lexicon.of_unspaced(text)
    return {c for _, classes in found for c in classes if c.startswith("t_")}


def _split_name(name: str) -> list[str]:
    spaced = "".join(" " + c if c.isupper() else c for c in name)
    return spaced.replace("_", " ").replace("-", " ").replace(".", " ").lower().split()


def _text(view: TaskView, lexicon: Lexicon) -> list[Group]:
    system = system_wording(view, lexicon) if view.system else ()
    size = f"len:{min(view.length.bit_length(), 14)}"
    if not view.tool_count and view.system_length < SYSTEM_TASK_CHARS and not SETS_TASK.isdisjoint(system):
        # The user's message is the material: what it says must not vote.
        return [system, ["system-sets-task", size]]
    said = split(view.ask, lexicon)
    seen = shapes.counts(view.ask)
    if said.prose:
        seen["prose-digits"] = seen["digits"]
        outside = " ".join(line for line in said.lines if line is not said.prose)
        seen["digits"] = len(shapes.NUMBER.findall(outside))
    ending = _ending(view.ask.rstrip())
    out = [size, f"lines:{min(len(said.lines).bit_length(), 6)}", f"end:{ending}"]
    out += _layout(view, said)
    for name, count in sorted(seen.items()):
        out += _shape_steps(name, count)
    out += _gathered(seen)
    out += _setup(view, said, seen["digits"])
    words, about = wording(said, lexicon), material(said, lexicon)
    known = words.anywhere
    more = _absent(
        seen, known, settled=bool(said.prose) or view.answer_form == "schema" or "S:context" in system
    )
    more.append(f"{words.leads}|{ending}")
    if seen["digits"] > 1 and ("op" in seen or "equals" in seen) and view.length < BARE_SUM_CHARS:
        more.append("bare-sum")
    if "A.quantity" in known:
        more.append(f"quantity:{min(seen['digits'], 3)}")
    if said.prose and "A.docnoun" in known:
        more.append("prose:spoken-of")
    coded = "A.lang" in known or ("A.codeobj" in known and "code-shapes>=2" in out)
    if coded and "A.translate" in known and known.isdisjoint(_TARGETS):
        more.append("translate:code")
    if "option" in seen:
        puzzling = not (_PUZZLING.isdisjoint(known) and _PUZZLING.isdisjoint(about))
        more += _options(view, seen, puzzling)
    return [out, words.facts, about, more, system]


@lru_cache(1024)
def _shape_steps(name: str, count: int) -> tuple[str, ...]:
    return tuple(steps(f"x.{name}", count))


def _ending(text: str) -> str:
    last = text[-1:]
    return (
        "none"
        if not last
        else "?"
        if last in ASKS
        else ":"
        if last in ":："
        else "."
        if last in ".。!！"
        else "x"
    )


def _layout(view: TaskView, said: Instruction) -> list[str]:
    out = []
    lines, text = said.lines, view.ask
    if said.cued:
        out.append("answer-cue")
    if said.inside:
        out += ["payload", f"payload:{min(len(said.inside).bit_length(), 9)}"]
    if said.quoted:
        out.append("payload:last")
    if len(lines) > 1:
        out.append(f"first:{_ending(lines[0].rstrip())}")
        if "\n\n" in text:
            out.append("paragraphs")
        longest = max(map(len, lines))
        out.append(f"longest:{longest.bit_length()}")
        out += _around_prose(said)
        if len(lines[-1]) < 160 < longest and lines[-1].rstrip()[-1:] in ASKS:
            out.append("passage-then-question")
        if len(lines[0]) < 160 < longest:
            out.append("instruction-then-passage")
    colon = max(text.find(":", 0, 160), text.find("：", 0, 120))
    if colon > 0:
        out.append(f"colon:{(len(text.rstrip()) - colon).bit_length() // 2}")
    if text[:1].islower():
        out.append("lowercase")
    return out + steps("questions", sum(map(text.count, ASKS)))


def _around_prose(said: Instruction) -> list[str]:
    if not said.prose:
        return []
    out = ["prose"]
    first, last = said.lines[0], said.lines[-1]
    if last is not said.prose and len(last) < 200:
        out.append("prose:asked-last" if last.rstrip()[-1:] in ASKS else "prose:said-last")
    if first is not said.prose and len(first) < 200:
        out.append("prose:asked-first")
    return out


def _setup(view: TaskView, said: Instruction, digits: int) -> list[str]:
    """Statements that end in a question: a word problem when there are numbers, a puzzle or a passage when there are none."""
    text = view.ask.rstrip()
    if text[-1:] not in ASKS and not (said.lines and said.lines[-1].rstrip()[-1:] in ASKS):
        return []
    statements = sum(text.count(mark) for mark in (". ", "。", ".\n", "।", "! "))
    if not statements:
        return [f"bare-question:{min(view.length.bit_length(), 8)}"]
    size = "short" if view.length < SHORT_CHARS else "mid" if view.length < MIDDLING_CHARS else "long"
    return [f"setup:{size}:{min(digits, 3)}", f"setup:{size}", f"setup>={min(statements, 4)}"]


def _gathered(seen: dict[str, int]) -> list[str]:
    code, maths = _CODE.intersection(seen), _MATH.intersection(seen)
    return steps("code-shapes", len(code)) + steps("math-shapes", len(maths))


def _absent(seen: dict[str, int], known: frozenset[str], *, settled: bool) -> list[str]:
    """Nothing of code, nothing of numbers: said only when no word speaks for them either."""
    out = []
    if _CODE_WORDS.isdisjoint(known) and _LIKE_CODE.isdisjoint(seen):
        out.append("no-code")
    if not seen["digits"] and _MATH_WORDS.isdisjoint(known):
        out.append("no-digits")
    if not settled and _TASK_WORDS.isdisjoint(known) and _MATH.isdisjoint(seen):
        out.append("no-task-words")
    return out


def _options(view: TaskView, seen: dict[str, int], puzzling: bool) -> list[str]:
    """Lettered answers to choose from stand under sums, puzzles and passages alike."""
    maths = seen["digits"] > 5 or not _MATH.isdisjoint(seen)
    out = [
        f"options:len{min(view.length.bit_length(), 12)}",
        f"options:digits{min(seen['digits'].bit_length(), 4)}",
    ]
    out.append("options:maths" if maths else "options:words")
    if view.length > LONG_OPTIONS_CHARS and not maths:
        out.append("options:puzzle" if puzzling else "options:passage")
    return out
