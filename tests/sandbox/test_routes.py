"""Paths, methods and path parameters."""

import pytest

from proxy.sandbox.models import get_model
from proxy.sandbox.routes import other_methods, route


def test_a_path_leads_to_its_handler_with_its_parameters():
    """Exact paths win over patterns; parameters never span a slash."""
    assert route("GET", "/v1/models/gpt-5") == (get_model, {"model": "gpt-5"})
    assert route("GET", "/v1/models/a/b") is None
    assert route("POST", "/v1/responses/input_tokens")[1] == {}


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/v1/chat/completions", {"GET", "POST"}), ("/v1/models/x", {"GET"}), ("/v1/none", set())],
)
def test_the_methods_of_a_path_are_known(path, methods):
    """To tell 405 from 404."""
    assert set(other_methods(path)) == methods
