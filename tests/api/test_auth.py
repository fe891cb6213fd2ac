"""Who may call what: our own keys, the caller's provider key, and nobody's."""

import ast
import hashlib
import inspect
import random
from pathlib import Path

import pytest
import town
from wire import ask, asking, bearer, chat, posts

from proxy.api import auth
from proxy.api.auth import Credential, Key, KeyRing
from proxy.errors import InvalidApiKey
from proxy.nouns import Caller
from proxy.settings import SettingsError, load

WRONG = "Incorrect API key provided. Ask whoever runs this proxy for a key."


@pytest.mark.parametrize(
    "authorization",
    ["Bearer sk-unknown", "Bearer " + "x" * 3000, "Bearer \xff\xfe", "bearer sk-full-canary-8c1", "Bearer sk-full-canary-8c1f x",
     "Bearer ../../etc/passwd", "Bearer ' OR 1=1 --"],
)  # fmt: skip
def test_unknown_and_malformed_keys_are_the_same_401(keyed, upstream, authorization):
    """One answer for all of them, so that nothing can be learnt from it, and nothing goes upstream."""
    answer = chat(keyed.port, headers={"authorization": authorization})
    assert answer.status == 401
    assert answer.error == {
        "message": WRONG,
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }
    assert posts(upstream) == []


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": ""}, {"authorization": "Bearer "}, {"authorization": "Basic c2s6"}, {"api-key": "sk-full-canary-8c1f"}],
)  # fmt: skip
def test_no_key_is_openais_401_without_a_code(keyed, upstream, headers):
    """A missing header and another scheme get OpenAI's own text; its `code` is null there."""
    answer = chat(keyed.port, headers=headers)
    assert answer.status == 401
    assert answer.error["code"] is None
    assert answer.error["message"].startswith("You didn't provide an API key.")
    assert posts(upstream) == []


def test_an_expired_key_is_refused_and_says_so(keyed, keys, upstream):
    """Its owner should ask for a new one, not look for a typing mistake."""
    answer = chat(keyed.port, headers=bearer(keys["expired"]))
    assert answer.status == 401
    assert answer.error["message"] == "This API key has expired."
    assert posts(upstream) == []


def test_two_authorization_headers_are_refused(keyed, keys, upstream):
    """Otherwise one could be judged and the other sent up."""
    headers = {"authorization": f"Bearer {keys['full']}", "Authorization": "Bearer sk-other"}
    assert chat(keyed.port, headers=headers).status == 401
    assert ask(keyed.port, "GET", "/v1/models", headers=headers).status == 401
    assert posts(upstream) == []


def test_a_good_key_is_served_with_our_credentials(keyed, keys, upstream):
    """The scheme's case does not matter; upstream sees the proxy's key, never the caller's."""
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert chat(keyed.port, headers={"authorization": f"{scheme} {keys['full']}"}).status == 200
    assert {call["key"] for call in posts(upstream)} == {town.PROVIDER_KEY}
    assert keys["full"] not in str(posts(upstream))


def test_a_key_limited_to_endpoints_is_refused_elsewhere(keyed, keys, upstream):
    """403 with a code of its own, before the body is looked at."""
    body = {"model": "text-embedding-3-small", "input": "x"}
    answer = ask(keyed.port, "POST", "/v1/embeddings", body, bearer(keys["narrow"]))
    assert answer.status == 403
    assert answer.error["code"] == "endpoint_not_allowed"
    assert posts(upstream) == []


@pytest.mark.parametrize(
    "name",
    [
        "ft:gpt-4.1-mini:acme::abc", "ft:gpt-4.1-mini-2025-04-14:acme::abc", "openai/gpt-4.1-mini", "openai%2Fgpt-4.1-mini",
        "gpt-4.1-mini@none", "openai/gpt-4.1-mini-2025-04-14@none",
    ],
)  # fmt: skip
def test_a_model_is_found_by_every_name_that_requests_may_use(keyed, keys, name):
    """Under the name that was asked for, also by a key that may use nothing else."""
    for key in ("full", "narrow"):
        found = ask(keyed.port, "GET", f"/v1/models/{name}", headers=bearer(keys[key])).json()
        assert found["id"] == name.replace("%2F", "/")
        assert set(found) == {"id", "object", "created", "owned_by", "shutdown_date"}


@pytest.mark.parametrize(
    "name",
    ["openai/nothing", "gpt-4.1-mini@somewhat", "ft:nothing:acme::abc", "gpt-4.1-mini-2031-01-01", "auto@low", "/", "@low", "ft:"],
)  # fmt: skip
def test_a_name_of_no_model_is_not_found(keyed, keys, name):
    """Nor what a key may not use by any spelling."""
    answer = ask(keyed.port, "GET", f"/v1/models/{name}", headers=bearer(keys["full"]))
    assert answer.status == 404
    assert answer.error["code"] == "model_not_found"
    for hidden in ("openai/gpt-4.1", "ft:gpt-4.1:acme::abc", "o4-mini@low"):
        assert ask(keyed.port, "GET", f"/v1/models/{hidden}", headers=bearer(keys["narrow"])).status == 404
        assert ask(keyed.port, "GET", f"/v1/models/{hidden}", headers=bearer(keys["full"])).status == 200


def test_a_key_without_the_models_endpoint_is_not_shown_them(keyed, keys):
    """It is an endpoint like the others; what a key has left of its budgets is its own business, and shown."""
    for path in ("/v1/models", "/v1/models/gpt-4.1-mini", "/v1/models/nothing"):
        answer = ask(keyed.port, "GET", path, headers=bearer(keys["chatty"]))
        assert answer.status == 403
        assert answer.error["code"] == "endpoint_not_allowed"
    assert ask(keyed.port, "GET", "/v1/switchyard/me", headers=bearer(keys["chatty"])).status == 200


def test_a_key_limited_to_models_is_refused_others(keyed, keys, upstream):
    """403 `model_not_allowed`; the names it lists and what an alias of its own leads to are served."""
    refused = chat(keyed.port, headers=bearer(keys["narrow"]), model="gpt-4.1")
    assert refused.status == 403
    assert refused.error["code"] == "model_not_allowed"
    assert posts(upstream) == []
    for name in ("gpt-4.1-mini", "team-default"):
        assert chat(keyed.port, headers=bearer(keys["narrow"]), model=name).status == 200


def test_models_are_listed_as_far_as_the_key_reaches(keyed, keys):
    """What a key may not use does not exist for it, in the list and by name."""
    listed = ask(keyed.port, "GET", "/v1/models", headers=bearer(keys["narrow"])).json()["data"]
    everything = ask(keyed.port, "GET", "/v1/models", headers=bearer(keys["full"])).json()["data"]
    assert {model["id"] for model in listed} == {"team-default", "gpt-4.1-mini", "gpt-4.1-mini-2025-04-14"}
    assert len(everything) > 10
    hidden = ask(keyed.port, "GET", "/v1/models/gpt-4.1", headers=bearer(keys["narrow"]))
    assert hidden.status == 404
    assert hidden.error["code"] == "model_not_found"
    assert ask(keyed.port, "GET", "/v1/models/gpt-4.1-mini", headers=bearer(keys["narrow"])).status == 200


TWO_PROVIDERS = """
auth: {{mode: passthrough}}
providers:
  first: {{base_url: "{first}/v1", api_key: sk-ours-first, organization: org-ours}}
  second: {{base_url: "{second}/v1", api_key: sk-ours-second}}
models:
  elsewhere: {{family: open, deployments: [{{provider: second}}], context: 1000, max_output: 100,
              usd_per_m: {{input: 1, output: 1}}}}
"""


@pytest.fixture(scope="module")
def passing(_upstream):
    with town.sandbox() as second:
        config = TWO_PROVIDERS.format(first=_upstream.url, second=second.url)
        with town.proxy(None, config) as door:
            yield door, second


def test_a_passthrough_key_goes_to_the_first_provider_as_it_came(passing, upstream):
    """With the caller's organization and project, and without any credential of ours."""
    door, _ = passing
    mine = {
        "authorization": "Bearer sk-callers-own",
        "openai-organization": "org-mine",
        "openai-project": "proj-mine",
    }
    assert chat(door.port, headers=mine).status == 200
    sent = posts(upstream)[-1]["headers"]
    assert {name: sent.get(name) for name in mine} == mine
    assert "ours" not in str(sent)


@pytest.mark.parametrize("model", ["elsewhere", "second/gpt-4.1-mini", "second/elsewhere"])
def test_a_passthrough_key_goes_nowhere_else(passing, upstream, model):
    """Not by a deployment, not by a provider's name in the model: the key belongs to the first provider alone."""
    door, second = passing
    before = len(posts(second))
    answer = chat(door.port, headers=bearer("sk-callers-own"), model=model)
    assert answer.status in (400, 404)
    assert len(posts(second)) == before


def test_a_passthrough_call_never_falls_back_elsewhere(passing, upstream):
    """Also when the first provider fails."""
    door, second = passing
    before = len(posts(second))
    answer = chat(door.port, "[[sandbox:500]] hi", bearer("sk-callers-own"))
    assert answer.status == 500
    assert len(posts(second)) == before


def test_passthrough_needs_some_key(passing, upstream):
    """Ours must never be used for somebody who brought none."""
    door, _ = passing
    assert chat(door.port).status == 401
    assert posts(upstream) == []


def test_the_callers_own_provider_error_is_shown_to_him(passing, upstream):
    """In passthrough mode the key is the caller's, so what the provider says of it is for him."""
    door, _ = passing
    answer = chat(door.port, "[[sandbox:401]] hi", bearer("sk-callers-own"))
    assert answer.status == 401
    assert answer.error["code"] == "invalid_api_key"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.com"])
def test_open_is_for_loopback_only(host):
    """Anybody who reaches the port would spend the owner's money."""
    text = f"server: {{host: '{host}', admin_key: '{'x' * 40}'}}\nauth: {{mode: open}}\n"
    with pytest.raises(SettingsError, match="open is for loopback only"):
        load(None, text, env={"OPENAI_API_KEY": "sk-x"})


@pytest.mark.parametrize("seed", range(20))
def test_a_key_that_shares_a_beginning_is_another_key(seed):
    """From the first byte to all but the last: what decides is the whole digest."""
    rng = random.Random(seed)
    right = bytes(rng.choices(range(33, 127), k=32))
    ring = ring_of(right)
    for shared in range(32):
        wrong = right[:shared] + bytes([right[shared] ^ 1]) + right[shared + 1 :]
        with pytest.raises(InvalidApiKey):
            ring.identify(Credential.of(b"Bearer " + wrong), 0.0)
    assert ring.identify(Credential.of(b"Bearer " + right), 0.0).key_id == "a"


def test_a_digest_found_under_another_is_refused():
    """The look-up alone does not let anybody in: the digests themselves are compared."""
    ring = KeyRing("keys", {hashlib.sha256(b"x").digest(): Key(b"\1" * 32, Caller("a", "a"))})
    with pytest.raises(InvalidApiKey):
        ring.identify(Credential.of(b"Bearer x"), 0.0)


def test_the_secret_comparison_is_constant_time_and_on_every_path():
    """Read from the code: the one comparison of a key is `compare_digest` of two 32-byte digests; no branch on the key
    comes between hashing and comparing, and no query, log or format string is made from it."""
    tree = ast.parse(Path(inspect.getfile(auth)).read_text())
    identify = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "identify")
    compared = [n for n in ast.walk(identify) if isinstance(n, ast.Attribute) and n.attr == "compare_digest"]
    assert len(compared) == 1
    test = next(
        n for n in ast.walk(identify) if isinstance(n, ast.If) and "compare_digest" in ast.dump(n.test)
    )
    first = test.test.values[0]
    assert "compare_digest" in ast.dump(first), "it runs before anything else of the condition can end it"
    assert "_NOBODY" in ast.dump(first), "an unknown key is compared as well"
    names = {"credential", "digest"}
    for node in ast.walk(identify):
        if isinstance(node, ast.Compare):
            used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
            assert not used & names, "a key is never compared with =="
        if isinstance(node, ast.JoinedStr | ast.Raise):
            used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
            assert not used & names, "no text is made from a key"


def test_a_caller_does_not_show_its_key():
    """Whoever prints a Caller or a Credential, in a log or a traceback, prints no key."""
    credential = Credential.of(b"Bearer sk-callers-own")
    caller = KeyRing("passthrough", {}).identify(credential, 0.0)
    assert caller.credential == b"Bearer sk-callers-own"
    assert "sk-callers-own" not in repr(caller) + repr(credential)


def test_expiry_is_a_moment():
    """Valid to the last instant before it."""
    ring = ring_of(b"k", expires_at=100.0)
    assert ring.identify(Credential.of(b"Bearer k"), 99.999).key_id == "a"
    with pytest.raises(InvalidApiKey):
        ring.identify(Credential.of(b"Bearer k"), 100.0)


def test_open_asks_nobody(door):
    """Without keys, with any key, and with nonsense."""
    for headers in ({}, bearer("x"), {"authorization": "nonsense"}):
        assert ask(door.port, "POST", "/v1/chat/completions", asking(), headers).status == 200


def ring_of(key, expires_at=None):
    digest = hashlib.sha256(key).digest()
    return KeyRing("keys", {digest: Key(digest, Caller("a", "a"), expires_at)})
