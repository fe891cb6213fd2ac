"""More than there is room for: refusals come at once, in OpenAI's shape, and cost nobody else anything."""

import concurrent.futures
import hashlib
import json
import time

import pytest
from town import PROVIDER_KEY, proxy, sandbox

from tests.test_main_job import post, wait_until

KEYS = {"greedy": "sk-sy-greedy", "modest": "sk-sy-modest"}
CONFIG = """
server: {{max_in_flight: 16}}
auth: {{mode: keys}}
redis: {{embedded: single-node}}
providers:
  a: {{kind: openai, base_url: "{a}/v1", api_key: ${{OPENAI_API_KEY}}, max_connections: 2, max_waiting: 1}}
  b: {{kind: openai, base_url: "{b}/v1", api_key: ${{OPENAI_API_KEY}}}}
models:
  gpt-4.1-mini: {{deployments: [{{provider: b}}]}}
keys:
  - {{name: greedy, hash: "sha256:{greedy}"}}
  - {{name: modest, hash: "sha256:{modest}"}}
"""


@pytest.fixture(scope="module")
def town():
    hashes = {name: hashlib.sha256(key.encode()).hexdigest() for name, key in KEYS.items()}
    with sandbox() as a, sandbox() as b:
        config = CONFIG.format(a=a.url, b=b.url, **hashes)
        with proxy(None, config, {"OPENAI_API_KEY": PROVIDER_KEY}) as door:
            yield a, b, door


def chat(door, key, model="gpt-4.1-mini", text="hello"):
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    return post(f"{door.url}/chat/completions", body, {"authorization": f"Bearer {KEYS[key]}"})


def test_a_tenant_over_its_share_is_refused_and_another_is_served(town):
    """One key fills the house as far as it may; its next request is a 429, the other key's is answered."""
    _, b, door = town
    b.forget()
    b.fault({"action": "slow_first", "seconds": 4, "match": {"contains": "greedy"}})
    with concurrent.futures.ThreadPoolExecutor(14) as pool:
        running = [pool.submit(chat, door, "greedy", text=f"greedy {n}") for n in range(14)]
        wait_until(lambda: len(b.calls()) == 14)
        began = time.monotonic()
        status, headers, text = chat(door, "greedy", text="one more")
        took_s = time.monotonic() - began
        assert (status, json.loads(text)["error"]["code"]) == (429, "rate_limit_exceeded")
        assert headers["retry-after"] == "1"
        assert took_s < 2
        assert chat(door, "modest")[0] == 200
        assert [future.result()[0] for future in running] == [200] * 14
    assert chat(door, "greedy")[0] == 200


def test_a_provider_with_no_connection_free_is_a_503_at_once(town):
    """Two connections and one place in the queue: the fourth call is refused fast, nothing is sent twice, and the
    deployment's health is not touched."""
    a, _, door = town
    a.forget()
    a.fault({"action": "slow_first", "seconds": 3})
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        running = [pool.submit(chat, door, "greedy", "a/gpt-4.1-mini", f"n {n}") for n in range(3)]
        wait_until(lambda: len(a.calls()) == 2)
        wait_until(lambda: chat(door, "modest", "a/gpt-4.1-mini", "more")[0] == 503)
        for _ in range(6):
            status, headers, text = chat(door, "modest", "a/gpt-4.1-mini", "more")
            assert status == 503
            assert headers["retry-after"] == "1"
            assert json.loads(text)["error"]["type"] == "server_error"
        assert door.row(headers["x-switchyard-request-id"])["cost_nano"] == 0
        assert [future.result()[0] for future in running] == [200] * 3
    assert len(a.calls()) == 3
    assert not [line for line in door.lines if line.get("event") == "breaker" and line.get("provider") == "a"]
