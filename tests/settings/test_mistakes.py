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


def test_all_mistakes_are_in_the_error():
    """One per line."""
    error = SettingsError([Mistake("f", 1, 1, "a", "x"), Mistake("f", 0, 0, "", "y")])
    assert str(error) == "f:1: a: x\nf: y"
    assert dotted(()) == ""
