"""Files become settings, or every mistake in them with its line."""

from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from proxy.settings import Mistake, SettingsError, load, mistake_at, validate, without_file
from proxy.settings.source import child, read_source

HERE = Path(__file__).parent
BAD = sorted((HERE / "bad").glob("*.yaml"))
EVERYTHING = HERE / "good" / "everything.yaml"
KNOWN = ("gpt-4.1-mini", "gpt-5.4-mini", "gpt-6-luna", "gpt-6.1-terra", "o4-mini")
ENV = {"OPENAI_API_KEY": "sk-one", "ANTHROPIC_API_KEY": "sk-two"}


def mistakes_of(text, env=None, **more):
    with pytest.raises(SettingsError) as caught:
        load(text=text, env=env or {}, **more)
    return [str(mistake) for mistake in caught.value.mistakes]


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_each_mistake_is_reported_with_its_line_its_key_and_what_to_write(file):
    """The `#!` lines at the head of each file are the exact messages, all of them and no others."""
    expected = [line[3:] for line in file.read_text().splitlines() if line.startswith("#! ")]
    with pytest.raises(SettingsError) as caught:
        load(file, env={"EMPTY": ""}, known_models=KNOWN)
    assert expected
    assert [str(m).replace(str(file), "", 1) for m in caught.value.mistakes] == expected
    assert caught.value.mistakes[0].line > 0


def test_a_file_that_uses_every_key_loads():
    """Every section of the schema is accepted, in flow style with bare ${…} too."""
    settings = load(EVERYTHING, env=ENV, known_models=KNOWN)
    assert settings.providers["openai"].api_key.get_secret_value() == "sk-one"
    assert settings.keys[0].expires_at == 1814400000  # the end of 2027-06-30, UTC
    assert settings.keys[0].hash.islower()
    assert settings.providers["vllm-b"].url == "http://10.0.0.2:8000/v1"
    assert settings.migrations[0].target.effort == "none"
    assert validate(settings, KNOWN) == ()


def test_money_is_read_from_its_digits():
    """0.1 never passes through binary floating point: three dimes are exactly thirty cents."""
    text = "budgets: [{name: a, scope: global, usd: 0.1, per: day}, {name: b, scope: global, usd: 1234567.000000001, per: day}]"
    settings = load(text=text, env={})
    assert settings.budgets[0].usd_nano * 3 == 300_000_000
    assert settings.budgets[1].usd_nano == 1_234_567_000_000_001


def test_no_file_means_the_shipped_route_and_an_open_loopback():
    """Nothing named: auto exists, anyone on this machine may call, callers elsewhere bring their own key."""
    assert without_file({}).auth.mode == "open"
    assert without_file({}, "0.0.0.0").auth.mode == "passthrough"
    assert without_file({"OPENAI_API_KEY": "sk-x"}).providers["openai"].api_key.get_secret_value() == "sk-x"
    assert "auto" in without_file({}).routes


def test_a_file_without_routes_or_providers_has_the_shipped_ones():
    """`routes:` replaces the shipped route; leaving it out, or empty, keeps it."""
    assert "auto" in load(text="routes:\naliases: {a: auto}", env={}).routes
    assert list(load(text="", env={}).providers) == ["openai"]
    assert list(load(text="routes: {mine: {default: [gpt-4.1-mini]}}", env={}).routes) == ["mine"]


def test_listed_keys_choose_the_keys_mode():
    """auth.mode left out is decided by what else is written, never towards more openness."""
    text = f"keys: [{{name: a, hash: 'sha256:{'a' * 64}'}}]"
    assert load(text=text, env={}).auth.mode == "keys"
    assert load(text=text + "\nserver: {host: 0.0.0.0}", env={}).auth.mode == "keys"


def test_flags_win_over_the_file_and_are_named_in_mistakes():
    """A wrong flag is reported as the command line's, not as a line of the file."""
    assert load(text="server: {port: 4100}", env={}, flags={"server.port": "4200"}).server.port == 4200
    assert mistakes_of("", flags={"server.port": "many"}) == [
        "command line: server.port: expected a whole number"
    ]


def test_switchyard_route_turns_task_routing_on_for_names_in_use():
    """The environment variable is a list of aliases of auto."""
    settings = load(text="", env={"SWITCHYARD_ROUTE": "o4-mini, gpt-4.1-mini"})
    assert dict(settings.aliases) == {"o4-mini": "auto", "gpt-4.1-mini": "auto"}


def test_switchyard_route_needs_the_route_and_does_not_override_an_alias():
    """Two answers for one name are a mistake, and so is a route that is not there."""
    env = {"SWITCHYARD_ROUTE": "o4-mini"}
    assert mistakes_of("routes: {mine: {default: [o4-mini]}}", env) == [
        'environment variable SWITCHYARD_ROUTE: there is no route called "auto" for these names'
    ]
    assert mistakes_of("aliases: {o4-mini: gpt-4.1-mini}", env) == [
        "settings:1: aliases.o4-mini: SWITCHYARD_ROUTE routes this name too"
    ]


def test_text_handed_over_keeps_the_name_of_its_file():
    """A reload checks the very text the parent read, and messages still name the file."""
    with pytest.raises(SettingsError, match=r"^conf/mine\.yaml:1: serve: unknown key"):
        load(Path("conf/mine.yaml"), "serve: {}", env={})


def test_a_file_that_cannot_be_read_is_a_mistake_like_any_other(tmp_path):
    """Missing files, folders and bytes that are no text do not end in a traceback."""
    missing, binary = tmp_path / "none.yaml", tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, says in ((missing, "No such file"), (tmp_path, "cannot be read"), (binary, "not UTF-8")):
        with pytest.raises(SettingsError, match=says):
            load(path, env={})


@pytest.mark.parametrize(
    "wrong",
    [
        "*sk-live-secret",
        "!sk-live-secret x",
        "&a [sk-live-secret",
        "'sk-live-secret' x: y",
        "{sk-live-secret",
    ],
)
def test_a_secret_in_a_broken_file_is_not_in_the_message(wrong):
    """The YAML parser likes to quote what it met."""
    assert "sk-live-secret" not in "".join(mistakes_of(f"providers:\n  openai:\n    api_key: {wrong}\n"))


@pytest.mark.parametrize(
    "place",
    [
        "server: {admin_key: ${S}}",
        "server: {port: ${S}}",
        "redis: {url: ${S}}",
        "auth: {mode: ${S}}",
        "providers: {openai: {base_url: ${S}}}",
        "routes: {auto: {default: [${S}]}}",
        "keys: [{name: a, hash: ${S}}]",
        f"keys: [{{name: a, team: ${{S}}, hash: 'sha256:{'a' * 64}'}}]",
        f"keys: [{{name: a, models: [${{S}}], hash: 'sha256:{'a' * 64}'}}]",
        "budgets: [{name: a, scope: global, usd: ${S}, per: day, zone: ${S}}]",
        "budgets: [{name: a, scope: team, of: ${S}, usd: 1, per: day}]",
        "aliases: {fast: ${S}}",
    ],
)
def test_what_a_variable_holds_is_in_no_message(place):
    """Wherever a secret ends up by mistake, the report does not repeat it."""
    said = mistakes_of(place, {"S": "canary-29348"}, known_models=KNOWN)
    assert said
    assert "canary-29348" not in "".join(said)


def test_secrets_are_in_no_repr_and_equal_files_are_equal_settings():
    """Settings may be logged by accident; two readings of one file compare equal."""
    one, two = (load(EVERYTHING, env=ENV, known_models=KNOWN) for _ in range(2))
    shown = repr(one) + str(one)
    assert one == two
    for secret in ("sk-one", "sk-two", "3128", "9f86d081884c"):
        assert secret not in shown


def test_a_fault_found_by_another_room_gets_its_line():
    """The catalogue names keys by dotted path; model names have dots of their own."""
    settings = load(text="models:\n  gpt-4.1-mini:\n    usd_per_m: {input: 0.4, output: 1}\n", env={})
    told = mistake_at(settings, "models.gpt-4.1-mini.usd_per_m.cached", "dearer than input")
    assert told == Mistake("settings", 3, 5, "models.gpt-4.1-mini.usd_per_m.cached", "dearer than input")


def every_path(node, path=()):
    yield path
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inner:
        yield from every_path(value, (*path, key))


WHOLE = read_source(EVERYTHING.read_text(), "whole", ENV).data
PATHS = list(every_path(WHOLE))[1:]
ANYTHING = st.recursive(
    st.one_of(
        st.none(),
        st.sampled_from(["", "x", "0", "-1", "auto", "gpt-4.1-mini", "a@b", "${NONE}"]),
        st.text(max_size=5),
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "default", "x", ""]), inner, max_size=3)
    ),
    max_leaves=4,
)


@bounded(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from(PATHS), ANYTHING), min_size=1, max_size=5))
def test_whatever_is_written_there_are_settings_or_mistakes_with_their_lines(changes):
    """Values of every kind in every place, several at once: never a traceback, never a mistake without a place."""
    data = deepcopy(WHOLE)
    for path, value in changes:
        at = data
        for part in path[:-1]:
            at = child(at, part)
        if isinstance(at, dict) or (
            isinstance(at, list) and isinstance(path[-1], int) and path[-1] < len(at)
        ):
            at[path[-1]] = value
    try:
        load(text=yaml.safe_dump(data, allow_unicode=True), env=ENV, known_models=KNOWN)
    except SettingsError as error:
        assert all(mistake.line > 0 for mistake in error.mistakes), str(error)


def test_redis_url_alone_names_the_store(tmp_path):
    """Without a `redis:` of its own a file takes REDIS_URL; what the file says wins."""
    env = {"REDIS_URL": "redis://elsewhere:6379/0"}
    silent, outspoken = tmp_path / "a.yaml", tmp_path / "b.yaml"
    silent.write_text("server: {port: 4100}\n")
    outspoken.write_text("redis: {url: redis://here:6379/0}\n")
    assert load(silent, env=env).redis.url.get_secret_value() == "redis://elsewhere:6379/0"
    assert load(outspoken, env=env).redis.url.get_secret_value() == "redis://here:6379/0"
    assert load(silent, env={}).redis.url is None
