"""Two replicas on one Redis, as processes: what one of them knows, holds or is told holds for the other.

Debian's redis-server with an append-only file, as deploy/ runs it; each replica has a file and a folder of its own.
"""

import asyncio
import contextlib
import io
import json
import shutil
import signal
import subprocess
import tempfile
import time

import pytest
import town
from money_kit import SECRET, ask, call, config, running
from prometheus_client.parser import text_string_to_metric_families

from proxy import cli

REDIS = shutil.which("redis-server")
pytestmark = pytest.mark.skipif(REDIS is None, reason="redis-server is not installed (Debian: redis-server)")


@contextlib.contextmanager
def redis():
    """A redis-server that never evicts and keeps a journal; its URL."""
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        options = ["--port", "0", "--unixsocket", "redis.sock", "--dir", folder, "--appendonly", "yes"]
        options += ["--maxmemory-policy", "noeviction", "--save", ""]
        process = subprocess.Popen([REDIS, *options], cwd=folder, stdout=subprocess.DEVNULL)
        try:
            yield f"unix://{folder}/redis.sock"
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def replicas(text):
    """Two replicas with this configuration, on one sandbox and one Redis."""
    with redis() as url, town.sandbox("--time-scale", "0") as upstream:
        shared = {"env": {"REDIS_URL": url}, "upstream": upstream}
        with running(text, **shared) as one, running(text, **shared) as other:
            yield one, other


@pytest.fixture(scope="module")
def pair():
    """Two replicas, in the order of the tests: the first of them spends the key's budget, the second raises it."""
    with replicas(config("0.1", workers=1)) as both:
        yield both


def samples(place):
    """/metrics of one replica: (name, labels) to value."""
    text = town.ask(f"{place.door.admin_url}/metrics").body.decode()
    return {
        (each.name, tuple(each.labels.values())): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


def money(place):
    """What a replica shows of the ledger: every cost and every kind of token."""
    names = ("switchyard_cost_usd_total", "switchyard_key_cost_usd_total", "switchyard_tokens_total")
    return {key: value for key, value in samples(place).items() if key[0] in names and value}


def leads(place):
    return json.loads(town.ask(f"{place.door.admin_url}/admin/status").body)["leader"]


def until(condition, timeout_s=15.0):
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)
    return found


def operate(place, monkeypatch, *words):
    """A command of the operator's, in one replica's folder."""
    monkeypatch.chdir(place.door.folder)
    monkeypatch.setenv("REDIS_URL", place.url)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert cli.main([*words, "--config", "switchyard.yaml"]) == 0
    return said.getvalue().strip()


def status(place, key):
    return asyncio.run(call(place.door, ask(1), key=key)).status


def test_one_of_them_leads(pair):
    """The other waits for its lease to end."""
    until(lambda: sorted(map(leads, pair)) == [False, True])


def test_a_budget_is_one_budget_and_both_show_the_same_money(pair):
    """200 at once over both: nothing overspent; both /metrics, Redis, the rollups and the provider agree to the nano."""

    async def everyone():
        return await asyncio.gather(
            *[call(pair[n % 2].door, ask(200, stream=n % 3 == 0)) for n in range(200)]
        )

    replies = asyncio.run(everyone())
    assert {reply.status for reply in replies} == {200, 429}
    one, other = pair
    ledger, truth = one.settled()
    assert ledger == truth <= 10**8
    one.await_rows(truth, other)
    until(
        lambda: (
            sum(value for (name, _), value in money(one).items() if "_cost_" in name and "key" not in name)
            > 0
        )
    )
    shown = until(lambda: money(one) == money(other) and money(one))
    cost = sum(value for (name, _), value in shown.items() if name == "switchyard_cost_usd_total")
    assert round(cost * 10**9) == truth == one.spent_by_rollups()
    rows = one.rows() + other.rows()
    for kind, field in (("input", "input_tokens"), ("output", "output_tokens")):
        assert shown["switchyard_tokens_total", (kind,)] == sum(row["usage"][field] for row in rows)
    counted = [
        sum(value for (name, _), value in samples(place).items() if name == "switchyard_requests_total")
        for place in pair
    ]
    assert sum(counted) == 200 and min(counted) > 0


def test_a_budget_raised_at_one_of_them_is_raised_at_both(pair, monkeypatch):
    """What was refused for good at the other is served there within five seconds."""
    one, other = pair
    while (reply := asyncio.run(call(other.door, ask(400)))).status == 200:
        pass
    assert reply.code == "insufficient_quota"
    operate(one, monkeypatch, "budgets", "raise", "web.total", "1")
    until(lambda: status(one, SECRET) == status(other, SECRET) == 200, 5)
    for place in pair:
        assert samples(place)["switchyard_budget_limit_usd", ("web.total", "key", "total")] == 1.1


def test_a_key_made_or_revoked_at_one_of_them_is_so_at_both(pair, monkeypatch):
    """Within five seconds."""
    one, other = pair
    secret = operate(one, monkeypatch, "keys", "create", "night", "--budget", "2/day")
    until(lambda: status(one, secret) == status(other, secret) == 200, 5)
    until(lambda: ("switchyard_budget_limit_usd", ("night.day", "key", "day")) in samples(other), 5)
    operate(other, monkeypatch, "keys", "revoke", "night")
    until(lambda: status(one, secret) == status(other, secret) == 401, 5)


def test_a_reload_concerns_the_replica_whose_file_changed(pair):
    """A good file is taken up by both; a bad one at one of them is refused there, told there, and stops neither."""
    one, other = pair
    text = (one.door.folder / "switchyard.yaml").read_text()
    for place in pair:
        (place.door.folder / "switchyard.yaml").write_text(text + "aliases: {named: gpt-4.1}\n")
        place.door.signal(signal.SIGHUP)
    for place in pair:
        until(lambda place=place: asyncio.run(call(place.door, ask(1, model="named"))).status == 200)
    (other.door.folder / "switchyard.yaml").write_text("server: {prot: 1}\n")
    other.door.signal(signal.SIGHUP)
    until(lambda: samples(other)["switchyard_config_reload_ok", ()] == 0)
    assert samples(one)["switchyard_config_reload_ok", ()] == 1
    assert status(one, SECRET) == status(other, SECRET) == 200
