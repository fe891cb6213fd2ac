"""One client in every way to be let in, and with its names routed: keys, passthrough, SWITCHYARD_ROUTE."""

import hashlib

import openai
import pytest
from cases import CHAT_TOOLS, HELLO, LIVING, RETIRED, broken
from programs import PROVIDER_KEY, proxy

KEY, OTHER = "sk-ours-0123456789abcdef0123456789abcdef", "sk-ours-fedcba9876543210fedcba9876543210"


def user(text):
    return [{"role": "user", "content": text}]


def connect(door, key, **wishes):
    return openai.OpenAI(base_url=door.url, api_key=key, max_retries=0, **wishes)


# ---- keys ----------------------------------------------------------------------------------------------------------


def hashed(key):
    return hashlib.sha256(key.encode()).hexdigest()


@pytest.fixture(scope="module")
def _keyed(_upstream):
    config = f"""
auth: {{mode: keys}}
providers:
  openai: {{kind: openai, base_url: "{_upstream.url}/v1", api_key: {PROVIDER_KEY}}}
keys:
  - {{name: everything, hash: "sha256:{hashed(KEY)}"}}
  - {{name: little, hash: "sha256:{hashed(OTHER)}", models: [{LIVING}], endpoints: [chat, models]}}
"""
    with proxy(_upstream, config) as running:
        yield running


@pytest.fixture
def keyed(upstream, _keyed):
    """A proxy that knows two keys, one of which may do little."""
    return _keyed


def test_a_key_lets_in(keyed, upstream):
    """The app's key opens the door; upstream sees only the provider's."""
    with connect(keyed, KEY) as client:
        assert client.chat.completions.create(model=LIVING, messages=user(HELLO)).choices
        assert list(client.chat.completions.create(model="auto", messages=user(HELLO), stream=True))
        assert client.responses.create(model=LIVING, input=HELLO).output_text
        assert client.embeddings.create(model="text-embedding-3-small", input="a").data
        assert LIVING in {model.id for model in client.models.list()}
    assert {call["key"] for call in upstream.calls()} == {PROVIDER_KEY}


@pytest.mark.parametrize("key", ["sk-wrong", KEY[:-1], KEY + "x"])
def test_a_wrong_key_is_an_authentication_error(keyed, upstream, key):
    """401 with OpenAI's class and code, for every endpoint, and nothing goes upstream."""
    with connect(keyed, key) as client:
        for ask in (
            lambda: client.chat.completions.create(model=LIVING, messages=user(HELLO)),
            lambda: client.chat.completions.create(model=LIVING, messages=user(HELLO), stream=True),
            lambda: client.responses.create(model=LIVING, input=HELLO),
            client.models.list,
        ):
            with pytest.raises(openai.AuthenticationError) as refused:
                ask()
            assert refused.value.type == "invalid_request_error"
            assert refused.value.code == "invalid_api_key"
            assert key not in refused.value.message
    assert upstream.calls() == []


def test_a_key_uses_only_what_it_may(keyed):
    """Models and endpoints beyond the key's are PermissionDeniedError; the list shows the allowed ones."""
    with connect(keyed, OTHER) as client:
        assert client.chat.completions.create(model=LIVING, messages=user(HELLO)).choices
        with pytest.raises(openai.PermissionDeniedError) as refused:
            client.chat.completions.create(model="gpt-5", messages=user(HELLO))
        assert refused.value.code == "model_not_allowed"
        with pytest.raises(openai.PermissionDeniedError):
            client.responses.create(model=LIVING, input=HELLO)
        assert {model.id for model in client.models.list()} == {LIVING, f"{LIVING}-2025-04-14"}


# ---- passthrough ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def _passing(_upstream):
    config = f"""
auth: {{mode: passthrough}}
providers:
  openai: {{kind: openai, base_url: "{_upstream.url}/v1"}}
"""
    with proxy(_upstream, config) as running:
        yield running


@pytest.fixture
def passing(upstream, _passing):
    """A proxy that lets the caller's own provider key through."""
    yield _passing
    upstream.control(accept_keys=None)


def test_the_callers_own_key_goes_through(passing, upstream):
    """Key, organisation and project reach the provider as the app sent them."""
    upstream.control(accept_keys=["sk-mine"])
    with connect(passing, "sk-mine", organization="org-1", project="proj-1") as client:
        assert client.chat.completions.create(model=RETIRED, messages=user(HELLO)).choices
        assert list(client.chat.completions.create(model=LIVING, messages=user(HELLO), stream=True))
        assert client.responses.create(model=LIVING, input=HELLO).output_text
    sent = upstream.calls()[-1]
    assert sent["key"] == "sk-mine"
    assert sent["headers"]["openai-organization"] == "org-1"
    assert sent["headers"]["openai-project"] == "proj-1"


def test_the_providers_refusal_of_it_comes_back(passing, upstream):
    """A wrong key of the caller's own is the caller's to know about."""
    upstream.control(accept_keys=["sk-mine"])
    with connect(passing, "sk-wrong") as client, pytest.raises(openai.AuthenticationError) as refused:
        client.chat.completions.create(model=LIVING, messages=user(HELLO))
    assert refused.value.code == "invalid_api_key"


# ---- names that are routed -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def _rerouted(_upstream):
    with proxy(_upstream, env={"SWITCHYARD_ROUTE": f"{RETIRED},{LIVING}"}) as running:
        yield running


@pytest.fixture
def rerouted(upstream, _rerouted):
    """A proxy where apps keep both names and are routed by task nonetheless."""
    with connect(_rerouted, "any") as client:
        yield client


TRANSLATION = "Translate to French: good morning"
PROOF = "Prove that the square root of 2 is irrational."


@pytest.mark.parametrize("model", [RETIRED, LIVING])
@pytest.mark.parametrize("task", [TRANSLATION, PROOF])
def test_what_a_name_allows_its_route_takes(rerouted, model, task):
    """Whatever is valid for the name in the request is no error, whoever serves it."""
    wishes = (
        {"reasoning_effort": "low"}
        if model == RETIRED
        else {"temperature": 0.2, "stop": ["zzz"], "max_tokens": 3000}
    )
    answer = rerouted.chat.completions.create(model=model, messages=user(task), tools=CHAT_TOOLS, **wishes)
    assert answer.choices[0].message.content
    assert list(rerouted.chat.completions.create(model=model, messages=user(task), stream=True, **wishes))


@pytest.mark.parametrize("task", [TRANSLATION, PROOF])
def test_what_a_reasoning_name_allows_on_responses(rerouted, task):
    """Effort, a summary and sealed reasoning are good for o4-mini, and so for the route behind its name."""
    answer = rerouted.responses.create(
        model=RETIRED,
        input=task,
        reasoning={"effort": "low", "summary": "auto"},
        store=False,
        include=["reasoning.encrypted_content"],
    )
    assert answer.output_text


def test_a_routed_stream_that_breaks_raises(rerouted):
    """As for any other name."""
    with pytest.raises(openai.APIError):
        list(rerouted.chat.completions.create(model=LIVING, messages=user(broken("cut:3")), stream=True))
