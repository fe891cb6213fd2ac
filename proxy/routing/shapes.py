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

_BySign = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


def _by_sign(literals: Iterable[tuple[str, str]], signs: Iterable[str]) -> _BySign:
    """Literals with their names, those together that cannot be there without the same sign."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for pair in literals:
        sign = next((sign for sign in signs if sign in pair[0]), "")
        groups.setdefault(sign, []).append(pair)
    return tuple([(sign, tuple(group)) for sign, group in groups.items()])


# Words with the space behind them are looked for in the text turned round: a space is what the engine can look ahead for.
_WORDS = {
    literal[::-1]: name
    for literal, name in _LITERALS
    if literal.endswith(" ") and not any(sign in literal for sign in _SIGNS)
}
_words_in = re.compile("|".join(map(re.escape, _WORDS))).findall
_LITERALS_BY_SIGN = _by_sign([pair for pair in _LITERALS if pair[0][::-1] not in _WORDS], _SIGNS)
_FILE = re.compile(
    r"\.(?:py|js|ts|tsx|jsx|java|cpp|cc|hpp|cs|go|rs|rb|php|sh|sql|html|css|yml|yaml|toml|ini|cfg|ipynb|kt|swift|scala|vue|tf|csv|xlsx|json|log|so|exe)\b"
)
_TAG = re.compile(
    r"</?(?:div|html|head|body|p|a|span|script|style|table|tr|td|ul|li|h\d|img|button|form|input|title|mask)\b"
)
_SPECIAL = re.compile(r"<\|?[A-Za-z_]{3,20}\|?>")
_SNAKE = re.compile(r"[a-z]_[a-z0-9]{2}")
_HUMP = re.compile(r"[a-z][A-Z][a-z]")
_CAPITAL_INSIDE = re.compile(r"[A-Z](?<=[a-z].)")
_ASSIGN = re.compile(r"^[ \t]{0,8}[a-z_]\w{0,20} = ", re.MULTILINE)
_SELECT = re.compile(r"\bselect\b.{1,160}\bfrom\b", re.DOTALL)

_DOLLARS = re.compile(r"\$[^$\n]{1,80}\$")
_TEX = re.compile(
    r"\\(?:frac|sqrt|int|sum|lim|pi|theta|alpha|cdot|times|math|text|left|begin|angle|triangle|over|leq|geq|le|ge|circ|log|sin|cos|infty|partial|\[|\()"
)
_POWER = re.compile(r"[\^√∫∑π≤≥×÷∞±∠°²³]")
_EQUALS = re.compile(r"=\s?(?:-?[\d(]|[?？]|[a-z]\b|$)", re.MULTILINE)
_OPERATION = re.compile(r"\d\s?[+*×÷]\s?[(-]?\s?\d|\d \s?[-−–/] \s?\d|\)\s?[-+*/]\s?\(")
_COEFFICIENT = re.compile(r"\b\d{1,4}[xyzn]\b")
_FRACTION = re.compile(r"\b\d{1,3}/\d{1,3}\b")
_MONEY_BEFORE = re.compile(r"[$€£¥₹]\s?\d")
_MONEY_AFTER = re.compile(r"\d\s?(?:€|₽|元|円|원|zł)")
_UNIT = re.compile(
    r"\d\s?(?:km|kg|cm|mm|ml|mph|m/s|mol|Hz|kHz|nm|eV|kJ|kW|°C|K\b|N\b|J\b|V\b|W\b|Ω|小时|分钟|公里|千米|米|颗|本|支|个|只|人|天|岁|時間|分|円|個|枚|歳|개|명|시간|분|살|권)"
)
# What stands before a name or a number is looked at behind its first character, by which alone the engine can look ahead.
_NAME = re.compile(r"[A-ZÀ-ÖØ-ÞА-Я](?<!\w.)[a-zà-öø-ÿа-яё]{1,14}\b")
_FROM_NUMBER = re.compile(r"\d[^\n]{0,14}")
NUMBER = re.compile(r"\d(?<![A-Za-z_\d.,].)[\d.,]*")
_WORDS_WANTED = re.compile(
    r"\d{2,4}[- ]?(?:words?|wörter|mots|palabras|palavras|parole|woorden|słów|слов|kelime|字|文字|자)"
)
_DATE = re.compile(r"\b(?:\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{2,4})\b")

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
_EITHER = re.compile(
    r" (?:or|oder|ou|o|of|или|lub|veya|أو|या) (?:not |no |kein |non )?[\"'“]?[\w-]{2,24}[\"'”]?\s*(?:[.?:)]|$)",
    re.MULTILINE,
)
_TRIPLE = re.compile(
    r", [\"'“]?[\w-]{2,24}[\"'”]?,? (?:and|or|und|oder|et|ou|y|o|e|и|или|lub|i|veya|ve) [\"'“]?\w"
)
_SLASHES = re.compile(r"/ ?\w{2,16} ?/ ?\w{2,16}\b|[(（]\w{2,16} ?[/|、] ?\w{2,16}[)）]")
_ONLY = (
    "only the", "only with", "only output", "only answer", "only json", "just the", "with only", "with just", "with exactly", "either ", "one word",
    "single word", "nothing else", "nur ", "seulement", "uniquement", "solo ", "sólo ", "apenas ", "только", "tylko", "sadece", "alleen", "只回答",
    "只输出", "只返回", "のみ", "label only", "number only",
)  # fmt: skip
_ONLY_BY_SIGN = _by_sign([(literal, "only") for literal in _ONLY], ("only", "just", "word", *"xqóт只の"))
_BLANKS = ("___", "[MASK]", "<mask>", "( )", "(  )", "（ ）", "（）")
_BLANKS_BY_SIGN = _by_sign([(literal, "blank") for literal in _BLANKS], "_[<(（")
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
    if digits:
        _numbers(text, found)
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


def _note_present(found: dict[str, int], text: str, literals: _BySign) -> None:
    """How many of the literals there are, once each."""
    for sign, group in literals:
        if sign in text:
            for literal, name in group:
                if literal in text:
                    found[name] = found.get(name, 0) + 1


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
        _note(found, "special", len(_SPECIAL.findall(text)))
    if "_" in text:
        _note(found, "snake", len(_SNAKE.findall(text)))
    if " = " in text:
        _note(found, "assign", len(_ASSIGN.findall(text)))
    if _CAPITAL_INSIDE.search(text) is not None:
        _note(found, "camel", len(_HUMP.findall(text)))
    lowered = text.lower()
    if "select" in lowered and "from" in lowered:
        _note(found, "sql", len(_SELECT.findall(lowered)))
    _note_present(found, lowered, _ONLY_BY_SIGN)


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


def _numbers(text: str, found: dict[str, int]) -> None:
    """What stands after numbers: operators, units, currencies. Only those stretches are looked at."""
    near = "\n".join(_FROM_NUMBER.findall(text))
    if "+" in near or "-" in near or "*" in near or "/" in near or not near.isascii():
        _note(found, "op", len(_OPERATION.findall(near)))
    _note(found, "letter", len(_COEFFICIENT.findall(near)))
    if "$" in text or not text.isascii():
        _note(found, "money", len(_MONEY_AFTER.findall(near)) + len(_MONEY_BEFORE.findall(text)))
    _note(found, "percent", near.count("%") + near.count("％"))
    _note(found, "unitnum", len(_UNIT.findall(near)))
    _note(found, "words", len(_WORDS_WANTED.findall(near)))
    if "/" in near:
        _note(found, "fraction", len(_FRACTION.findall(near)))
    if "-" in near or "/" in near or "." in near:
        _note(found, "date", len(_DATE.findall(near)))


def _layout(text: str, found: dict[str, int]) -> None:
    _marks(text, found)
    if "put" in text or "Constraints" in text:
        _note(found, "contest", len(_CONTEST.findall(text)))
    _note(found, "either", len(_EITHER.findall(text)))
    if ", " in text:
        _note(found, "triple", len(_TRIPLE.findall(text)))
    if "/" in text:
        _note(found, "slashes", len(_SLASHES.findall(text)))
    _note_present(found, text, _BLANKS_BY_SIGN)
    if '"' in text or not text.isascii():
        _note(found, "quote", len(_QUOTE.findall(text)))
    _note(found, "mail", text.count("@"))
    _note(found, "url", text.count("://"))


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
