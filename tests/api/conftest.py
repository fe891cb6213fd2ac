"""A proxy whose callers need keys, shared by the tests of the data and the admin port."""

import hashlib

import pytest
import town

ADMIN_KEY = "admin-canary-0123456789abcdef0123456789abcdef"
KEYS = {
    "full": "sk-full-canary-8c1f",
    "narrow": "sk-narrow-canary-77aa",
    "chatty": "sk-chatty-canary-31ce",
    "expired": "sk-expired-canary-11d0",
}


def digest(key: str) -> str:
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


KEYED = f"""
server: {{max_json_mb: 1, max_in_flight: 6, admin_key: "{ADMIN_KEY}"}}
auth: {{mode: keys}}
aliases: {{team-default: auto}}
keys:
  - {{name: full, hash: "{digest(KEYS["full"])}"}}
  - {{name: narrow, hash: "{digest(KEYS["narrow"])}", models: [team-default, gpt-4.1-mini], endpoints: [chat, models]}}
  - {{name: chatty, hash: "{digest(KEYS["chatty"])}", endpoints: [chat]}}
  - {{name: expired, hash: "{digest(KEYS["expired"])}", expires: 2026-01-01}}
"""


@pytest.fixture(scope="session")
def _keyed(_upstream):
    with town.proxy(_upstream, KEYED) as running:
        yield running


@pytest.fixture
def keyed(upstream, _keyed):
    """A proxy in `keys` mode in front of `upstream`: `KEYS` says which, `ADMIN_KEY` guards its admin port."""
    return _keyed


@pytest.fixture
def keys():
    return KEYS


@pytest.fixture
def admin_key():
    return ADMIN_KEY
