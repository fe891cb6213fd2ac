"""Word classes: which kinds of words (verbs of translating, units, libraries, …) a text contains, in some twenty languages.

The words are data (`lexicon.txt`). Languages that space their words are matched token by token: exact words, phrases of two
or three tokens, and stems (`summar*`). Chinese, Japanese, Korean and Thai are matched as substrings through an index of
first characters. Both cost one dictionary look-up per token or character.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from importlib import resources

STEM = 4
_INTO = frozenset(("to", "into", "ins", "auf", "al", "para", "naar", "na", "на", "till", "ke", "sang"))
_IN = frozenset(("in", "en", "em", "w", "po", "по", "på"))
_THE = frozenset(("the", "o", "l", "het", "el"))
# Letters, marks and digits of the scripts that space their words, without their punctuation (¿ « × ، ؟ ।).
_TOKEN = re.compile(
    r"[0-9a-z_\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u0300-\u060b\u0610-\u061a\u0620-\u0963\u0966-\u0dff\u1e00-\u1fff]+"
)
_ASCII_TOKEN = "".join(chr(i).lower() if chr(i).isalnum() or chr(i) == "_" else " " for i in range(128))
"""What each ASCII character is in a token; those between tokens are spaces."""
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]+")

Classes = tuple[str, ...]
Found = list[tuple[int, Classes]]
Line = tuple[tuple[str, ...], tuple[tuple[int, Classes], ...]]
"""The tokens of an instruction, and what is known of it by position."""
_KEPT = 64
"""What stands in front of a colon and asks something is read again as an instruction; what comes again later, others
remember."""


def tokens(text: str) -> list[str]:
    """Lower-cased words, numbers and identifiers of a text, in order."""
    return text.translate(_ASCII_TOKEN).split() if text.isascii() else _TOKEN.findall(text.lower())


def _aim(words: list[str], position: int) -> str:
    """A language to put something into ("to French"), to be used ("in French"), or merely spoken of ("the French")."""
    before = words[position - 1] if position else ""
    if before in _THE and position > 1:
        before = words[position - 2]
    return "langto" if before in _INTO else "langin" if before in _IN else ""


def _told(classes: Classes, aim: str) -> Classes:
    """The classes of a word of an instruction; `aim` is what it is there for if it names a language."""
    aims = (aim,) if aim and "language" in classes else ()
    return (*[c for c in classes if c != "followup"], *aims)


def is_unspaced(text: str) -> bool:
    """Whether a text is (partly) in a script that does not space its words."""
    return not text.isascii() and _UNSPACED.search(text) is not None


class Lexicon:
    """The word classes, indexed for matching."""

    def __init__(self, source: str) -> None:
        exact: dict[str, set[str]] = {}
        stems: dict[str, dict[str, set[str]]] = {}
        unspaced: dict[str, dict[str, set[str]]] = {}
        for name, word in _entries(source):
            if _UNSPACED.search(word):
                unspaced.setdefault(word[:2], {}).setdefault(word, set()).add(name)
            elif word.endswith("*"):
                stems.setdefault(word[:STEM], {}).setdefault(word[:-1], set()).add(name)
            else:
                exact.setdefault(word, set()).add(name)
        self._seconds: dict[str, set[str]] = {}
        for first, second, *_ in [word.split("_") for word in exact if "_" in word]:
            self._seconds.setdefault(first, set()).add(second)
        self._exact = {w: tuple(sorted(c)) for w, c in exact.items()}
        self._stems = {k: tuple((w, tuple(sorted(c))) for w, c in v.items()) for k, v in stems.items()}
        self._unspaced = {k: tuple((w, tuple(sorted(c))) for w, c in v.items()) for k, v in unspaced.items()}
        every = {c for groups in (self._stems, self._unspaced) for group in groups.values() for _, c in group}
        self._odd = frozenset(
            [c for c in every.union(self._exact.values()) if "language" in c or "followup" in c]
        )
        self.read = lru_cache(_KEPT)(self._read)

    @classmethod
    def load(cls) -> Lexicon:
        """The packaged lexicon."""
        return cls(resources.files(__package__).joinpath("lexicon.txt").read_text(encoding="utf-8"))

    def _read(self, text: str) -> Line:
        """A line of an instruction: of a language also what it is there for, nothing of following up."""
        words, odd = tokens(text), self._odd
        found = [(at, c if c not in odd else _told(c, _aim(words, at))) for at, c in self.of_tokens(words)]
        if not text.isascii():
            found += [(at, c if c not in odd else _told(c, "langto")) for at, c in self.of_unspaced(text)]
        return tuple(words), tuple(found)

    def of_tokens(self, words: list[str]) -> Found:
        """(position, classes) of every token, or phrase starting there, that some class knows."""
        found: Found = []
        exact, stems, seconds = self._exact, self._stems, self._seconds
        end = len(words)
        for position, word in enumerate(words):
            if word in exact:
                found.append((position, exact[word]))
            start = word[:STEM]
            if start in stems:
                found.extend((position, c) for stem, c in stems[start] if word.startswith(stem))
            if word in seconds and position + 1 < end and words[position + 1] in seconds[word]:
                pair = f"{word}_{words[position + 1]}"
                phrases = (pair, f"{pair}_{words[position + 2]}") if position + 2 < end else (pair,)
                found += [(position, exact[phrase]) for phrase in phrases if phrase in exact]
        return found

    def of_unspaced(self, text: str) -> Found:
        """(character offset, classes) of every Chinese, Japanese, Korean or Thai entry in the text."""
        found: Found = []
        if text.isascii():
            return found
        index = self._unspaced
        for run in _UNSPACED.finditer(text):
            start = run.start()
            part = run.group()
            for offset in range(len(part)):
                for key in (part[offset : offset + 2], part[offset]):
                    for word, classes in index.get(key, ()):
                        if part.startswith(word, offset):
                            found.append((start + offset, classes))
        return found


def _entries(source: str) -> Iterable[tuple[str, str]]:
    name = ""
    for line in source.splitlines():
        if line.startswith("["):
            name = line.strip("[] ")
        elif not line.startswith("#"):
            for word in line.lower().split():
                yield name, word.replace("_", " ").strip().replace(" ", "_")
