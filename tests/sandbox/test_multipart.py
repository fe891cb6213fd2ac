"""Multipart bodies: the broken ones are refused, never tripped over."""

import pytest

from tests.sandbox.kit import KEY, Caller, form


@pytest.fixture
def api():
    return Caller()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{}", {**KEY, "content-type": "application/json"}),
        (b"nothing", {**KEY, "content-type": "multipart/form-data; boundary=XYZ"}),
        (b"--XYZ\r\nbroken\r\n--XYZ--\r\n", {**KEY, "content-type": "multipart/form-data; boundary=XYZ"}),
        form(("purpose", None, b"batch")),
        form(("file", "a", b"x")),
        form(("purpose", None, b"fun"), ("file", "a", b"x")),
    ],
    ids=["json", "no parts", "broken part", "no file", "no purpose", "odd purpose"],
)
def test_a_broken_upload_is_a_400(api, body, headers):
    """Never a crash."""
    assert api.send("POST", "/v1/files", body, headers).status == 400
