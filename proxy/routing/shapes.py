"""What a text looks like, whatever it is about: code, formulas, options, labels, passages, questions.

Every pattern is linear (no nested repetition, bounded gaps) and only ever sees clipped text, so a hostile prompt costs what
an ordinary long one costs.
"""

from __future__ import annotations

import re

_CODE_LINES = re.compile(
    r"(?P<fence>```)"
    r"|(?P<py>\b(?:def \w+\s?\(|class \w+\s?[(:]|import \w+(?:\.\w+)* ?(?:as \w+)?$|from [\w.]+ import|elif |self\.|print\(|lambda \w+:))"
    r"|(?P<c>#include|\b(?:int|void|string|bool|double|float|char|auto) \w+\s?[(=;\[]|std::|public (?:static|class|void|int)|printf\(|System\.out|namespace \w|\bfn \w+\(|\bfunc \w+\()"
    r"|(?P<js>\bfunction\s?\w*\(|=>|console\.log|\b(?:const|let|var) \w+ ?=|document\.\w+|require\(|\bexport (?:default|const))"
    r"|(?P<html></?(?:div|html|head|body|p|a|span|script|style|table|tr|td|ul|li|h\d|img|button|form|input|title|template|mask)\b[^<>\n]{0,80}>)"
    r"|(?P<sql>\b(?:SELECT|select)\b.{1,80}\b(?:FROM|from)\b|\bCREATE TABLE\b|\bINSERT INTO\b|\bPRIMARY KEY\b|\bJOIN\b|\bGROUP BY\b|\bcreate table\b)"
    r"|(?P<trace>Traceback \(most|\b\w{0,40}(?:Error|Exception)\b:?|\bat [\w.$]{3,60}\(|segmentation fault|exit code \d|npm ERR|undefined reference|Cannot read propert|core dumped|fatal:|errno)"
    r"|(?P<shell>(?:^|\n)\s?[$#>] ?[a-z]{2,12} |\bsudo \w|\b(?:apt|apt-get|pip|npm|docker|git|kubectl|chmod|cd|ls|grep|cat|find) (?:-\w|install|\w+\.\w+|/)| --[a-z][a-z-]{2,})"
    r"|(?P<file>\b[\w/.-]{1,60}\.(?:py|js|ts|tsx|jsx|java|cpp|cc|hpp|cs|go|rs|rb|php|sh|sql|html|css|yml|yaml|toml|ini|cfg|ipynb|kt|swift|scala|vue|lua|tf|Dockerfile|gradle|csv|xlsx|json|log|so|exe)\b)"
    r"|(?P<path>(?:~|\s)/(?:usr|etc|var|home|tmp|opt|bin|dev|mnt)/|[A-Z]:\\\\?\w)"
    r"|(?P<call>\b[a-zA-Z_][\w.]{1,40}\(\))"
    r"|(?P<dotcall>\b[a-z_]\w{1,30}\.[a-z_]\w{1,30}\()"
    r"|(?P<sig>\b[a-z]\w{0,30}(?:_\w+|[A-Z]\w+)\(\w+)"
    r"|(?P<snake>\b[a-z]{2,20}_[a-z0-9_]{2,30}\b)"
    r"|(?P<camel>\b[a-z]{2,15}[A-Z][a-z]{1,15}\w{0,20}\b)"
    r"|(?P<semi>[;{]\s*(?:$|\n))"
    r"|(?P<bigo>\bO\([n1lkNm][^)\n]{0,12}\))"
    r"|(?P<named>\b[cC]\+\+|\b[cCfF]#|\.NET\b|\b[nN]ode\.js|\b[A-Za-z]{2,12}\.js\b)"
    r"|(?P<assert>\bassert\b|\s>>> |\bdoctest|\breturn [\w\"'\[(]|[!=]=\s?[\w\"'])",
    re.MULTILINE,
)
_MATH = re.compile(
    r"(?P<dollar>\$[^$\n]{1,80}\$)"
    r"|(?P<tex>\\(?:frac|sqrt|int|sum|lim|pi|theta|alpha|cdot|times|mathbb|mathrm|text|left|begin|angle|triangle|overline|leq|geq|le|ge|circ|log|sin|cos|infty|partial|\[|\())"
    r"|(?P<power>[a-z0-9)]\s?(?:\^|\*\*)\s?[-{(\da-z]|[²³√∫∑π≤≥×÷∞±∠°])"
    r"|(?P<equals>\d\s*=\s*\??\s*$|=\s*[?？]|\d\s*[)\]]*\s*=\s*-?\d)"
    r"|(?P<letter>\b[a-zA-Z]\s?=\s?-?[\d(a-z]|\bf\(x\)|\b\d{1,4}[xyzn]\b)"
    r"|(?P<op>\d\s?[+*/×÷]\s?[(-]?\s?\d|\d \s?[-−–] \s?\d|\)\s?[-+*/]\s?\()"
    r"|(?P<money>[$€£¥₹]\s?\d|\d\s?(?:€|₽|元|円|원|zł))"
    r"|(?P<percent>\d\s?[%％])"
    r"|(?P<fraction>\b\d{1,3}/\d{1,3}\b)"
    r"|(?P<unitnum>\d\s?(?:km|kg|cm|mm|ml|mph|m/s|km/h|mol|Hz|kHz|nm|eV|kJ|kW|°C|K\b|N\b|J\b|V\b|W\b|Ω|小时|分钟|公里|千米|米|个|只|人|天|岁|時間|分|円|個|人|本|枚|歳|개|명|시간|분|살|권))"
)
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,.]*(?![\w])")
_LINES = re.compile(
    r"^[ \t]*(?:(?P<option>\(?[A-Ha-h][).:：、][ )]?\S)|(?P<bullet>[-*•]\s)|(?P<number>\(?\d{1,2}[).:）、]\s?)|(?P<ref>\[(?:\d{1,2}|[A-Z][\w ]{1,20})\])"
    r"|(?P<heading>#{1,4} )|(?P<speaker>[A-Z][\w. ]{1,24}: )|(?P<table>\|)|(?P<quoted>[\"“«「']))",
    re.MULTILINE,
)
_MARKS = re.compile(
    r"(?P<options>\b(?:options?|choices|answer choices|alternatives|opciones|opções|optionen|варианты|选项|選択肢)\s?[:：])"
    r"|(?P<labels>\b(?:labels?|categor(?:y|ies)|class(?:es)?|tags?|intents?|topics?|kategorien?|catégories|categorías|categorias|etiquetas|категории|метки|possible \w+|candidates?)\s?(?:\w{1,8}\s?)?[:：=]|(?:标签|类别|分类|カテゴリ|ラベル|카테고리|라벨)[^\n]{0,8}[:：])"
    r"|(?P<passage>\b(?:context|passage|article|document|documents|text|paragraph|excerpt|background|source|sources|story|abstract|transcript|report|content|body|contexto|texto|contexte|texte|kontext|passages|facts|snippet|chunk|knowledge|reference|references|текст|контекст|статья)\s?\d?\s?(?:\(s\))?[:：]|(?:文章|短文|材料|资料|原文|上下文|背景|本文|資料|記事|本文は|지문|본문|문맥|글)\s?[:：])"
    r"|(?P<question>(?:^|\n)\s?(?:\w{1,10} )?(?:question|q|query|user question|pregunta|pergunta|frage|domanda|вопрос|问题|問題|質問|질문|문제)\s?\d{0,2}\s?[:：.])"
    r"|(?P<answer>\b(?:answer|a|response|output|respuesta|resposta|antwort|réponse|ответ|答案|回答|答え|답|정답)\s?[:：]\s*$)"
    r"|(?P<sample>\b(?:review|tweet|comment|sentence|sentence ?[12ab]|statement|premise|hypothesis|message|ticket|headline|utterance|post|email|news|claim|rezension|reseña|avis|satz|frase|phrase|отзыв|评论|句子|文本|レビュー|文|리뷰|문장)\s?[12ab]?\s?[:：])"
    r"|(?P<input>\b(?:input|inputs|sample input|example|examples|constraints|eingabe|entrada|入力|输入|입력)\s?\d?\s?[:：])"
    r"|(?P<react>\b(?:thought|action|action input|observation|objective|task|goal|environment|current url|open tabs)\s?[:：])"
    r"|(?P<either>\b[\w-]{2,24}[\"'”]?,? (?:or|oder|ou|o|of|или|lub|veya|أو|या) (?:not |no |kein |non )?[\"'“]?[\w-]{2,24}[\"'”]?\s*(?:[.?:)]|$))"
    r"|(?P<triple>[\"'“]?\b[\w-]{2,24}[\"'”]?, [\"'“]?[\w-]{2,24}[\"'”]?,? (?:and|or|und|oder|et|ou|y|o|e|и|или|lub|i|veya|ve) [\"'“]?\w)"
    r"|(?P<slashes>\b\w{2,16} ?/ ?\w{2,16} ?/ ?\w{2,16}\b|[(（]\w{2,16} ?[/|、] ?\w{2,16}[)）])"
    r"|(?P<only>\b(?:only (?:the|output|answer|return|reply|respond|one|with|json)|(?:answer|reply|respond|return|output) (?:only|with|just|exactly|either|yes|true)|one word|single word|nothing else|nur |seulement|uniquement|solo |sólo |apenas |только|tylko|sadece|alleen)|只(?:回答|输出|返回)|のみ|만 )"
    r"|(?P<blank>_{3,}|\[MASK\]|<mask>|\(\s{1,4}\)|（\s*）)"
    r"|(?P<quote>[\"“«「『‘][^\"”»」』’\n]{12,})"
    r"|(?P<mail>[\w.+-]{1,40}@[\w-]{1,40}\.\w{2,})"
    r"|(?P<date>\b\d{4}-\d\d-\d\d\b|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b)"
    r"|(?P<url>https?://)"
    r"|(?P<words>\b\d{2,4}[- ]?(?:words?|wörter|mots|palabras|palavras|parole|woorden|słów|слов|kelime|字|文字|자)\b|\d{2,4}(?:字|文字|자))"
    r"|(?P<special><\|?[A-Za-z_]{3,20}\|?>)",
    re.IGNORECASE | re.MULTILINE,
)
_ASKS = "?？؟"
_CONTRACTED = ("json", "csv", "xml", "yaml")


def counts(text: str) -> dict[str, int]:
    """How often each shape occurs in a (clipped) text."""
    found: dict[str, int] = {}
    for pattern in (_CODE_LINES, _MATH, _LINES, _MARKS):
        for match in pattern.finditer(text):
            name = match.lastgroup
            if name is not None:
                found[name] = found.get(name, 0) + 1
    found["digits"] = len(_NUMBER.findall(text))
    return found
