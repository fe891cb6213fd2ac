"""What an operator types, against a running proxy of two workers and its embedded store."""

import csv
import hashlib
import io
import json
import os
import pwd
import time
from datetime import UTC, datetime

import pytest
import redis
from town import ask

from proxy.app.blueprint import Blueprint
from proxy.app.configuration import read_configuration
from proxy.commands.amounts import counted
from proxy.commands.joining import who_types
from proxy.commands.models import outlook
from proxy.store import keys
from tests.commands.kit import run, said

SECRET = "sk-file-key-0123456789"
CONFIG = f"""
server: {{workers: 2}}
auth: {{mode: keys}}
teams: [{{name: search, budgets: [{{usd: 5, per: month}}]}}]
keys: [{{name: web, team: search, hash: "sha256:{hashlib.sha256(SECRET.encode()).hexdigest()}", budgets: [{{usd: 1, per: day}}], trusted_users: true}}]
budgets: [{{name: company, scope: global, usd: 100, per: total}}, {{name: per-user, scope: user, usd: 0.5, per: day}}]
"""


def told(door, *words):
    return json.loads(said(door, *words, "--json"))


def chat(door, key, **more):
    body = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Say hello."}], **more}
    return ask(f"{door.url}/chat/completions", body, key)


def until(condition, timeout_s=5.0):
    """Poll until it is true; how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < timeout_s, "it never happened"
        time.sleep(0.02)
    return time.monotonic() - began


def limits_explained(door, key):
    """Where a request with this key would count, by `/admin/explain`: limits by name, those of money in nano-dollars."""
    question = {"body": {"model": "gpt-4.1-mini", "messages": []}, "key": key}
    explained = json.loads(ask(f"{door.admin_url}/admin/explain", question).body)
    return {each["name"]: each["limit"] for each in explained["counts"]}


def test_a_key_made_at_run_time_works_and_is_revoked_on_every_worker_within_five_seconds(door):
    """Printed once, kept as a hash, limited as asked; a burst of new connections reaches both workers before and after."""
    status, out, err = run(
        door,
        "keys",
        "create",
        "night",
        "--team",
        "search",
        "--budget",
        "2/day",
        "--budget",
        "9/month",
        "--rpm",
        "5000",
    )
    assert (status, len(out.split())) == (0, 1), err
    key = out.strip()
    assert {"night.day", "night.month"} <= limits_explained(door, "night").keys()
    until(lambda: all(chat(door, key).status == 200 for _ in range(20)))
    listed = {each["name"]: each for each in told(door, "keys", "list")}
    assert listed["night"]["hash"] == "sha256:" + hashlib.sha256(key.encode()).hexdigest()
    assert (listed["night"]["made"], listed["web"]["made"]) == ("run time", "file")
    stored = b"".join(path.read_bytes() for path in door.folder.rglob("*.aof"))
    assert b"night" in stored
    assert key.encode() not in stored
    assert "night.day" in {each["budget"] for each in told(door, "budgets")}
    said(door, "keys", "revoke", "night")
    took_s = until(lambda: all(chat(door, key).status == 401 for _ in range(20)))
    assert took_s <= 5


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("create", "web"), 'a key named "web" exists'),
        (("create", "x", "--team", "serach"), 'did you mean "search"?'),
        (("create", "x", "--models", "gpt-4.1-mnii"), 'no route, alias or model is called "gpt-4.1-mnii"'),
        (("create", "x", "--endpoints", "chta"), 'did you mean "chat"?'),
        (("create", "x", "--rpm", "0"), "--rpm: must be more than 0"),
        (("create", "x y"), "NAME: not a usable name"),
        (("create", "x", "--budget", "1/day", "--budget", "2/day"), "two budgets for the same window"),
        (("create", "x", "--expires", "soon"), "--expires: expected a day"),
        (("create", "x", "--expires", "2025-01-01"), "--expires: 2025-01-01 is over"),
        (("revoke", "web"), "written in the configuration file"),
        (("revoke", "nobody"), 'no key is named "nobody"'),
    ],
)  # fmt: skip
def test_what_cannot_be_a_key_is_refused_with_its_reason(door, words, why):
    """The schema of the file and its references hold on the command line too; nothing is made, nothing is printed."""
    status, out, err = run(door, "keys", *words)
    assert status == 1
    assert out == ""
    assert why in err
    assert "Traceback" not in err


def test_budgets_are_shown_raised_lowered_forgiven_and_every_change_is_audited(door):
    """spent, held, left and reset as the counters have them; each verb acts at once and leaves who, what and how much."""
    for _ in range(3):
        assert chat(door, SECRET, user="ann").status == 200
    until(
        lambda: (
            float(state(door, "web.day")["spent_usd"]) > 0
            and state(door, "web.day")["held_usd"] == "0.000000000"
        )
    )
    before = state(door, "web.day")
    assert before["limit_usd"] == "1.000000000"
    assert state(door, "per-user")["of"].startswith("web:")
    table = said(door, "budgets").splitlines()
    assert table[0].split()[:4] == ["BUDGET", "SCOPE", "OF", "PER"]
    assert len({line.index("day") for line in table if line.startswith("web.day")}) == 1
    said(door, "budgets", "set", "web.day", "0.000001")
    assert limits_explained(door, "web")["web.day"] == 1_000
    until(lambda: {chat(door, SECRET).status for _ in range(10)} == {429})
    said(door, "budgets", "set", "web.day", "--configured")
    until(lambda: {chat(door, SECRET).status for _ in range(10)} == {200})
    until(lambda: nano(state(door, "web.day")["held_usd"]) == 0)
    said(door, "budgets", "raise", "web.day", "0.25")
    assert state(door, "web.day")["limit_usd"] == "1.250000000"
    said(door, "budgets", "reset", "web.day")
    assert state(door, "web.day")["spent_usd"] == "0.000000000"
    lines = told(door, "budgets", "audit")
    assert [line["what"] for line in lines[:4]] == [
        "budgets reset",
        "budgets raise",
        "budgets set",
        "budgets set",
    ]
    assert [(line["target"], line["of"]) for line in lines[:4]] == [("web.day", "web")] * 2 + [
        ("web.day", None)
    ] * 2
    assert "  web.day --of web  " in said(door, "budgets", "audit")
    assert all("@" in line["who"] for line in lines)
    assert run(door, "budgets", "set", "wbe.day", "1")[0] == 1


def state(door, name):
    return next(each for each in told(door, "budgets") if each["budget"] == name)


def test_spend_adds_up_by_whatever_is_asked_and_equals_the_providers_bill(door, upstream):
    """By key, model, task or user; as a table, CSV or JSON: the total is the sandbox's own."""
    for model in ("gpt-4.1-mini", "gpt-4.1", "auto"):
        assert chat(door, SECRET, model=model, user="ben").status == 200
    truth = upstream.totals()["cost_nano"]
    until(lambda: nano(told(door, "spend")["total_usd"]) == truth)
    for by in ("key", "team", "model", "task", "route", "key,model,task"):
        assert nano(told(door, "spend", "--by", by)["total_usd"]) == truth
    users = told(door, "spend", "--by", "user", "--window", "day")["lines"]
    assert {line["key"] for line in users} == {"web"}
    rows = list(csv.DictReader(io.StringIO(said(door, "spend", "--by", "model", "--since", "1d", "--csv"))))
    assert sum(nano(row["cost_usd"]) for row in rows) == truth
    assert said(door, "spend", "--by", "model").splitlines()[-1].startswith("total")
    assert run(door, "spend", "--by", "weather")[0] == 2


def nano(text):
    return round(float(text) * 10**9)


def test_a_period_that_ends_before_it_begins_is_a_mistake(door):
    """`Nothing was used.` would be taken for the truth. Without --since the period begins with the month."""
    for words in (("--until", "2020-01-01"), ("--since", "1h", "--until", "2h"), ("--since", "2099-01-01")):
        status, out, err = run(door, "spend", *words)
        assert (status, out) == (1, "")
        assert "is not after" in err


def test_models_and_audit_name_what_ends_and_what_its_successor_costs(door):
    """Days left, successor and ratio; on a later day the model in use has stopped and the same tokens have another price."""
    assert chat(door, SECRET).status == 200
    model = told(door, "models", "gpt-4.1-mini")[0]
    assert model["shutdown"] == "2027-01-14"
    assert model["successor"]
    assert "gpt-4.1-mini" in said(door, "models", "--ending")
    until(lambda: told(door, "audit")["calls"])
    calls = {call["model"]: call for call in told(door, "audit", "--on", "2027-02-01")["calls"]}
    assert calls["gpt-4.1-mini"]["ended"]
    assert float(calls["gpt-4.1-mini"]["successor_cost_usd"]) > 0
    assert not {c["model"]: c for c in told(door, "audit")["calls"]}["gpt-4.1-mini"]["ended"]
    assert "gpt-4.1-mini" in said(door, "audit", "--on", "2027-02-01")


def test_a_warning_counts_days_and_says_who_answers_before_the_end():
    """A model is left some hours before its day; nobody reads of `1 days`."""
    shipped = read_configuration(Blueprint(), {})

    def warned(at):
        now = datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()
        return outlook(shipped, "gpt-4.1-mini", now).warning

    assert warned("2027-01-10T12:00") == "ends within 7 days"
    assert warned("2027-01-13T12:00") == "ends within 1 day; its successor answers already"
    assert warned("2027-01-14T00:00") == "ended; its successor answers"
    assert (counted(1, "key"), counted(1200, "key")) == ("1 key", "1,200 keys")


@pytest.mark.parametrize(
    ("words", "status", "why"),
    [
        (("models", "gpt-4.1-mni"), 1, 'no model is called gpt-4.1-mni; did you mean "gpt-4.1-mini"?'),
        (("models", "--parameter", "stop"), 1, "--parameter goes with --learned or --forget"),
        (("keys", "lst"), 2, '; did you mean "list"?'),
        (("kys", "list"), 2, '; did you mean "keys"?'),
        (("spend", "--window", "dya"), 2, '; did you mean "day"?'),
        (("spend", "--window", "zzz"), 2, "invalid choice: 'zzz'"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_one_that_was_meant(door, words, status, why):
    """Models, commands, verbs and choices alike; where nothing is near, nothing is guessed."""
    found, out, err = run(door, *words)
    assert (found, out) == (status, "")
    assert why in err and ("zzz" not in err or "did you mean" not in err)


def test_who_types_is_known_without_an_environment(monkeypatch):
    """By the system's list of users; in a container that is not on it, by the number."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    assert who_types().partition("@")[0] == pwd.getpwuid(os.getuid()).pw_name

    def nobody(_):
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert who_types().partition("@")[0] == str(os.getuid())


def test_me_shows_a_key_its_own_and_nothing_of_others(door):
    """Its models, limits and what is left of its budgets, its team's and its user's; nobody else's names or spending."""
    assert chat(door, SECRET, user="carl").status == 200
    until(lambda: float(budget(me(door, "?user=carl"), "per-user")["spent_usd"]) > 0)
    answer = me(door, "?user=carl")
    assert {each["name"] for each in answer["budgets"]} == {"web.day", "team.search.month", "per-user"}
    day = budget(answer, "web.day")
    assert nano(day["left_usd"]) == nano(day["limit_usd"]) - nano(day["spent_usd"]) - nano(day["held_usd"])
    assert day["resets_at"].endswith("T00:00:00Z")
    assert float(budget(me(door, "?user=dora"), "per-user")["spent_usd"]) == 0
    assert "company" not in json.dumps(answer)
    assert ask(f"{door.url}/switchyard/me", None, "sk-wrong").status == 401


def me(door, query=""):
    return json.loads(ask(f"{door.url}/switchyard/me{query}", None, SECRET).body)


def budget(answer, name):
    return next(each for each in answer["budgets"] if each["name"] == name)


def test_without_a_proxy_there_is_one_clear_line(door, tmp_path):
    """A command far from any store says where to go; so does one whose Redis does not answer."""
    status, out, err = run(door, "budgets", folder=tmp_path)
    assert (status, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert "no proxy runs in" in err
    (tmp_path / "away.yaml").write_text("redis: {url: 'redis://:secret@127.0.0.1:1/0'}\n")
    status, out, err = run(door, "budgets", "--config", "away.yaml", folder=tmp_path)
    assert (status, out) == (1, "")
    assert err.startswith("switchyard: Redis at 127.0.0.1:1/0 does not answer: ")
    assert "Error 111" in err
    assert "secret" not in err


def test_what_was_learned_is_known_to_every_worker_shown_and_forgotten(door, upstream):
    """One refusal teaches both workers within seconds; forgotten by command, the provider is asked anew and teaches again."""
    body = {"model": "gpt-5.4-mini", "reasoning_effort": "low", "temperature": 0.3}

    def attempts():
        """Upstream calls of one request on a connection of its own, so on either worker."""
        before = len(upstream.calls())
        answer = chat(door, SECRET, **body)
        assert answer.status == 200, answer.body
        assert "temperature:dropped (learned)" in answer.headers["x-switchyard-changes"]
        return len(upstream.calls()) - before

    def written():
        """How often something was written down of what workers learned."""
        with redis.Redis(unix_socket_path=f"{door.folder}/.switchyard/valkey.sock") as store:
            return int(store.get(keys.LEARNED_VERSION) or 0)

    due = written() + 1
    assert attempts() == 2
    lesson = until(lambda: told(door, "models", "--learned")) and told(door, "models", "--learned")
    assert lesson[0].pop("expires") > ""
    assert lesson == [
        {"provider": "openai", "model": "gpt-5.4-mini", "endpoint": "chat", "effort": "low", "tools": False,
         "parameter": "temperature", "renamed_to": None}
    ]  # fmt: skip

    def nobody_learns():
        nonlocal due
        found = [attempts() for _ in range(8)]
        due += found.count(2)
        return set(found) == {1}

    until(nobody_learns, 15)
    # The other worker may have learned it by itself; written down only after the command, it would be known again.
    until(lambda: written() == due)
    assert "temperature" in said(door, "models", "--learned", "gpt-5.4-mini")
    assert said(door, "models", "--learned", "gpt-4.1").strip() == "Nothing has been learned."
    assert run(door, "models", "--forget", "--parameter", "top_p")[2].startswith("0 forgotten")
    status, _, err = run(door, "models", "--forget", "gpt-5.4-mini")
    assert (status, err.split(" ")[0]) == (0, "1")
    assert told(door, "models", "--learned") == []
    until(lambda: attempts() == 2)


def test_the_commands_of_learned_parameters_say_what_they_lack(door, tmp_path):
    """Without a running proxy there is nothing to show; a name nobody knows is a mistake."""
    status, _, err = run(door, "models", "--learned", folder=tmp_path)
    assert (status, "no proxy runs" in err) == (1, True)
    status, _, err = run(door, "models", "--forget", "gpt-nonsense")
    assert (status, err) == (1, "switchyard: no model is called gpt-nonsense\n")


def test_a_fine_tuned_model_shares_its_bases_dates_but_nobody_stands_in_for_it(door):
    """Its price is its own, and a silent successor would not be it."""
    name = "ft:gpt-4.1-mini:acme::abc"
    (shown,) = told(door, "models", name)
    assert (shown["model"], shown["shutdown"], shown["successor"]) == (name, "2027-01-14", None)
    assert shown["context"] == told(door, "models", "gpt-4.1-mini")[0]["context"]
