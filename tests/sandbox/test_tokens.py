"""Counting and splitting text, and the size of images."""

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sandbox.families import ImageCost
from proxy.sandbox.tokens import count, image_tokens, pieces


@given(st.text())
def test_pieces_spell_the_text_and_never_outnumber_its_bytes(text):
    """So a bound by bytes holds."""
    assert "".join(pieces(text)) == text
    assert len(pieces(text)) <= len(text.encode("utf-8", "surrogatepass"))
    assert count(text) <= len(text.encode("utf-8", "replace"))


def png(width, height):
    head = (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + b"IHDR"
        + struct.pack(">II", width, height)
        + b"rest of it"
    )
    return "data:image/png;base64," + base64.b64encode(head).decode()


@pytest.mark.parametrize(
    ("url", "detail", "cost", "tokens"),
    [
        ("https://x/y.png", "low", ImageCost(), 85),
        ("https://x/y.png", "auto", ImageCost(), 85 + 4 * 170),
        (png(512, 512), "high", ImageCost(), 85 + 170),
        (png(4096, 2048), "high", ImageCost(), 85 + 6 * 170),
        (png(64, 64), "high", ImageCost(patch=1.62), 7),
        ("data:image/png;base64,AAAA", "high", ImageCost(), 85 + 4 * 170),
        ("data:image/png;base64,!!!!", "high", ImageCost(), 85 + 4 * 170),
    ],
)
def test_an_image_costs_by_its_size(url, detail, cost, tokens):
    """Tiles or patches; unknown sizes count as 1024 squared."""
    assert image_tokens(url, detail, cost) == tokens
