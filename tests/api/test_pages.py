"""What answers on the two ports, and what an unknown caller gets there."""

import itertools

import pytest
from wire import Line, ask, bearer, posts, written

from proxy.api.data import HOT

DATA_PATHS = [
    *HOT, "/", "/v1", "/v1/", "/v1/models", "/v1/models/gpt-4.1-mini", "/v1/switchyard/me", "/livez", "/readyz", "/metrics",
    "/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect", "/admin", "/admin/status", "/health", "/v1/files",
    "/v1/batches", "/v1/images/generations", "/v1/audio/speech", "/v1/responses/resp_1", "/v1/fine_tuning/jobs",
    "/v1//chat/completions", "/v1/chat/completions/", "/V1/models", "/v1/models/../../metrics", "/v1/%6dodels", "/.env",
    "/sandbox/calls", "/v1/chat/completions%00", "/livez/", "//livez",
]  # fmt: skip
ADMIN_PATHS = [
    "/", "/metrics", "/admin", "/admin/status", "/admin/", "/livez", "/readyz", "/docs", "/redoc", "/openapi.json", "/v1/models",
    "/v1/chat/completions", "/metrics/", "/Metrics", "/admin/../metrics", "/%61dmin/status",
]  # fmt: skip
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "PURGE"]
HEALTH = {("GET", "/livez"), ("HEAD", "/livez"), ("GET", "/readyz"), ("HEAD", "/readyz")}
# Hosts by which other gateways were talked into believing that a request is for another path or from inside.
BAD_HOSTS = [
    "localhost/livez", "x/livez?", "127.0.0.1:4000/livez#", "localhost@evil", "evil.example", "a\tb", "[::1", "localhost:99999",
    "/livez", "?", "livez", "localhost, livez", "127.0.0.1\\livez", "%6c", "a b", "\x7f",
]  # fmt: skip


def sweep(port, paths, headers=None):
    """(method, path) → status of every combination; each on the wire as it is written here."""
    found = {}
    for method, path in itertools.product(METHODS, paths):
        with Line(port) as line:
            line.send(written(method, path, b"{}" if method in ("POST", "PUT", "PATCH") else b"", headers))
            answer = line.head()
            found[method, path] = answer.status
            if method != "HEAD" and answer.status >= 400:
                asks = path == "/" and answer.status == 401  # the operator's page, asking for the key
                wanted = "text/html; charset=utf-8" if asks else "application/json"
                assert answer.headers["content-type"] == wanted, (method, path, answer.raw)
    return found


def test_without_a_key_only_health_answers_on_the_data_port(keyed, upstream):
    """Every route with every method: 401, 404 or 405, nothing else, and nothing reaches upstream."""
    found = sweep(keyed.port, DATA_PATHS)
    answered = {route for route, status in found.items() if status < 400}
    assert answered == HEALTH
    assert set(found.values()) <= {200, 400, 401, 404, 405}
    assert posts(upstream) == []


def test_a_key_opens_no_hidden_pages(keyed, keys):
    """Docs, schema, metrics and the admin pages are not on the public port, key or not."""
    for path in ("/docs", "/redoc", "/openapi.json", "/metrics", "/admin", "/admin/status"):
        assert ask(keyed.port, "GET", path, headers=bearer(keys["full"])).status == 404


def test_without_the_admin_key_only_health_answers_on_the_admin_port(keyed):
    """Where an admin key is set it is asked for everywhere else."""
    found = sweep(keyed.admin_port, ADMIN_PATHS)
    assert {route for route, status in found.items() if status < 400} == HEALTH
    assert set(found.values()) <= {200, 400, 401, 404, 405}


@pytest.mark.parametrize("path", ["/metrics", "/admin/status"])
def test_the_admin_key_opens_the_admin_port(keyed, keys, admin_key, path):
    """The admin key, whole and with its scheme; a client's key is none."""
    assert ask(keyed.admin_port, "GET", path, headers=bearer(admin_key)).status == 200
    wrong = (keys["full"], admin_key[:-1], admin_key + "x", "", admin_key.upper())
    for headers in (
        *map(bearer, wrong),
        {"authorization": admin_key},
        {"authorization": f"Basic {admin_key}"},
    ):
        answer = ask(keyed.admin_port, "GET", path, headers=headers)
        assert answer.status == 401
        assert answer.error["code"] == "invalid_api_key"


def test_metrics_are_prometheus_text(keyed, admin_key):
    """With the content type scrapers go by."""
    answer = ask(keyed.admin_port, "GET", "/metrics", headers=bearer(admin_key))
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"# TYPE switchyard_requests_total counter" in answer.body


@pytest.mark.parametrize("host", BAD_HOSTS)
@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions"])
def test_no_host_header_opens_a_door(keyed, upstream, host, path):
    """Routing and auth look at the request line alone; a malformed Host is a 400 and nothing else changes."""
    method = "GET" if path == "/v1/models" else "POST"
    answer = ask(keyed.port, method, path, b"{}" if method == "POST" else b"", {"host": host})
    assert answer.status in (400, 401)
    assert posts(upstream) == []


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_no_host_header_opens_the_admin_port(keyed, host):
    """The same there."""
    assert ask(keyed.admin_port, "GET", "/metrics", headers={"host": host}).status in (400, 401)


@pytest.mark.parametrize("target", ["http://evil/livez", "http://localhost/livez", "*", "localhost:443"])
def test_other_request_targets_open_nothing(keyed, target):
    """Absolute, asterisk and authority form."""
    for method in ("GET", "POST", "OPTIONS", "CONNECT"):
        with Line(keyed.port) as line:
            line.send(written(method, target))
            assert line.head().status >= 400


def test_refusals_carry_a_request_id(keyed):
    """Support questions begin with one; the SDK shows `x-request-id`."""
    for path in ("/v1/models", "/v1/nothing", "/v1/chat/completions"):
        answer = ask(keyed.port, "POST" if "chat" in path else "GET", path, b"{}" if "chat" in path else b"")
        assert answer.headers["x-request-id"] == answer.headers["x-switchyard-request-id"]
        assert answer.headers["x-request-id"].startswith("sy-")


def test_answers_of_our_own_carry_a_request_id(keyed, keys):
    """A new one each, as every answer of the API does."""
    ids = set()
    for path in ("/v1/models", "/v1/models/gpt-4.1-mini", "/v1/switchyard/me"):
        answer = ask(keyed.port, "GET", path, headers=bearer(keys["full"]))
        assert answer.status == 200
        assert answer.headers["x-request-id"] == answer.headers["x-switchyard-request-id"]
        ids.add(answer.headers["x-request-id"])
    assert len(ids) == 3


def test_what_is_turned_away_is_counted_and_logged(keyed, admin_key):
    """Refusals without a row are counted once, and their line has the id that was answered."""
    before = refusals(keyed, admin_key)
    answer = ask(keyed.port, "POST", "/v1/chat/completions", b"{}", bearer("sk-nobody-canary"))
    line = keyed.wait_for(lambda line: line.get("request_id") == answer.headers["x-request-id"])
    assert (line["event"], line["status"], line["error"]) == ("refused", 401, "invalid_api_key")
    assert line["endpoint"] == "chat"
    assert refusals(keyed, admin_key) == before + 1


def test_health_needs_no_key_and_no_host(keyed):
    """Probes are simple programs; HEAD works as well."""
    for port in (keyed.port, keyed.admin_port):
        assert ask(port, "GET", "/livez").body == b"ok\n"
        assert ask(port, "GET", "/readyz").body == b"ok\n"
        assert ask(port, "GET", "/readyz?verbose=1").status == 200


def refusals(door, admin_key):
    text = ask(door.admin_port, "GET", "/metrics", headers=bearer(admin_key)).body.decode()
    wanted = 'switchyard_refusals_total{reason="invalid_api_key"}'
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(wanted))
