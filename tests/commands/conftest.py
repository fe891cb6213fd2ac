"""A running proxy to type at: each file says with which CONFIG."""

import pytest
import town


@pytest.fixture(scope="module")
def upstream():
    with town.sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def door(upstream, request):
    with town.proxy(upstream, request.module.CONFIG) as running:
        yield running
