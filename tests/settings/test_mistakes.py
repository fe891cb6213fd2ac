"""How a mistake prints."""

from proxy.settings.mistakes import Finding, Mistake, Place, SettingsError, dotted, located


def test_a_mistake_prints_its_place_key_suggestion_and_choices():
    """One line that an editor's problem matcher can read."""
    found = located(
        Finding(("keys", 0, "tem"), "unknown key", ("team", "name"), "tem"),
        Place("a.yaml", 3, 5),
        ("keys", 0, "tem"),
    )
    assert str(found) == 'a.yaml:3: keys[0].tem: unknown key; did you mean "team"? allowed: team, name'


def test_long_lists_of_choices_are_cut():
    """A catalogue of models would bury the message."""
    many = Mistake("f", 1, 1, "k", "unknown", tuple(str(i) for i in range(50)))
    assert str(many).endswith("38, 39 and 10 more")


def test_a_suggestion_stands_alone_where_there_are_many_choices():
    """Who misspelt a model is told its name, not forty others."""
    many = Mistake("f", 1, 1, "k", 'unknown model "m-7x"', tuple(f"m-{i}" for i in range(50)), "m-7")
    assert str(many) == 'f:1: k: unknown model "m-7x"; did you mean "m-7"?'


def test_all_mistakes_are_in_the_error():
    """One per line."""
    error = SettingsError([Mistake("f", 1, 1, "a", "x"), Mistake("f", 0, 0, "", "y")])
    assert str(error) == "f:1: a: x\nf: y"
    assert dotted(()) == ""
