"""`switchyard migrate` and the same on the admin port, against a running proxy of two workers."""

import json
import time
import urllib.error
import urllib.request

import pytest
import town
from town import ask

from proxy.app.blueprint import Blueprint
from proxy.app.configuration import read_configuration
from proxy.commands import migrate
from proxy.migration.assignment import bucket, user_unit
from tests.commands.kit import run, said

ADMIN = "an-admin-key-of-more-than-32-characters"
CONFIG = """
server: {workers: 2, admin_key: "${ADMIN:-}"}
migrations:
  - {name: leave, from: gpt-4.1-mini, to: gpt-6-luna@none, stages: [40, 100], sticky: user}
  - {name: few, from: gpt-4o-mini, to: gpt-6-luna@none, sticky: key}
"""


def chat(door, user, model="gpt-4.1-mini"):
    body = {"model": model, "messages": [{"role": "user", "content": "Say hello."}], "user": user}
    return ask(f"{door.url}/chat/completions", body)


def served(door, user):
    answer = chat(door, user)
    assert answer.status == 200
    return answer.headers["x-switchyard-model"], answer.headers["x-switchyard-reason"]


def until_all(door, user, wanted, timeout_s=5.0):
    """Poll until twenty connections in a row, which reach both workers, are served so."""
    deadline = time.monotonic() + timeout_s
    while not all(served(door, user) == wanted for _ in range(20)):
        assert time.monotonic() < deadline, f"still not {wanted}"


def post(url, body=b"{}", **headers):
    """A POST with these headers: (status, body)."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, body, named, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def user_in(low, high):
    names = (f"u{i}" for i in range(1_000))
    return next(n for n in names if low * 100 <= bucket("leave", user_unit("open", n)) < high * 100)


OLD, NEW = ("gpt-4.1-mini", "pinned"), ("gpt-6-luna", "migration")


def test_a_migration_from_start_to_rollback_by_commands(door):
    """Start, promote, pause, resume, roll back: in force on both workers, told by status and by the audit with who and why."""
    early, late = user_in(0, 40), user_in(40, 100)
    assert served(door, early) == OLD
    assert "40 % on gpt-6-luna@none" in said(door, "migrate", "start", "leave", "--why", "rehearsed")
    until_all(door, early, NEW)
    until_all(door, late, OLD)
    (row,) = json.loads(said(door, "migrate", "status", "leave", "--json"))
    assert (row["status"], row["percent"], row["next"], row["why"]) == ("running", 40, 100, "rehearsed")
    said(door, "migrate", "pause", "leave")
    assert "paused" in said(door, "migrate", "status")
    status, _, err = run(door, "migrate", "promote", "leave")
    assert (status, err.strip()) == (
        1,
        "switchyard: leave is paused, so it cannot promote; it can: resume, rollback",
    )
    said(door, "migrate", "resume", "leave")
    said(door, "migrate", "promote", "leave")
    until_all(door, late, NEW)
    said(door, "migrate", "rollback", "leave", "--why", "odd answers")
    until_all(door, late, OLD)
    until_all(door, early, OLD)
    audit = said(door, "budgets", "audit")
    assert "migrate rollback" in audit
    assert "100 % -> 0 %, rolled_back, version 5: odd answers" in audit
    assert "0 % -> 40 %, running, version 1: rehearsed" in audit


def test_status_says_what_comes_next_and_what_it_waits_for(door):
    """A paused one waits for its resume; out of the last stage there is one more step."""

    def line(name="leave"):
        return said(door, "migrate", "status", name).splitlines()[1]

    assert "  -  " in line("few")
    said(door, "migrate", "start", "leave")
    assert "100 %, by hand" in line()
    said(door, "migrate", "pause", "leave")
    assert "100 %, after resume" in line()
    said(door, "migrate", "resume", "leave")
    said(door, "migrate", "promote", "leave")
    assert "finish, by hand" in line()
    said(door, "migrate", "rollback", "leave")


@pytest.mark.parametrize(("following", "words"), [(100, "100 %"), (None, "finish")])
def test_status_says_when_time_may_take_the_next_step(following, words):
    """Where nobody has to, the last one included; while it is paused no time does."""
    each = {"next": following, "status": "running", "auto": True, "held_until": 1_800_000_000.0}
    assert migrate.following(each) == f"{words}, not before 2027-01-15T08:00:00Z"
    assert migrate.following({**each, "status": "paused"}) == f"{words}, after resume"


def test_what_cannot_be_is_refused_with_what_there_is(door):
    """A name that is none, and a key that cannot be one per cent of anything."""
    status, _, err = run(door, "migrate", "start", "leaf")
    assert (status, err.strip()) == (1, 'switchyard: no migration is called "leaf"; there are: leave, few')
    status, _, err = run(door, "migrate", "start", "few")
    assert status == 1
    assert "with sticky: key takes at least" in err
    assert "and 1 takes part; write sticky: user or conversation, or stages: [100]" in err


def explained(door, user):
    body = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "hi"}], "user": user}
    return json.loads(ask(f"{door.admin_url}/admin/explain", body).body)


def test_explain_and_metrics_know_at_once_what_a_command_did(door):
    """The parent looks into the store twice a second; who has just seen `migrate start` end must not wait for that."""
    early = user_in(0, 40)
    for verb, percent in (("start", 40), ("rollback", 0)) * 3:
        said(door, "migrate", verb, "leave")
        metrics = ask(f"{door.admin_url}/metrics").body.decode()
        assert f'switchyard_migration_stage_percent{{migration="leave"}} {percent}\n' in metrics
    for verb, model in (("start", "gpt-6-luna"), ("rollback", "gpt-4.1-mini")) * 3:
        said(door, "migrate", verb, "leave")
        assert explained(door, early)["model"] == model


def test_the_same_on_the_admin_port_with_metrics_and_explain(door):
    """Where no admin key is set: JSON from this machine. The stage and the sides are in the metrics."""
    early = user_in(0, 40)
    status, after = post(f"{door.admin_url}/admin/migrations/leave/start", b'{"why":"again"}', content_type="application/json")  # fmt: skip
    assert (status, after["status"], after["percent"]) == (200, "running", 40)
    assert after["who"] == "admin port, 127.0.0.1"
    metrics = ask(f"{door.admin_url}/metrics").body.decode()
    assert 'switchyard_migration_stage_percent{migration="leave"} 40' in metrics, (
        "who steered sees it at once"
    )
    until_all(door, early, NEW)
    listed = json.loads(ask(f"{door.admin_url}/admin/migrations").body)["migrations"]
    assert [(each["name"], each["percent"]) for each in listed] == [("leave", 40), ("few", 0)]
    told = explained(door, early)
    assert (told["model"], told["reason"]) == NEW
    assert "of which 40 are on the new model" in told["candidates"][0]["why"]
    assert (told["candidates"][1]["model"], told["candidates"][1]["why"]) == (
        "gpt-4.1-mini",
        "should the new model fail",
    )
    alone = json.loads(said(door, "explain", "--json", "hello"))
    assert any("taken as not started" in note for note in alone["notes"]), "the command asks no running proxy"
    metrics = ask(f"{door.admin_url}/metrics").body.decode()
    assert 'switchyard_migration_requests_total{migration="leave",arm="new",outcome="ok"}' in metrics
    for wrong, code in (("start", 400), ("fly", 404)):
        status, answer = post(
            f"{door.admin_url}/admin/migrations/leave/{wrong}", content_type="application/json"
        )
        assert status == code
        assert answer["error"]["message"]
    assert post(f"{door.admin_url}/admin/migrations/leaf/start", content_type="application/json")[0] == 404
    assert (
        post(f"{door.admin_url}/admin/migrations/leave/rollback", content_type="application/json")[0] == 200
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "application/x-www-form-urlencoded"},
        {"content_type": "multipart/form-data; boundary=x"},
        {"content_type": "text/plain"},
        {"content_type": "application/json", "origin": "https://elsewhere.example"},
        {"content_type": "application/json", "origin": "null"},
        {"content_type": "application/json", "sec_fetch_site": "cross-site"},
        {"content_type": "application/json", "sec_fetch_site": "same-site"},
        {"content_type": "application/json", "host": "rebound.example"},
    ],
    ids=lambda headers: " ".join(headers.values()),
)
def test_no_other_sites_page_can_move_a_migration(door, headers):
    """What a browser can be made to send: a form of any kind, a script of another site, a rebound name. Nothing changes."""
    before = said(door, "migrate", "status", "--json")
    status, answer = post(f"{door.admin_url}/admin/migrations/leave/start", b'{"why":"x"}', **headers)
    assert (status, answer["error"]["code"]) == (403, "not_allowed")
    assert said(door, "migrate", "status", "--json") == before


def test_with_an_admin_key_only_who_has_it_moves_migrations(upstream):
    """Reading and steering alike; a form of another site has no such header."""
    with town.proxy(upstream, CONFIG, {"ADMIN": ADMIN}) as door:
        url = f"{door.admin_url}/admin/migrations/leave/start"
        assert post(url, content_type="application/json")[0] == 401
        assert post(url, content_type="application/json", authorization="Bearer wrong")[0] == 401
        assert ask(f"{door.admin_url}/admin/migrations").status == 401
        form = {"content_type": "application/x-www-form-urlencoded", "authorization": f"Bearer {ADMIN}"}
        assert post(url, **form)[0] == 403
        assert post(url, content_type="application/json", authorization=f"Bearer {ADMIN}")[0] == 200


def test_a_plan_says_who_calls_what_changes_what_it_costs_and_what_to_write(door):
    """From the ledger of this proxy; the block it prints is a configuration that is accepted."""
    for i in range(3):
        chat(door, f"planner-{i}")
    plan = json.loads(
        said(door, "migrate", "plan", "--from", "gpt-4.1-mini", "--to", "gpt-6-luna@none", "--json")
    )
    (caller,) = plan["callers"]
    assert caller["key"] == "open"
    assert caller["requests"] >= 3
    assert plan["cost_ratio"] == pytest.approx(0.28, abs=0.05)
    assert {"sends": "stop", "changes": ["stop:emulated"], "stays": ""} in plan["changes"]
    begins = [stage["begins"] for stage in plan["stages"]]
    assert begins == sorted(begins)
    assert begins[-1] < plan["ends"]
    written = read_configuration(Blueprint("switchyard.yaml", plan["configuration"]), {}).settings.migrations[
        0
    ]
    assert (written.source, str(written.target), written.sticky) == (
        "gpt-4.1-mini",
        "gpt-6-luna@none",
        "user",
    )
    shown = said(door, "migrate", "plan", "--from", "gpt-4.1-mini", "--to", "gpt-6-luna@none")
    assert "gpt-4.1-mini stops on 2027-01-14" in shown
    assert plan["configuration"] in shown
    status, _, err = run(door, "migrate", "plan", "--from", "gpt-4.1-mini", "--to", "zzz")
    assert (status, err.strip()) == (
        1,
        "switchyard: no model is called zzz; `switchyard models` lists them",
    )


def test_a_plan_for_a_dearer_model_is_accepted_as_it_is_printed(door):
    """The line by which somebody agrees to the price is part of the block, with why; elsewhere it is not."""
    words = ("migrate", "plan", "--from", "gpt-4.1-mini", "--json", "--to")
    dear = json.loads(said(door, *words, "gpt-6-astra"))["configuration"]
    assert "lifecycle: {allow_dearer: true}" in dear
    read = read_configuration(Blueprint("switchyard.yaml", dear), {}).settings
    assert str(read.migrations[0].target) == "gpt-6-astra"
    assert "allow_dearer" not in json.loads(said(door, *words, "gpt-6-luna@none"))["configuration"]


@pytest.mark.parametrize(
    ("target", "why"),
    [("gpt-6-luna@non", 'unknown effort "non" of gpt-6-luna; did you mean "none"?'),
     ("gpt-6-lnua", 'no model is called gpt-6-lnua; did you mean "gpt-6-luna"?')],
)  # fmt: skip
def test_a_plan_says_what_was_meant(door, target, why):
    """The part that is wrong is named, and the name that is near."""
    status, _, err = run(door, "migrate", "plan", "--from", "gpt-4.1-mini", "--to", target)
    assert status == 1 and why in err


def test_a_report_tells_the_whole_story_in_either_notation(door):
    """What changed, for whom, both models, guards, every step with who and why, and how it ended."""
    page = said(door, "migrate", "report", "leave")
    for heading in (
        "What changed",
        "For whom",
        "Comparison",
        "Cost against plan",
        "Guards",
        "Every change",
        "Decision",
    ):
        assert f"\n## {heading}\n" in page
    assert "| stop | stop:emulated |" in page
    assert "| start | 0 % -> 40 %, running, version 1: rehearsed |" in page
    assert "| open | - |" in page
    assert "### All tasks\n\n|  | old | new |" in page
    # A call that is tried again is one for its application and several here.
    assert "\n| attempts | " in page and "\n| calls | " not in page
    html = said(door, "migrate", "report", "leave", "--html")
    assert html.startswith("<!doctype html>")
    assert "rehearsed" in html
    assert run(door, "migrate", "report", "leaf")[0] == 1
