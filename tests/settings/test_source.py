"""YAML with places."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.settings.mistakes import Finding, Place
from proxy.settings.source import Source, read_source


def test_scalars_keep_their_text_and_every_value_its_place():
    """Nothing is guessed: numbers, dates and booleans stay what was written."""
    source = read_source("a: 0.10\nb:\n  - on\n  - 2027-01-14\nc: ~\nd: 'null'\n", "f", {})
    assert source.data == {"a": "0.10", "b": ["on", "2027-01-14"], "c": None, "d": "null"}
    assert source.places[("b", 1)] == Place("f", 4, 5)
    assert not source.mistakes


def test_anchors_may_be_used_but_not_to_blow_up():
    """Sharing a block is fine; a few lines that stand for millions of values are not."""
    assert read_source("a: &x [1]\nb: *x\n", "f", {}).data == {"a": ["1"], "b": ["1"]}
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
    )
    assert read_source(bomb, "f", {}).mistakes


def test_deep_nesting_is_a_mistake_not_a_crash():
    """The parser recurses; its limit must not become ours."""
    assert "nested too deeply" in str(read_source("[" * 5000, "f", {}).mistakes[0])


@given(st.text(alphabet="ab:{}[],&*!-#'\"\n\t ${}|>%@`~é", max_size=60))
def test_any_text_is_read_or_refused(text):
    """Whatever is in the file, there is data or there are mistakes, never another error."""
    source = read_source(text, "f", {"a": "1"})
    assert isinstance(source.data, dict)
    assert all(mistake.file == "f" for mistake in source.mistakes)


def test_a_section_is_adopted_with_its_places_or_not_at_all():
    """What another file does not have changes nothing."""
    ours, theirs = read_source("a: 1", "ours", {}), read_source("b: {c: '${X}'}", "theirs", {"X": "1"})
    ours.adopt(theirs, "b")
    ours.adopt(theirs, "none")
    assert ours.data == {"a": "1", "b": {"c": "1"}}
    assert ours.places[("b", "c")] == Place("theirs", 1, 5)
    assert ("b", "c") in ours.from_env


def test_a_mistake_stands_where_the_nearest_written_key_is():
    """Missing keys are reported at their parent, short forms under the path that was written."""
    source = read_source("r:\n  tasks:\n    math: [x]\n", "f", {})
    assert source.mistake(Finding(("r", "tasks", "math", "default", 0), "bad")).key_path == "r.tasks.math[0]"
    assert source.mistake(Finding(("r", "default"), "missing")).line == 1
    assert str(Source("g").mistake(Finding(("x",), "bad"))) == "g: x: bad"
