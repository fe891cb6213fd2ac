"""Facts are found by short cuts; each must find what the long way finds."""

from __future__ import annotations

import random
import re
from collections import Counter
from functools import cache
from importlib import resources
from itertools import chain
from typing import Any

import pytest

from proxy.routing import shapes
from proxy.routing.difficulty import difficulty
from proxy.routing.features import facts, groups
from proxy.routing.lexicon import Lexicon, tokens
from proxy.routing.view import read
from proxy.routing.weights import Weights, parse
from tests.routing import handmade

TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "Weather of a city"}}]
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


@cache
def bodies() -> tuple[dict[str, Any], ...]:
    """The hand-written requests, as they are and with what makes facts of another kind."""
    every = [body for *_, body in handmade.rows()]
    plain = [body for body in every if "messages" in body]
    told = [{"role": "system", "content": "Translate the text into French. You are a translator."}]
    with_system = [{**body, "messages": [*told, *body["messages"]]} for body in plain]
    with_tools = [{**body, "tools": TOOLS} for body in plain]
    with_image = [
        {**body, "messages": [*body["messages"], {"role": "user", "content": [IMAGE]}]} for body in plain
    ]
    return (*every, *with_system, *with_tools, *with_image)


@cache
def lexicon() -> Lexicon:
    return Lexicon.load()


@cache
def weights() -> Weights:
    room = resources.files("proxy.routing")
    words = room.joinpath("lexicon.txt").read_text(encoding="utf-8")
    return parse(room.joinpath("weights.bin").read_bytes(), words)


def test_a_remembered_group_holds_what_no_other_does():
    """What a tuple says is added up apart from the rest, so nothing in one may stand in it twice, or anywhere else."""
    for body in bodies():
        found = groups(read(body), lexicon())
        everywhere = Counter(chain.from_iterable(found))
        for group in found:
            if isinstance(group, tuple):
                assert all(everywhere[fact] == 1 for fact in group), body


def test_groups_weigh_what_all_facts_weigh():
    """The sum over remembered groups and the rest is the sum over the facts of the request, each once."""
    for body in bodies():
        view = read(body)
        found = groups(view, lexicon())
        parts = [group for group in found if isinstance(group, tuple)]
        parts.append(tuple(dict.fromkeys(chain.from_iterable(g for g in found if isinstance(g, list)))))
        weighed = [weights().weigh(part) for part in parts]
        together = sum(packed for packed, _ in weighed), sum(known for _, known in weighed)
        assert together == weights().weigh(facts(view, lexicon())), body


@pytest.mark.parametrize("seed", range(20))
def test_tokens_of_ascii_are_those_of_any_text(seed: int):
    """Behind a letter that is not ASCII the same text is read by the pattern for all scripts."""
    rng = random.Random(seed)
    text = "".join(chr(rng.randrange(128)) for _ in range(400))
    assert tokens(text) == tokens(f"é {text}")[1:]


@pytest.mark.parametrize("literal", shapes._LITERALS)
def test_every_literal_is_found_wherever_it_stands(literal: tuple[str, str]):
    """It stands in a group that is only looked through where a sign of it is there."""
    text, name = literal
    without = shapes.counts("qu qu").get(name, 0)
    assert without == 0
    for around in ("{}", "qu {} qu", "qué {} qu"):
        assert shapes.counts(around.format(text)).get(name, 0) >= 1


def test_every_literal_is_counted_wherever_and_however_often_it_stands():
    """Words are searched backwards by one pattern, which counts as `str.count` does as long as none ends with another."""
    rng = random.Random(5)
    fillers = ("", " ", "x", "ab ", "po", "\n", "  ")
    words = [(text, name) for text, name in shapes._LITERALS if text[::-1] in shapes._WORDS]
    assert len(words) > 15
    assert not [(a, b) for a, _ in words for b, _ in words if a != b and a.endswith(b)]
    for _ in range(2_000):
        text = "".join(
            rng.choice(fillers) + rng.choice(words)[0] + rng.choice(fillers)
            for _ in range(rng.randrange(1, 9))
        )
        wanted: Counter[str] = Counter()
        for literal, name in shapes._LITERALS:
            wanted[name] += text.count(literal)
        found = shapes.counts(text)
        assert {name: found.get(name, 0) for name in wanted} == wanted, repr(text)


@pytest.mark.parametrize("seed", range(20))
def test_a_word_before_a_colon_is_the_one_a_pattern_finds(seed: int):
    """Words, numbers, brackets and spaces of all kinds before up to twenty colons: what speaks for a mark is the same."""
    rng = random.Random(seed)
    pattern = re.compile(r"([^\W\d_]+)\s?\d{0,2}[\])]?\s?$")
    pieces = (
        "Context", "labels", "Review", "답변", "antwort", "x" * 19, " ", "  ", "\n", "\t", "1", "12", "123", "²", "_", ")", "]", ",", "é", "Q",
    )  # fmt: skip
    for _ in range(300):
        text = ":".join("".join(rng.choices(pieces, k=rng.randrange(5))) for _ in range(rng.randrange(1, 20)))
        wanted: Counter[str] = Counter()
        for at in [i for i, c in enumerate(text) if c == ":"]:
            match = pattern.search(text, max(0, at - 20), at)
            mark = shapes._MARKED.get(match.group(1).lower()) if match is not None else None
            if mark is not None:
                wanted[mark] += 1
        found = shapes.counts(text)
        assert {mark: found.get(mark, 0) for mark in shapes._MARKED.values()} == {
            mark: wanted[mark] for mark in shapes._MARKED.values()
        }, repr(text)


def facts_of(text: str, **more: Any) -> list[str]:
    return facts(read({"messages": [{"role": "user", "content": text}], **more}), lexicon())


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("He said «that is quite long enough» to us", "x.quote>=1"),
        ("Compute 3 × 4 now", "x.op>=1"),
        ("Compute 9 ÷ 3 now", "x.op>=1"),
        ("Is x² even?", "x.power>=1"),
        ("Is «this was a very good film indeed» positive or negative?", "payload"),
        ("你好吗？真的吗？", "questions>=2"),
        ("翻译成法语：今天天气很好，我们去公园散步吧", "A.langto"),
        ("Translate into French: good morning to all of you", "A.langto"),
        ("Explain in French why the sky is blue", "A.langin"),
    ],
)
def test_what_a_short_cut_passes_over_in_ascii_is_found_beyond_it(text: str, fact: str):
    """Most short cuts look whether a text is ASCII, or has a sign: other quotes, operators, question marks and languages."""
    assert fact in facts_of(text)


def test_following_up_is_no_fact_about_an_instruction():
    """It is asked of the turn before (`follows_up`), and says nothing of what is wanted."""
    for text in ("And what about Spanish?", "and the same for the second one, step by step", "那呢？继续"):
        assert not [fact for fact in facts_of(text) if "followup" in fact]


def test_options_under_a_puzzle_are_a_puzzles_wherever_its_words_stand():
    """Words of the material count as those of the instruction do."""
    options = "\n".join(f"{letter}) Somebody else did it" for letter in "ABCD")
    told = (
        "Each of them tells either the truth or lies, knights always tell the truth and knaves always lie. "
        * 8
    )
    assert "options:puzzle" in facts_of(f"Read this.\n{told}\n{options}\nWhich one?")
    passage = (
        "The harbour was quiet in the evening and the boats came home one after the other in the rain. " * 8
    )
    assert "options:passage" in facts_of(f"Read this.\n{passage}\n{options}\nWhich one?")


@pytest.mark.parametrize(
    ("task", "text", "level"),
    [
        ("math", "PROVE THAT THE POLYNOMIAL IS DIVISIBLE BY THREE", "hard"),
        ("math", "İNTEGRAL VE MATRİX HESAPLA", "hard"),
        ("math", "Dıfferentıal denklemi çöz", "medium"),
        ("math", "ДОКАЖИ, что сумма чётна", "medium"),
        ("code", "FIND THE RACE CONDITION AND THE DEADLOCK", "hard"),
        ("code", "ARCHİTECTURE und MİCROSERVİCE", "hard"),
    ],
)
def test_how_hard_it_is_does_not_depend_on_case(task: str, text: str, level: str):
    """Nor on which i a Turkish keyboard writes."""
    view = read({"messages": [{"role": "user", "content": text}]})
    assert difficulty(task, view) == level
