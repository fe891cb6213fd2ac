"""The tree as the other rooms read it."""

import pytest
from pydantic import ValidationError

from proxy.settings import is_loopback, load

HASH = "sha256:" + "a" * 64


def test_aliases_are_followed_to_their_end_when_loaded():
    """One look-up at run time, however long the chain was."""
    settings = load(text="aliases: {a: b, b: c, c: auto, o4-mini: auto}", env={})
    assert set(settings.aliases.values()) == {"auto"}
    assert settings.resolve("a") == "auto"
    assert settings.resolve("gpt-4.1") == "gpt-4.1"


def test_every_budget_is_listed_with_its_scope():
    """Those of teams and keys get a name from their owner and window."""
    text = f"""
budgets: [{{name: all, scope: global, usd: 9, per: month}}]
teams: [{{name: search, budgets: [{{usd: 5, per: month, soft: 0.333}}]}}]
keys: [{{name: web, team: search, hash: "{HASH}", budgets: [{{usd: 1, per: day}}, {{usd: 2, per: month}}]}}]
"""
    settings = load(text=text, env={})
    found = [(b.name, b.scope, b.of, b.usd_nano) for b in settings.all_budgets()]
    assert found == [
        ("all", "global", None, 9_000_000_000),
        ("team.search.month", "team", "search", 5_000_000_000),
        ("web.day", "key", "web", 1_000_000_000),
        ("web.month", "key", "web", 2_000_000_000),
    ]
    assert settings.teams[0].budgets[0].soft_nano == 1_665_000_000
    assert settings.budgets[0].soft_nano is None
    assert settings.has_budgets()


def test_settings_are_frozen():
    """A reload swaps the whole tree; nobody edits one."""
    settings = load(env={})
    with pytest.raises(ValidationError):
        settings.server.port = 1


def test_a_callers_key_goes_to_the_first_provider_only():
    """The order of the file decides; without providers there is nobody."""
    text = "providers: {b: {base_url: 'http://h/v1'}, a: {base_url: 'http://i/v1'}}"
    assert load(text=text, env={}).passthrough_provider == "b"


@pytest.mark.parametrize(
    ("host", "here"),
    [
        *((host, True) for host in ("127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost")),
        *((host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "example.com", "127.0.0.1.nip.io")),
    ],
)
def test_only_this_machine_is_loopback(host, here):
    """A name that merely looks like loopback is not."""
    assert is_loopback(host) is here
