"""Where a running proxy connects to, as the kernel saw it: its store, the configured providers, nobody else."""

import json
import re
import shutil
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from town import PROVIDER_KEY, proxy, sandbox

from tests.test_main_job import HELLO, post
from tests.upstreams.anthropic_server import KEY, anthropic

CONFIG = """
providers:
  openai: {{kind: openai, base_url: "{openai}/v1", api_key: ${{OPENAI_API_KEY}}}}
  claude: {{kind: litellm, litellm_provider: anthropic, base_url: "{claude}", api_key: ${{ANTHROPIC_API_KEY}}}}
budgets: [{{name: company, scope: global, usd: 100, per: month}}]
"""
CALL = re.compile(r"connect\(\d+, \{(.*?)\}, \d+\)")


def traceable(folder):
    """Whether this machine lets one process watch another."""
    if shutil.which("strace") is None:
        return False
    command = ["strace", "-D", "-f", "-qq", "-o", str(folder / "probe"), "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def destinations(record):
    """Every address in the record: a unix socket's path, or host and port; what the kernel calls without an address is
    neither."""
    for address in CALL.findall(record):
        if "AF_UNIX" in address:
            yield re.search(r'sun_path=@?"([^"]*)"', address).group(1)
        elif "AF_INET" in address:
            port = re.search(r"port=htons\((\d+)\)", address).group(1)
            host = re.search(r'inet_(?:addr|pton)\((?:AF_INET6, )?"([^"]+)"', address).group(1)
            yield f"{host}:{port}"


def test_connections_go_to_the_store_and_the_configured_hosts_only(tmp_path, monkeypatch):
    """Start, model polls, chats to an OpenAI-compatible server and through litellm, bodies full of other addresses: the
    kernel's record of every connect() of parent, workers and store has nothing else in it."""
    if not traceable(tmp_path):
        pytest.skip("needs strace and the right to use it")
    record, wrapper = tmp_path / "connects", tmp_path / "python"
    wrapper.write_text(
        f'#!/bin/sh\nexec strace -D -f -qq -e trace=connect -o {record} {sys.executable} "$@"\n'
    )
    wrapper.chmod(0o755)
    with sandbox() as upstream, anthropic() as claude:
        monkeypatch.setattr(sys, "executable", str(wrapper))
        env = {"OPENAI_API_KEY": PROVIDER_KEY, "ANTHROPIC_API_KEY": KEY}
        with proxy(None, CONFIG.format(openai=upstream.url, claude=claude.url), env) as door:
            own = {f"127.0.0.1:{door.port}", f"127.0.0.1:{door.admin_port}"}
            for model in ("gpt-4.1-mini", "claude/claude-haiku-4-5"):
                for stream in (False, True):
                    body = {"model": model, "messages": HELLO, "stream": stream, "max_tokens": 50}
                    status, _, text = post(f"{door.url}/chat/completions", body)
                    assert status == 200, text
            for name in ("api_base", "base_url", "custom_llm_provider"):
                for model in ("gpt-4.1-mini", "claude/claude-haiku-4-5"):
                    body = {"model": model, "messages": HELLO, name: "http://127.0.0.2:9"}
                    assert post(f"{door.url}/chat/completions", body)[0] == 400
            parts = [{"type": "image_url", "image_url": {"url": "http://127.0.0.3:9/x.png"}}]
            body = {"model": "claude/claude-haiku-4-5", "messages": [{"role": "user", "content": parts}]}
            assert post(f"{door.url}/chat/completions", body)[0] == 400
            folder = str(door.folder)
        monkeypatch.undo()
    wanted = {urlsplit(upstream.url).netloc, urlsplit(claude.url).netloc}
    seen = set(destinations(record.read_text()))
    other = {to for to in seen - wanted - own if not to.startswith((folder, ".switchyard"))}
    assert other == set(), json.dumps(sorted(seen))
    assert wanted <= seen
