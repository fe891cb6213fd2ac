"""The classifier's promises: the rules that settle cases, a hand-written set, bad input, determinism, and refusal of old weights."""

from __future__ import annotations

import json
import random
from functools import cache
from importlib import resources
from typing import Any

import pytest

from proxy.routing.classifier import Classifier, Verdict
from proxy.routing.lexicon import Lexicon
from proxy.routing.report import Scored, accuracy, macro_f1, two_class
from proxy.routing.tasks import REASONING_TASKS, TASKS
from proxy.routing.view import TaskView, read
from proxy.routing.weights import VERSION, Calibration, dump, parse
from tests.routing import handmade, hostile, unseen

WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Weather of a city", "parameters": {}},
}
WORDS = resources.files("proxy.routing").joinpath("lexicon.txt").read_text(encoding="utf-8")


@cache
def classifier() -> Classifier:
    return Classifier.load()


def asked(text: str, *before: tuple[str, str], **more: Any) -> Verdict:
    turns = [{"role": role, "content": content} for role, content in before]
    return classifier().classify({"messages": [*turns, {"role": "user", "content": text}], **more})


@cache
def scored() -> tuple[tuple[bool, Scored], ...]:
    out = []
    for label, lang, adversarial, body in handmade.rows():
        verdict = classifier().classify(body)
        out.append((adversarial, Scored(label, verdict.task, "handmade", lang, verdict.confidence)))
    return tuple(out)


def test_the_hand_written_set_is_large_and_covers_every_task_and_twelve_languages():
    """The floors below mean something only if the set does: 250 rows, thirteen tasks, twelve languages, adversarial rows."""
    rows = handmade.rows()
    assert len(rows) >= 250
    assert {label for label, *_ in rows} == set(TASKS)
    assert len({lang for _, lang, *_ in rows}) >= 12
    assert sum(adversarial for _, _, adversarial, _ in rows) >= 30


def test_the_hand_written_set_is_labelled_well_enough():
    """Floors a little below what was measured. Training never saw these rows, but their errors were read, so they flatter."""
    rows = [row for _, row in scored()]
    assert accuracy(rows) >= 0.90
    assert macro_f1(rows) >= 0.90
    assert two_class(rows) >= 0.94


def test_the_second_hand_written_set_is_labelled_well_enough():
    """Rows that chose no word and no feature: the less flattering floor, on a small sample."""
    rows = []
    for label, lang, body in unseen.rows():
        verdict = classifier().classify(body)
        rows.append(Scored(label, verdict.task, "unseen", lang, verdict.confidence))
    assert accuracy(rows) >= 0.80
    assert macro_f1(rows) >= 0.80
    assert two_class(rows) >= 0.88


def test_other_languages_are_labelled_about_as_well_as_english():
    """Half of the set is not English; it has a floor of its own so that English cannot hide it."""
    rows = [row for _, row in scored() if row.lang != "en"]
    assert accuracy(rows) >= 0.93
    assert two_class(rows) >= 0.95


def test_adversarial_rows_mostly_keep_their_side():
    """Rows that carry another task's words or structure: the hardest ones, with the lowest floor."""
    rows = [row for adversarial, row in scored() if adversarial]
    assert two_class(rows) >= 0.85


@pytest.mark.parametrize("form", [None, {"type": "text"}, {"type": "json_object"}])
def test_the_form_of_the_answer_alone_decides_nothing(form: dict[str, str] | None):
    """Small talk that must be answered as JSON is still small talk."""
    assert asked("Why do cats purr?", response_format=form).task == "chat"


def test_tools_alone_decide_nothing():
    """Thanks, general knowledge and a poem stay what they are when tools are on offer."""
    assert asked("thanks!", tools=[WEATHER]).task == "chat"
    assert asked("Who painted the Mona Lisa?", tools=[WEATHER]).task == "chat"
    assert asked("Write a poem about my cat", tools=[WEATHER]).task == "writing"


def test_tools_decide_when_the_request_is_for_them():
    """One call answers it: function_call. A loop that waits for its next step: agentic."""
    assert asked("Will it rain in Lyon tomorrow?", tools=[WEATHER]).task == "function_call"
    call = {"id": "1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Find the driest city within 100 km and plan the picnic there"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "rain"},
    ]
    assert classifier().classify({"messages": messages, "tools": [WEATHER]}).task == "agentic"


def test_a_tool_choice_of_none_is_no_tools():
    """A caller that forbids calls gets judged on the text alone."""
    assert asked("Will it rain in Lyon tomorrow?", tools=[WEATHER], tool_choice="none").task == "chat"


@pytest.mark.parametrize(
    ("first", "answer", "then", "task"),
    [
        ("How much interest do 2000 euros earn in 5 years at 3%?", "318.55", "and with 4%?", "math"),
        ("Write a short poem about the sea", "Waves …", "make it longer", "writing"),
        ("Why do cats purr?", "Because …", "and what about lions?", "chat"),
    ],
)
def test_a_short_follow_up_takes_its_task_from_the_turn_before(first: str, answer: str, then: str, task: str):
    """What a follow-up asks is only known from the turn it follows."""
    assert asked(then, ("user", first), ("assistant", answer)).task == task


def test_an_earlier_turn_about_something_else_decides_nothing():
    """A complete request is judged by itself, whatever was talked about before."""
    before = (("user", "Write a Python script that renames files"), ("assistant", "import os"))
    assert asked("Why is the sky blue?", *before).task == "chat"
    assert (
        asked("Solve 3x - 7 = 2x + 5", ("user", "Tell me a joke"), ("assistant", "Why did …")).task == "math"
    )


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("Write a poem about a Python function that never returns", "writing"),
        (
            "Summarise this bug thread:\n\n> a: it crashes since 2.3\n> b: same here\n> dev: fixed in 2.3.1",
            "document",
        ),
        (
            "Summarize what this does, then make this O(n):\n\ndef f(a):\n    return [x for x in a if a.count(x) > 1]",
            "code",
        ),
    ],
)
def test_what_is_asked_for_beats_what_it_is_about(text: str, task: str):
    """A poem about code is writing, a summary of a bug thread is a document, a faster version is code."""
    assert asked(text).task == task


def test_translating_code_into_another_programming_language_is_code():
    """Go is a language to translate into only for programs."""
    assert asked("translate this to Go\n\ndef area(r):\n    return 3.14 * r ** 2").task == "code"


@pytest.mark.parametrize(
    ("system", "text", "task"),
    [
        ("Translate everything the user writes into Danish.", "How many apples are left?", "translation"),
        (
            "Classify the message as question, complaint or praise. Answer with the label only.",
            "it broke again",
            "classification",
        ),
    ],
)
def test_a_system_prompt_that_sets_the_task_makes_the_message_its_material(system: str, text: str, task: str):
    """What a message says must not vote when the system prompt says what to do with it."""
    assert asked(text, ("system", system)).task == task


def test_chat_and_responses_bodies_of_one_request_get_one_verdict():
    """`input` and `instructions` are read like `messages` and a system turn."""
    chat = asked("Translate to French: good night", ("system", "Be brief."))
    responses = classifier().classify(
        {"instructions": "Be brief.", "input": "Translate to French: good night"}
    )
    parts = [{"role": "user", "content": [{"type": "input_text", "text": "Translate to French: good night"}]}]
    assert chat == responses == classifier().classify({"instructions": "Be brief.", "input": parts})


def test_the_order_of_fields_and_other_fields_do_not_matter():
    """Same request, same verdict: key order, sampling fields and a second look change nothing."""
    message = {"role": "user", "content": "How many legs do 7 spiders have?"}
    forwards = {"model": "auto", "messages": [message], "tools": [WEATHER], "temperature": 1}
    backwards = {key: forwards[key] for key in reversed(forwards)}
    first = classifier().classify(forwards)
    assert first == classifier().classify(backwards) == Classifier.load().classify(forwards)
    assert first == classifier().classify(read(forwards))


def test_a_verdict_holds_probabilities_and_known_names():
    """Confidence and P(reasoning) are probabilities; the task is one of the thirteen; difficulty varies only in code and maths."""
    for _, _, _, body in handmade.rows():
        verdict = classifier().classify(body)
        assert verdict.task in TASKS
        assert 0 <= verdict.confidence <= 1
        assert 0 <= verdict.p_reasoning <= 1
        assert verdict.difficulty == "medium" or verdict.task in ("code", "math")
        assert verdict.evidence == ()


def test_the_side_probability_agrees_with_confident_labels():
    """A confident label and P(reasoning) cannot contradict each other."""
    for _, _, _, body in handmade.rows():
        verdict = classifier().classify(body)
        if verdict.confidence > 0.8:
            assert (verdict.p_reasoning > 0.5) == (verdict.task in REASONING_TASKS)


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("Write a function that reverses a string", "easy"),
        ("What is 17 + 25?", "easy"),
        (
            "Prove that there are infinitely many primes p with p \\equiv 3 \\pmod 4 for positive integers",
            "hard",
        ),
    ],
)
def test_difficulty_follows_size_and_signs_of_contest_work(text: str, level: str):
    """One function or a sum is easy, a proof is hard."""
    assert asked(text).difficulty == level


def test_explaining_gives_the_same_verdict_with_readable_evidence():
    """Evidence names what was seen; the verdict itself does not change by asking for it."""
    body = {"messages": [{"role": "user", "content": "Summarize the article below."}], "tools": [WEATHER]}
    plain, explained = classifier().classify(body), classifier().explain(body)
    assert (plain.task, plain.confidence) == (explained.task, explained.confidence)
    assert "1 tool" in explained.evidence
    assert any("summarise" in phrase for phrase in explained.evidence)


def test_nothing_to_go_by_is_unsure():
    """An empty request gets a label, but one that says it is a guess."""
    assert classifier().classify({}).confidence < 0.8


@pytest.mark.parametrize("seed", range(300))
def test_hostile_bodies_never_raise(seed: int):
    """Whatever JSON can hold in the places a prompt should be, there is a verdict and its evidence."""
    body = hostile.body(random.Random(seed))
    verdict = classifier().explain(body)
    assert verdict.task in TASKS
    assert all(isinstance(phrase, str) for phrase in verdict.evidence)


def test_huge_requests_are_read_only_at_their_ends():
    """Two requests that differ only in the middle of 240,000 characters, or of 5,000 messages, look the same."""
    long = [
        {"role": "user", "content": "Summarize:\n" + middle * 120_000 + "\nend"} for middle in ("ab", "c(")
    ]
    views = [read({"messages": [message]}) for message in long]
    assert views[0].length == views[1].length
    assert len(views[0].ask) < 2_000
    many = [{"role": "user", "content": "hi"}] * 5_000
    assert len(read({"messages": many}).ask) == 2


def test_weights_of_another_version_are_refused_by_name():
    """A weights file of another version stops the start and says which version it has and which is needed."""
    packed = dump(
        ["fact"], [b"\x80\x00" * len(TASKS)], [0.0] * len(TASKS), 0.01, fit=Calibration(), lexicon=WORDS
    )
    head, _, body = packed.partition(b"\n")
    other = json.dumps(json.loads(head) | {"version": VERSION + 1}).encode() + b"\n" + body
    with pytest.raises(ValueError, match=rf"version {VERSION + 1}.*needs {VERSION}"):
        parse(other, WORDS)


@pytest.mark.parametrize("spoilt", [b"", b"{}", b"not json\n", b'{"version": 1}\nxx', b"[1]\n"])
def test_a_spoilt_weights_file_is_refused(spoilt: bytes):
    """Damage is a ValueError at load, not a strange verdict later."""
    with pytest.raises(ValueError, match="task weights"):
        parse(spoilt, WORDS)


def test_weights_trained_with_another_lexicon_are_refused():
    """Word classes and weights belong together; editing one without retraining is noticed at start."""
    packed = dump(
        ["fact"],
        [b"\x80\x00" * len(TASKS)],
        [0.0] * len(TASKS),
        0.01,
        fit=Calibration(),
        lexicon=WORDS + "\n[new]\nword\n",
    )
    with pytest.raises(ValueError, match="lexicon"):
        parse(packed, WORDS)


def test_what_is_packed_comes_back():
    """A fact's weights survive the file to within one step."""
    row = b"".join((32768 + step).to_bytes(2, "big") for step in range(-6, 7))
    weights = parse(
        dump(["a", "b"], [row, row], [0.5] * 13, 0.01, fit=Calibration(1.5, 2.0, 0.1), lexicon=WORDS), WORDS
    )
    assert weights.logits(weights.weigh(["a", "b", "unknown"])) == pytest.approx(
        [0.5 + 0.02 * step for step in range(-6, 7)]
    )
    assert weights.says("a") == pytest.approx([0.01 * step for step in range(-6, 7)])
    assert weights.says("unknown") is None


def test_the_lexicon_matches_words_phrases_stems_and_unspaced_scripts():
    """The four ways an entry can match, and what must not."""
    lexicon = Lexicon("[verb]\nübersetz* show_me write\n[noun]\n翻译 show_me_how\n")
    found = {
        c
        for text in (["übersetze"], ["show", "me"], ["write"])
        for _, cs in lexicon.of_tokens(text)
        for c in cs
    }
    assert found == {"verb"}
    assert lexicon.of_tokens(["show", "me", "how"]) == [(0, ("verb",)), (0, ("noun",))]
    assert lexicon.of_unspaced("请翻译一下") == [(1, ("noun",))]
    assert lexicon.of_tokens(["rewrites", "show"]) == []


def test_a_view_can_be_classified_directly():
    """Callers that already hold a view need no body."""
    assert (
        classifier().classify(TaskView(ask="Translate to German: good morning", length=33)).task
        == "translation"
    )
