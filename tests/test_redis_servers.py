"""Running proxies on a redis-server like an operator's: TLS, a user that may do little, lost data, a server not fit for money."""

import asyncio
import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import town
from money_kit import SECRET, Money, ask, call, key_line
from redis_kit import free_port, needs_redis, redis_server
from wire import posts

from proxy import cli
from proxy.store import keys
from tests.upstreams.certificates import certificates

pytestmark = needs_redis

PASSWORD = "pass/word#1"
WRITTEN = "pass%2Fword%231"
LIMITS = {"rpm": 10_000, "tpm": 10_000_000, "concurrent": 100}


def config(url, **more):
    budgets = [{"usd": 5, "per": "total"}]
    line = key_line(budgets=budgets, limits=LIMITS, trusted_users=True)
    return json.dumps({"auth": {"mode": "keys"}, "redis": {"url": url}, "server": {"workers": 1}, **more})[
        :-1
    ] + (
        f', "keys": [{line}], "budgets": [{{"name": "per-user", "scope": "user", "usd": 1, "per": "day"}}]}}'
    )


@contextlib.contextmanager
def serving(url, look_at=None):
    """A proxy on this Redis; `look_at`: how the test itself reads the data."""
    with town.sandbox("--time-scale", "0") as upstream, town.proxy(upstream, config(url)) as door:
        yield Money(upstream, door, look_at or url)


def command(place, *words, folder=None):
    """What a command prints; it must succeed."""
    out, err = io.StringIO(), io.StringIO()
    file = str(place.door.folder / "switchyard.yaml")
    with (
        contextlib.chdir(folder or place.door.folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        status = cli.main([*words, "--config", file])
    assert status == 0, err.getvalue()
    return out.getvalue()


def chat(place, **more):
    return asyncio.run(call(place.door, ask(**more)))


def until(condition, timeout_s=10):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def served(place):
    """Whether a request is answered, and not refused for want of Redis."""
    status = chat(place).status
    assert status in (200, 503)
    return status == 200


def acl_line():
    """The one that deploy/README.md publishes."""
    text = (town.ROOT / "deploy" / "README.md").read_text()
    return re.search(r"^user switchyard .*$", text, re.MULTILINE).group(0)


def test_the_published_user_may_do_what_the_store_does():
    """Every command in a script or in the store's own calls is in the line, and nothing that nobody calls."""
    room = town.ROOT / "proxy" / "store"
    scripts = "".join(path.read_text() for path in room.rglob("*.lua"))
    calls = "".join(path.read_text() for path in room.rglob("*.py"))
    used = set(re.findall(r"redis\.p?call\('([A-Z]+)'", scripts))
    used |= set(re.findall(r"\(\s*\"([A-Z]{3,})\"", calls)) - {"SCRIPT"} | {"SCRIPT|LOAD", "SELECT"}
    allowed = {word[1:].upper() for word in acl_line().split() if word.startswith("+")}
    assert allowed == used


@pytest.fixture(scope="module")
def guarded():
    """TLS with an authority of its own, and the published user; every refusal of Redis's is in its ACL log."""
    made = certificates()
    port = free_port()
    tls = ["--tls-port", str(port), "--tls-cert-file", made.certificate, "--tls-key-file", made.key]
    tls += ["--tls-ca-cert-file", made.authority, "--tls-auth-clients", "no", "--port", "0"]
    with redis_server(*tls, port=port) as redis:
        words = acl_line().replace(">PASSWORD", f">{PASSWORD}").split()[1:]
        assert redis.command("ACL", "SETUSER", *words) == "OK"
        url = f"rediss://switchyard:{WRITTEN}@localhost:{port}/0?ssl_ca_certs={made.authority}"
        with serving(url, f"unix://{redis.folder}/redis.sock") as place:
            yield redis, place


def test_everything_works_over_tls_as_the_published_user(guarded):
    """Limits, users, holds, bills, stored objects, keys, every verb of `budgets`, `spend`: right, and Redis refused nothing."""
    redis, place = guarded
    for number in range(5):
        assert chat(place, user=f"u{number % 2}", stream=number % 2 == 0).status == 200
    spent = place.agree()
    made = town.ask(f"{place.door.url}/responses", {"model": "gpt-4.1-mini", "input": "Hi"}, SECRET)
    stored = f"{place.door.url}/responses/{json.loads(made.body)['id']}"
    assert town.ask(stored, None, SECRET).status == 200
    other = command(place, "keys", "create", "night", "--budget", "1/day").strip()
    until(lambda: town.ask(f"{place.door.url}/models", None, other).status == 200)
    assert town.ask(stored, None, other).status == 404
    command(place, "keys", "revoke", "night")
    until(lambda: town.ask(f"{place.door.url}/models", None, other).status == 401)
    command(place, "budgets", "set", "web.total", "4")
    command(place, "budgets", "raise", "web.total", "0.5")
    (shown,) = (each for each in told(place, "budgets") if each["budget"] == "web.total")
    assert (shown["limit_usd"], shown["spent_usd"] > "0") == ("4.500000000", True)
    assert nano(told(place, "spend", "--by", "key,model")["total_usd"]) == place.truth > spent
    command(place, "budgets", "reset", "web.total")
    assert place.counters()["web.total"][0] == place.truth
    assert [each["what"] for each in told(place, "budgets", "audit")][:2] == [
        "budgets reset",
        "budgets raise",
    ]
    assert json.loads(town.ask(f"{place.door.url}/switchyard/me", None, SECRET).body)["budgets"]
    assert redis.command("ACL", "LOG") == ""


def told(place, *words):
    return json.loads(command(place, *words, "--json"))


def nano(usd):
    return round(float(usd) * 10**9)


@pytest.mark.parametrize(
    "words",
    [
        "GET other",
        "SET other 1",
        "FLUSHALL",
        "KEYS *",
        "CONFIG GET *",
        "EVAL x 0",
        "SCRIPT FLUSH",
        "ACL LIST",
    ],
)
def test_the_published_user_may_do_nothing_else(guarded, words):
    """Another application's keys, and commands that could harm it, are refused."""
    redis, _ = guarded
    assert "no permissions" in redis.command("ACL", "DRYRUN", "switchyard", *words.split())


def start(folder, url):
    """`switchyard serve` on this Redis, its standard error to be read."""
    (folder / "switchyard.yaml").write_text(config(url))
    flags = ["--port", "0", "--admin-port", "0", "--config", "switchyard.yaml"]
    env = {**os.environ, "PYTHONPATH": str(town.ROOT), "OPENAI_API_KEY": town.PROVIDER_KEY}
    command = [sys.executable, "-m", "proxy.cli", "serve", *flags]
    return subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def test_a_redis_that_evicts_refuses_the_start(tmp_path):
    """R14: it would throw away live counters; the message says what to set."""
    with redis_server("--maxmemory-policy", "allkeys-lru") as redis, start(tmp_path, redis.url) as started:
        said = started.stderr.read()
        assert started.wait() == 1
        assert "maxmemory-policy is allkeys-lru" in said
        assert "set `maxmemory-policy noeviction`" in said
        assert "Traceback" not in said


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (
            "rediss://switchyard:wrong@localhost:{port}/0?ssl_ca_certs={authority}",
            "invalid username-password pair",
        ),
        (f"rediss://switchyard:{WRITTEN}@localhost:{{port}}/0", "certificate verify failed"),
    ],
)
def test_a_redis_that_does_not_let_us_in_says_why(guarded, url, why, tmp_path):
    """A warning at the start and a line from every command, with the reason and without the password."""
    redis, _ = guarded
    url = url.format(port=redis.port, authority=certificates().authority)
    with start(tmp_path, url) as started:
        said = next(line for line in started.stderr if "Redis does not answer" in line)
        started.terminate()
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        assert cli.main(["budgets", "--config", str(tmp_path / "switchyard.yaml")]) == 1
    for each in (said, err.getvalue()):
        assert why in each
        assert "wrong" not in each
        assert WRITTEN not in each
    redis.command("ACL", "LOG", "RESET")


def test_a_redis_that_comes_later_is_taken_up():
    """Started without it: what a hard budget counts is refused and nothing is sent; once Redis is there everything works."""
    port = free_port()
    with serving(f"redis://127.0.0.1:{port}") as place:
        assert {chat(place).status for _ in range(3)} == {503}
        assert posts(place.upstream) == []
        with redis_server(port=port):
            until(lambda: served(place))
            ledger, truth = place.settled()
            assert ledger == truth > 0


@pytest.fixture(scope="module")
def _place():
    with redis_server("--appendonly", "yes") as redis, serving(redis.url) as place:
        yield redis, place


@pytest.fixture
def place(_place):
    """A proxy and its Redis, with no fault left over."""
    until(lambda: served(_place[1]))
    return _place


def test_forgotten_scripts_are_not_noticed(place):
    """R14: SCRIPT FLUSH before a request and before a burst: every request is answered, every bill is entered once."""
    redis, running = place

    async def burst():
        return await asyncio.gather(*[call(running.door, ask()) for _ in range(20)])

    for _ in range(3):
        redis.command("SCRIPT", "FLUSH")
        assert chat(running).status == 200
        redis.command("SCRIPT", "FLUSH")
        assert {reply.status for reply in asyncio.run(burst())} == {200}
    ledger, truth = running.settled()
    assert ledger == truth


def test_what_a_killed_worker_had_open_is_settled_from_the_command_line(place):
    """R4: its hold is charged in full and listed; with the provider's own figure the counters, the unsettled part and
    `spend` are the provider's record again, once."""
    redis, running = place
    before, was = running.settled()[0], running.spent_by_rollups()

    async def killed():
        said = "[[sandbox:words=400]] [[sandbox:pace=0.05]]"
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(call(running.door, ask(said=said, stream=True)))
            while not running.upstream.totals().get("open"):
                await asyncio.sleep(0.02)
            os.kill(running.workers()[0], signal.SIGKILL)

    asyncio.run(killed())
    until(lambda: not running.upstream.totals().get("open"))
    cost = running.truth - before
    assert cost > 0
    (hold,) = redis.command("ZRANGE", keys.OPEN, "0", "-1").split()
    redis.command("ZADD", keys.OPEN, "1", hold)  # its lease of 30 s is over
    until(lambda: told(running, "budgets", "settle"))
    (listed,) = told(running, "budgets", "settle")
    assert (listed["id"], listed["key_name"], listed["served"]) == (hold, "web", "gpt-4.1")
    charged = nano(listed["charged_usd"])
    assert running.counters()["web.total"] == (before + charged, 0, charged)
    assert charged > cost
    command(running, "budgets", "settle", hold, f"{cost / 10**9:.9f}")
    assert running.counters()["web.total"] == (before + cost, 0, 0)
    until(lambda: running.spent_by_rollups() == was + cost)
    assert "Everything is settled" in command(running, "budgets", "settle")
    with pytest.raises(AssertionError, match="no unsettled hold"):
        command(running, "budgets", "settle", hold, "1")
    assert running.counters()["web.total"] == (before + cost, 0, 0)


def test_flushed_counters_come_back_from_the_proxys_own_snapshot(place):
    """R14: after FLUSHALL nothing is granted from counters that are too low; a moment later they equal the provider's
    record to the nano-dollar, by themselves."""
    redis, running = place
    before = running.settled()[1]
    until(lambda: in_snapshot(running) == before)  # what a process that died had spent is nowhere else
    for _ in range(3):
        assert chat(running).status == 200
    running.settled()
    redis.command("FLUSHALL")
    assert chat(running).status == 503 or running.counters()["web.total"][0] >= before
    until(lambda: served(running))
    ledger, truth = running.settled()
    assert ledger == truth > before


def test_budgets_rebuild_brings_back_what_no_proxy_can(place, tmp_path):
    """R14: the proxy's snapshot is gone with the data. Hard budgets refuse for as long as nobody acts and a metric says why;
    `budgets rebuild` where a copy of the snapshot is makes spent the provider's record again, with what came after the copy."""
    redis, running = place
    snapshot = running.door.folder / ".switchyard" / "snapshot.json"
    until(snapshot.exists)
    running.settled()
    (tmp_path / ".switchyard").mkdir()
    (tmp_path / ".switchyard" / "snapshot.json").write_bytes(snapshot.read_bytes())
    for _ in range(5):
        assert chat(running).status == 200
    running.settled()
    lose(redis, running, snapshot)
    calls = running.upstream.totals()["calls"]
    for _ in range(20):
        assert chat(running).status == 503
        time.sleep(0.1)
    assert running.upstream.totals()["calls"] == calls
    assert "switchyard_epoch_lost 1" in town.ask(f"{running.door.admin_url}/metrics").body.decode()
    with pytest.raises(AssertionError, match="there is no snapshot in"):
        command(running, "budgets", "rebuild")
    assert "from the snapshot of" in command(running, "budgets", "rebuild", folder=tmp_path)
    until(lambda: served(running))
    ledger, truth = running.settled()
    assert ledger == truth
    assert told(running, "budgets", "audit")[0]["what"] == "budgets rebuild"


def test_without_any_snapshot_an_operator_takes_the_counters_as_they_are(place):
    """R14: `budgets rebuild --without-snapshot` makes hard budgets serve again."""
    redis, running = place
    snapshot = running.door.folder / ".switchyard" / "snapshot.json"
    lose(redis, running, snapshot)
    assert chat(running).status == 503
    assert "as they are" in command(running, "budgets", "rebuild", "--without-snapshot")
    until(lambda: served(running))
    until(snapshot.exists)


def in_snapshot(running):
    """What the proxy's snapshot has of the key's budget."""
    saved = json.loads((running.door.folder / ".switchyard" / "snapshot.json").read_bytes())
    return sum(spent for name, (spent, *_) in saved["counters"].items() if ":m:b:web.total:" in name)


def lose(redis, running, snapshot):
    """The data and the proxy's snapshot of it, both at once as far as the proxy can see."""
    running.door.signal(signal.SIGSTOP)
    snapshot.unlink(missing_ok=True)
    redis.command("FLUSHALL")
    running.door.signal(signal.SIGCONT)
