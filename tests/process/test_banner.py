"""What is said at the start: who answers and why, and what is certain to go wrong."""

from pathlib import Path

import pytest

from proxy.app.blueprint import Blueprint
from proxy.app.configuration import read_configuration
from proxy.process.banner import banner
from proxy.process.order import Order

OWN = "providers: {mine: {base_url: 'http://127.0.0.1:8000/v1'}}"
AZURE = (
    "providers: {az: {kind: azure, base_url: 'https://x.openai.azure.com', api_version: 2025-04-01-preview}}"
)
SHIPPED = "providers: {openai: {api_key: '${OPENAI_API_KEY:-}'}}"


def said(text="", env=None, *, sandbox=False, order=None):
    configuration = read_configuration(Blueprint(None, text or None), env or {})
    return banner(configuration, 4000, 4001, order or Order(Path("x.yaml"), {}, None), sandbox=sandbox)


@pytest.mark.parametrize(
    ("text", "env", "provider"),
    [
        (SHIPPED, {}, "openai"),
        (SHIPPED, {"OPENAI_API_KEY": "sk-x"}, None),
        (OWN, {}, None),
        (AZURE, {}, "az"),
        (f"auth: {{mode: passthrough}}\n{SHIPPED}", {}, None),
    ],
)
def test_a_provider_that_must_refuse_is_named_at_the_start(text, env, provider):
    """Without its key every call fails; a server of one's own, and callers with their own keys, need none."""
    banner_text = said(text, env)
    if provider is None:
        assert "***" not in banner_text
    else:
        assert f"No api_key for provider {provider}: it will refuse every call." in banner_text
        assert f"providers.{provider}.api_key" in banner_text and "--sandbox" in banner_text


def test_the_sandbox_says_why_it_answers():
    """Ordered, for want of a key, or for a demo, which also says that it sends traffic and where that is to be seen."""
    keyless = said(sandbox=True, order=Order(None, {}, None))
    ordered = said(sandbox=True, order=Order(None, {}, sandbox=True))
    demo = said(sandbox=True, order=Order(None, {}, sandbox=True, demo=True))
    assert "no provider key was found" in keyless
    assert "as asked for" in ordered and "no provider key" not in ordered
    assert "send traffic" in demo and "http://127.0.0.1:4001/" in demo and "no provider key" not in demo
