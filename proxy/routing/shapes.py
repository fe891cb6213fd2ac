"""What a text looks like, whatever it is about: code, formulas, options, labels, passages, questions.

`counts` runs on every request, so it is built from substring tests and short patterns that start with a literal or a digit
and are only tried when that character occurs at all. Nothing repeats inside a repetition and every gap is bounded: a
hostile prompt costs what an ordinary long one costs. Texts are clipped before they get here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_CALL_NAMES = {"print": "py", "printf": "c", "println": "c", "require": "js", "len": "py", "range": "py"}
_LITERALS: tuple[tuple[str, str], ...] = (
    ("```", "fence"), ("def ", "py"), ("elif ", "py"), ("self.", "py"), ("\nimport ", "py"), ("lambda ", "py"),
    ("#include", "c"), ("std::", "c"), ("public ", "c"), ("System.", "c"), ("private ", "c"), ("void ", "c"), ("int ", "c"), ("fn ", "c"),
    ("func ", "c"), ("=>", "js"), ("console.", "js"), ("const ", "js"), ("let ", "js"), ("var ", "js"), ("function(", "js"), ("document.", "js"),
    ("CREATE TABLE", "sql"), ("INSERT INTO", "sql"), ("PRIMARY KEY", "sql"), ("JOIN ", "sql"), ("GROUP BY", "sql"), ("WHERE ", "sql"),
    ("Traceback", "trace"), ("Exception", "trace"), ("Error", "trace"), ("error:", "trace"), ("egmentation fault", "trace"),
    ("npm ERR", "trace"), ("undefined reference", "trace"), ("core dumped", "trace"), ("exit code", "trace"),
    ("sudo ", "shell"), ("pip install", "shell"), ("npm ", "shell"), ("docker ", "shell"), ("git ", "shell"), ("kubectl ", "shell"),
    ("\n$ ", "shell"), ("apt ", "shell"), ("chmod ", "shell"), (" --", "shell"), ("/usr/", "path"), ("/etc/", "path"), ("/var/", "path"),
    ("/home/", "path"), ("C:\\", "path"), (";\n", "semi"), ("{\n", "semi"), ("}\n", "semi"), ("C++", "named"), ("c++", "named"),
    ("C#", "named"), ("c#", "named"), (".NET", "named"), (".js ", "named"), ("assert ", "assert"), (">>> ", "assert"), ("return ", "assert"),
    (" == ", "assert"), (" != ", "assert"), ("O(n", "bigo"), ("O(1)", "bigo"), ("O(log", "bigo"),
)  # fmt: skip
_SIGNS = "`#\\{;$+=>/(:.-\nEJBT"
"""Characters that prose has few of: a literal that needs one is not looked for where it is missing."""


def _by_sign(literals: Iterable[tuple[str, str]]) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """Literals with their names, those together that cannot be there without the same sign."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for pair in literals:
        sign = next((sign for sign in _SIGNS if sign in pair[0]), "")
        groups.setdefault(sign, []).append(pair)
    return tuple([(sign, tuple(group)) for sign, group in groups.items()])


# Words with the space behind them are looked for in the text turned round: a space is what the engine can look ahead for.
_WORDS = {
    literal[::-1]: name
    for literal, name in _LITERALS
    if literal.endswith(" ") and not any(sign in literal for sign in _SIGNS)
}
_words_in = re.compile("|".join(map(re.escape, _WORDS))).findall
_LITERALS_BY_SIGN = _by_sign([pair for pair in _LITERALS if pair[0][::-1] not in _WORDS])
_FILE = re.compile(
    r"\.(?:py|js|ts|tsx|jsx|java|cpp|cc|hpp|cs|go|rs|rb|php|sh|sql|html|css|yml|yaml|toml|ini|cfg|ipynb|kt|swift|scala|vue|tf|csv|xlsx|json|log|so|exe)\b"
)
_TAG = re.compile(
    r"</?(?:div|html|head|body|p|a|span|script|style|table|tr|td|ul|li|h\d|img|button|form|input|title|mask)\b"
)
_SELECT = re.compile(r"\bselect\b.{1,160}\bfrom\b", re.DOTALL)

_DOLLARS = re.compile(r"\$[^$\n]{1,80}\$")
_TEX = re.compile(
    r"\\(?:frac|sqrt|int|sum|lim|pi|theta|alpha|cdot|times|math|text|left|begin|angle|triangle|over|leq|geq|le|ge|circ|log|sin|cos|infty|partial|\[|\()"
)
_POWER = re.compile(r"[\^√∫∑π≤≥×÷∞±∠°²³]")
_EQUALS = re.compile(r"=\s?(?:-?[\d(]|[?？]|[a-z]\b|$)", re.MULTILINE)
_OPERATION = re.compile(r"\d\s?[+*×÷]\s?[(-]?\s?\d|\d \s?[-−–/] \s?\d|\)\s?[-+*/]\s?\(")
# What stands before a name or a number is looked at behind its first character, by which alone the engine can look ahead.
_NAME = re.compile(r"[A-ZÀ-ÖØ-ÞА-Я](?<!\w.)[a-zà-öø-ÿа-яё]{1,14}\b")
NUMBER = re.compile(r"\d(?<![A-Za-z_\d.,].)[\d.,]*")

_LINES = re.compile(
    r"^[ \t]*(?:(?P<option>\(?[A-Ha-h][).:：、][ )]?\S)|(?P<bullet>[-*•]\s)|(?P<number>\(?\d{1,2}[).:）、]\s?)|(?P<ref>\[(?:\d{1,2}|[A-Z][\w ]{1,20})\])"
    r"|(?P<heading>#{1,4} )|(?P<speaker>[A-Z][\w. ]{1,24}: )|(?P<table>\|)|(?P<quoted>[\"“«「']))",
    re.MULTILINE,
)
_MARKED: dict[str, str] = {
    word: mark
    for mark, words in {
        "options": "options option choices alternatives opciones opções optionen варианты 选项 選択肢",
        "labels": "labels label categories category classes class tags intents intent topics topic kategorien kategorie catégories catégorie categorías categorias "
        "etiquetas категории метки candidates genres tones 标签 类别 分类 カテゴリ ラベル 카테고리 라벨",
        "passage": "context passage article document documents text paragraph excerpt background source sources story abstract transcript report "
        "content body contexto texto contexte texte kontext passages facts snippet chunk knowledge reference references текст контекст "
        "статья 文章 短文 材料 资料 原文 上下文 背景 本文 資料 記事 지문 본문 문맥 글",
        "question": "question q query pregunta pergunta frage domanda вопрос 问题 問題 質問 질문 문제",
        "answer": "answer response output respuesta resposta antwort réponse ответ 答案 回答 答え 답 정답",
        "sample": "review tweet comment sentence statement premise hypothesis message ticket headline utterance post email news claim rezension "
        "reseña avis satz frase phrase отзыв sentence1 sentence2 评论 句子 文本 レビュー 文 리뷰 문장",
        "input": "input inputs example examples constraints eingabe entrada 入力 输入 입력",
        "react": "thought action observation objective task goal environment url tabs instruction",
    }.items()
    for word in words.split()
}
_BEFORE_COLON = re.compile(r"([^\W\d_]+)\s?\d{0,2}[\])]?\s?$")
_QUOTE = re.compile(r"[\"“«「『‘][^\"”»」』’\n]{12}")
_CONTEST = re.compile(
    r"^[ \t]*-*(?:Sample |Standard )?(?:Input|Output|Constraints|Examples?|Note|Explanation)(?: ?\d| Format)?-*:?[ \t]*$",
    re.MULTILINE,
)
_COLONS = 24


def counts(text: str) -> dict[str, int]:
    """How often each shape occurs in a (clipped) text; `digits`, the number of numbers, is always there."""
    found: dict[str, int] = {}
    _code(text, found)
    digits = len(NUMBER.findall(text))
    _maths(text, found)
    if digits and ("-" in text or "+" in text or "/" in text or "*" in text or not text.isascii()):
        _note(found, "op", len(_OPERATION.findall(text)))
    _layout(text, found)
    for match in _LINES.finditer(text) if "\n" in text else filter(None, (_LINES.match(text),)):
        name = match.lastgroup or ""
        found[name] = found.get(name, 0) + 1
    names = _NAME.findall(text)
    if len(names) > 3 and len(set(names)) < len(names):
        _note(found, "names-again", sum(names.count(name) > 1 for name in set(names[:60])))
    found["digits"] = digits
    return found


def _note(found: dict[str, int], name: str, number: int) -> None:
    if number:
        found[name] = found.get(name, 0) + number


def _code(text: str, found: dict[str, int]) -> None:
    for sign, literals in _LITERALS_BY_SIGN:
        if sign in text:
            for literal, name in literals:
                if literal in text:
                    found[name] = found.get(name, 0) + text.count(literal)
    for word in _words_in(text[::-1]):
        found[_WORDS[word]] = found.get(_WORDS[word], 0) + 1
    if "(" in text:
        _calls(text, found)
    if "." in text:
        _note(found, "file", len(_FILE.findall(text)))
    if "<" in text:
        _note(found, "html", len(_TAG.findall(text)))
    lowered = text.lower()
    if "select" in lowered and "from" in lowered:
        _note(found, "sql", len(_SELECT.findall(lowered)))


def _calls(text: str, found: dict[str, int]) -> None:
    """Names that touch an opening bracket: `print(`, `a.sort(`, `main()`."""
    before, *after = text.split("(")
    for piece in after:
        last = before[-1:]
        if last.isalnum() or last == "_":
            name = before[-24:].split()[-1]
            kind = (
                "dotcall"
                if "." in name
                else "call"
                if piece[:1] == ")"
                else "sig"
                if "_" in name or piece[:1].islower()
                else ""
            )
            kind = _CALL_NAMES.get(name, kind)
            if kind:
                found[kind] = found.get(kind, 0) + 1
        before = piece


def _maths(text: str, found: dict[str, int]) -> None:
    if "$" in text:
        _note(found, "dollar", len(_DOLLARS.findall(text)))
    if "\\" in text:
        _note(found, "tex", len(_TEX.findall(text)))
    if "=" in text:
        _note(found, "equals", len(_EQUALS.findall(text)))
    if "**" in text:
        _note(found, "power", text.count("**"))
    if "^" in text or not text.isascii():
        _note(found, "power", len(_POWER.findall(text)))


def _layout(text: str, found: dict[str, int]) -> None:
    _marks(text, found)
    if "put" in text or "Constraints" in text:
        _note(found, "contest", len(_CONTEST.findall(text)))
    if '"' in text or not text.isascii():
        _note(found, "quote", len(_QUOTE.findall(text)))


def _marks(text: str, found: dict[str, int]) -> None:
    """Words that stand before a colon and say what follows: `Context:`, `Labels:`, `Premise:`, `Observation 2:`."""
    if "：" in text:
        text = text.replace("：", ":")
    at = text.find(":")
    for _ in range(_COLONS):
        if at < 0:
            return
        before = text[max(0, at - 20) : at]
        word = before[max(before.rfind(" "), before.rfind("\n")) + 1 :]
        if not word.isalpha():
            match = _BEFORE_COLON.search(before)
            word = match.group(1) if match is not None else ""
        mark = _MARKED.get(word.lower())
        if mark is not None:
            found[mark] = found.get(mark, 0) + 1
        at = text.find(":", at + 1)
