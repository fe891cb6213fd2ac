"""Canaries: keys and content are put in at every entrance and looked for at every exit."""

import hashlib
import json
import pathlib
import re

import pytest
import town
from accepting import Accepting
from wire import Line, ask, asking, bearer, chat, written

from proxy.app.blueprint import Blueprint
from proxy.app.configuration import read_configuration
from proxy.app.keys import build_keys

PROMPT, USER, SYSTEM, TOOL = (
    "canary-prompt-3f9a",
    "canary-user-77b1",
    "canary-system-02ce",
    "canary-tool-9d4e",
)
CLIENT, PASSED, ADMIN = (
    "sk-canary-client-5e5e",
    "sk-canary-passed-8a8a",
    "canary-admin-0123456789abcdef0123456789",
)
PROVIDER, SECOND, ORGANIZATION = "sk-canary-provider-1b2c", "sk-canary-second-6f6f", "org-canary-4d4d"
CONTENT = (PROMPT, USER, SYSTEM, TOOL)
SECRETS = (CLIENT, PASSED, ADMIN, PROVIDER, SECOND)

CONFIG = """
server: {{admin_key: "${{ADMIN_KEY}}", drain_seconds: 1}}
auth: {{mode: {mode}}}
providers:
  openai: {{base_url: "{url}/v1", api_key: "${{PROVIDER_KEY}}", organization: "{organization}"}}
  echo: {{base_url: "http://127.0.0.1:{echo}/v1", api_key: "${{SECOND_KEY}}", timeouts: {{first_byte_s: 3}}}}
  tls: {{base_url: "https://127.0.0.1:{echo}/v1", api_key: "${{SECOND_KEY}}"}}
  gone: {{base_url: "http://127.0.0.1:9/v1", api_key: "${{SECOND_KEY}}"}}
models:
{models}
{keys}
"""
NAMES = ("echo", "tls", "gone")
MODELS = "".join(
    f"  {name}-model: {{family: open, deployments: [{{provider: {name}}}], context: 100000, max_output: 1000, "
    "usd_per_m: {input: 1, output: 1}}\n"
    for name in NAMES
)
STATUSES = (400, 401, 403, 404, 429, 500)


class Echo(Accepting):
    """A provider that puts whatever it was sent into its error: headers, key and body. The prompt names the status."""

    def serve(self, sock):
        with sock:
            try:
                sock.sendall(self._answer(sock.recv(1 << 20)))
            except OSError:
                return

    def _answer(self, sent):
        text = sent.decode("latin-1")
        status = next((status for status in STATUSES if f"status {status}" in text), 401)
        code = {401: "invalid_api_key", 403: "forbidden", 429: "insufficient_quota"}.get(status)
        if "as html" in text:
            body, kind = f"<html>{text}</html>".encode("latin-1"), "text/html"
        else:
            key = next((line for line in text.split("\r\n") if line.lower().startswith("authorization")), "")
            error = {
                "message": f"Incorrect API key provided: {key}",
                "type": "x",
                "param": None,
                "code": code,
            }
            body, kind = json.dumps({"error": error}).encode(), "application/json"
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nx-request-id: req_1\r\n"
        return (head + "set-cookie: canary-cookie=1\r\nconnection: close\r\n\r\n").encode() + body


def started(upstream, echo, mode, keys=""):
    config = CONFIG.format(
        mode=mode, url=upstream.url, echo=echo.port, organization=ORGANIZATION, models=MODELS, keys=keys
    )
    env = {"ADMIN_KEY": ADMIN, "PROVIDER_KEY": PROVIDER, "SECOND_KEY": SECOND}
    return town.proxy(upstream, config, env)


def hashed(key):
    return hashlib.sha256(key.encode()).hexdigest()


@pytest.fixture(scope="module")
def run(_upstream):
    """Everything that can go wrong with canaries everywhere; afterwards what was answered, said, logged and counted."""
    echo = Echo()
    seen = {"answers": [], "ours": []}
    keys = f'keys: [{{name: app, hash: "sha256:{hashed(CLIENT)}"}}]'
    with started(_upstream, echo, "keys", keys) as door:
        for headers in (
            bearer(CLIENT),
            bearer(CLIENT + "x"),
            {"authorization": f"Basic {CLIENT}"},
            {"api-key": CLIENT},
        ):
            for said in (
                "hi",
                "[[sandbox:500]]",
                "[[sandbox:401]]",
                "[[sandbox:403]]",
                "[[sandbox:quota]]",
                "[[sandbox:429]]",
            ):
                seen["ours"].append(asked(door, said, headers))
            seen["ours"].append(asked(door, "[[sandbox:cut:2]]", headers, stream=True))
            seen["ours"].append(asked(door, "[[sandbox:error_inside:0]]", headers, stream=True))
        for model in ("echo-model", "tls-model", "gone-model"):
            for status in STATUSES if model == "echo-model" else (401,):
                for extra in ("", " as html"):
                    seen["answers"].append(
                        asked(door, f"status {status}{extra}", bearer(CLIENT), model=model)
                    )
        for body in (
            b'{"model": "' + PROMPT.encode(),
            PROMPT.encode(),
            b'{"model":7,"x":"' + PROMPT.encode() + b'"}',
        ):
            seen["ours"].append(ask(door.port, "POST", "/v1/chat/completions", body, bearer(CLIENT)))
        for path in (f"/v1/{CLIENT}", f"/v1/models/x?key={CLIENT}"):
            seen["ours"].append(ask(door.port, "GET", path.replace(CLIENT, "x"), headers=bearer(CLIENT)))
        seen["admin"] = [
            ask(door.admin_port, "GET", path, headers=headers)
            for path in ("/metrics", "/admin/status", "/admin/nothing")
            for headers in (bearer(ADMIN), bearer(CLIENT), {})
        ]
        (door.folder / "switchyard.yaml").write_text(
            (door.folder / "switchyard.yaml").read_text().replace("mode: keys", "mode: kees")
        )
        door.wait_for(lambda line: line["event"] == "reload_refused")
        with Line(door.port) as line:  # a stream that the end of the process cuts
            body = {**asking(f"[[sandbox:hang_mid:3]] {PROMPT}"), "stream": True}
            line.send(written("POST", "/v1/chat/completions", json.dumps(body).encode(), bearer(CLIENT)))
            line.head()
            door.process.terminate()
            door.process.wait(15)
        said = (door.folder / "stderr").read_text()
    seen["log"], seen["stderr"] = json.dumps(door.lines), said
    echo.stop()
    return seen


def asked(door, said, headers, **fields):
    body = {
        **asking(f"{said} {PROMPT}", user=USER),
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "description": TOOL, "parameters": {"type": "object"}},
            }
        ],
        **fields,
    }
    body["messages"].insert(0, {"role": "system", "content": SYSTEM})
    return ask(door.port, "POST", "/v1/chat/completions", body, headers)


def hits(text, canaries):
    return [canary for canary in canaries if canary in text]


def test_the_log_holds_no_content_and_no_key(run):
    """Every request left a line, and none of them any of the canaries."""
    assert run["log"].count('"event": "request"') > 20
    assert hits(run["log"], CONTENT + SECRETS) == []


def test_stderr_holds_no_content_and_no_key(run):
    """Nor does what is said at start, on a refused reload and at the end."""
    assert "The running configuration is kept." in run["stderr"]
    assert hits(run["stderr"], CONTENT + SECRETS) == []


def test_metrics_and_the_admin_port_hold_none(run):
    """Whoever may read them may not read those."""
    statuses = {answer.status for answer in run["admin"]}
    assert statuses >= {200, 401}
    for answer in run["admin"]:
        assert hits((answer.raw + answer.body).decode(), CONTENT + SECRETS) == []


def test_answers_hold_no_key(run):
    """Ours or theirs, in headers or bodies, whatever failed: not the provider's, and the caller's own is not quoted."""
    for answer in run["answers"] + run["ours"]:
        text = (answer.raw + answer.body).decode("utf-8", "replace")
        assert hits(text, (ADMIN, PROVIDER, ORGANIZATION, "canary-cookie")) == [], text
        assert hits(text, (CLIENT,)) == [], text


def test_a_provider_that_echoes_our_key_is_not_relayed(run):
    """In the refusals that are about the key (401, 403, quota) and in HTML pages of whatever stands in between."""
    for answer in run["answers"]:
        if b"x-request-id: req_1" not in answer.raw or b"without an OpenAI error body" in answer.body:
            assert SECOND not in (answer.raw + answer.body).decode("utf-8", "replace")


def test_an_error_of_any_kind_loses_our_key(run):
    """Also a 400 or a 500 whose text quotes it."""
    for answer in run["answers"]:
        assert SECOND not in (answer.raw + answer.body).decode("utf-8", "replace")


def test_our_own_errors_quote_no_content(run):
    """A body that cannot be read is not repeated to whoever sent it, nor to the log."""
    for answer in run["ours"]:
        if answer.status in (401, 403, 503):
            assert hits(answer.body.decode(), CONTENT) == []


def test_a_passthrough_key_leaves_no_trace(_upstream):
    """It goes up and nowhere else: not into the log, stderr, metrics or status, also when it is refused or cut."""
    echo = Echo()
    with started(_upstream, echo, "passthrough") as door:
        for said in ("hi", "[[sandbox:401]]", "[[sandbox:500]]", "[[sandbox:429]]"):
            answer = chat(door.port, f"{said} {PROMPT}", bearer(PASSED), user=USER)
            assert PASSED not in (answer.raw + answer.body).decode()
        pages = [
            ask(door.admin_port, "GET", path, headers=bearer(ADMIN)).body.decode()
            for path in ("/metrics", "/admin/status")
        ]
        door.process.terminate()
        door.process.wait(15)
        said = (door.folder / "stderr").read_text()
    echo.stop()
    for text in (json.dumps(door.lines), said, *pages):
        assert hits(text, CONTENT + SECRETS) == []


def test_nothing_that_is_printed_shows_a_secret(tmp_path):
    """`repr` of what holds secrets: settings, configuration, key ring, in every mode."""
    text = CONFIG.format(
        mode="keys", url="http://127.0.0.1:1", echo=2, organization="o", models=MODELS,
        keys=f'keys: [{{name: app, hash: "sha256:{hashed(CLIENT)}"}}]',
    )  # fmt: skip
    env = {"ADMIN_KEY": ADMIN, "PROVIDER_KEY": PROVIDER, "SECOND_KEY": SECOND}
    configuration = read_configuration(Blueprint("x.yaml", text), env)
    settings = configuration.settings
    for value in (
        configuration,
        settings,
        settings.providers,
        settings.server,
        settings.keys,
        build_keys(settings),
    ):
        for shown in (repr(value), str(value)):
            assert hits(shown, SECRETS) == []
            assert hashed(CLIENT) not in shown


def test_no_secret_is_committed():
    """Nothing in the tree looks like a key of a provider, a private key or a token of a forge."""
    looks = re.compile(
        rb"sk-(?:proj-|svcacct-)?[A-Za-z0-9]{32,}|-----BEGIN (?:RSA |EC |OPENSSH )?PRIVATE KEY-----|gh[pousr]_[A-Za-z0-9]{36}|"
        rb"AKIA[0-9A-Z]{16}|xox[abprs]-[A-Za-z0-9-]{10,}|AIza[0-9A-Za-z_-]{35}"
    )
    root = pathlib.Path(__file__).parents[1]
    skipped = {
        ".git",
        "node_modules",
        "__pycache__",
        ".hypothesis",
        ".mypy_cache",
        ".ruff_cache",
        ".switchyard",
    }
    for path in root.rglob("*"):
        if (
            path.is_file()
            and not any(part in skipped or part.startswith(".venv") for part in path.relative_to(root).parts)
            and path.stat().st_size < 5_000_000
        ):
            found = [match for match in looks.findall(path.read_bytes()) if b"0123456789" not in match]
            assert not found, f"{path.relative_to(root)}: {found[0][:12]!r}…"
