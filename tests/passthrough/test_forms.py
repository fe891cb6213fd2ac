"""The scanner finds the model of a form wherever it is cut into pieces, and refuses what two readers could read in two ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.passthrough.forms import FormError, FormScanner, is_form

KIND = b"multipart/form-data; boundary=XX"
FIELD = b'--XX\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
FILE = (
    b'--XX\r\nContent-Disposition: form-data; name="file"; filename="x \\" y.wav"\r\n'
    b"Content-Type: audio/wav\r\n\r\n%b\r\n"
)
END = b"--XX--\r\n"


def scanned(form, size, kind=KIND):
    scanner = FormScanner(kind)
    for start in range(0, len(form), size):
        scanner.feed(form[start : start + size])
    return scanner


@given(
    st.integers(1, 400), st.binary(max_size=300).filter(lambda content: b"--XX" not in content), st.booleans()
)
def test_the_model_is_found_in_pieces_of_any_size(size, content, after):
    """Before or behind a file of any content, with its place in the form."""
    parts = [FIELD % (b"language", b""), FIELD % (b"model", b"whisper-1"), FILE % content]
    form = b"".join(reversed(parts) if after else parts) + END
    scanner = scanned(form, size)
    start, end = scanner.span
    assert (scanner.model, form[start:end], scanner.ended, scanner.in_file) == (
        "whisper-1",
        b"whisper-1",
        True,
        True,
    )


def test_a_form_without_a_model_has_none():
    """And an empty model is an empty one, which is not the same."""
    assert scanned(FILE % b"x" + END, 7).model is None
    assert scanned(FIELD % (b"model", b"") + END, 7).model == ""


def test_what_follows_the_end_is_not_read():
    """An epilogue is nobody's business."""
    assert scanned(FIELD % (b"model", b"a") + END + FIELD % (b"model", b"b"), 9).model == "a"


@pytest.mark.parametrize(
    "form",
    [
        FIELD % (b"model", b"a") + FIELD % (b"model", b"b"),
        FIELD % (b"Model", b"a"),
        FIELD % (b" model", b"a"),
        FIELD % (b"model", b"a" * 400),
        FIELD % (b"model", b"\xff"),
        FIELD % (b"model", b"a\nb"),
        b'--XX\r\nContent-Disposition: form-data; name="model"; filename="m"\r\n\r\na\r\n',
        b"--XX\r\nContent-Disposition: form-data; name=model\r\n\r\na\r\n",
        b"--XX\r\nContent-Disposition: form-data; name*=utf-8''model\r\n\r\na\r\n",
        b'--XX\r\nContent-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="model"\r\n\r\na\r\n',
        b'--XX\r\nContent-Disposition: form-data; name="model"\r\nContent-Type: text/plain; charset=utf-7\r\n\r\na\r\n',
        b"--XX\r\nContent-Type: text/plain\r\n\r\na\r\n",
        b"--XX\r\n" + b"a: b\r\n" * 3000,
        b"--XX \r\n" + FIELD[6:] % (b"model", b"a"),
        FILE % b'a\n--XX\nContent-Disposition: form-data; name="model"\n\ntts-1',
        b"x--XX\r\n",
    ],
)
@pytest.mark.parametrize("size", [1, 13, 100_000])
def test_what_can_be_read_in_two_ways_is_no_form(form, size):
    """Whatever a lenient reader might take for another model."""
    with pytest.raises(FormError):
        scanned(form + END, size)


@pytest.mark.parametrize(
    "kind",
    [
        b"application/json",
        b"multipart/form-data",
        b"multipart/mixed; boundary=XX",
        b"multipart/form-data; boundary=XX; boundary=YY",
        b"multipart/form-data; charset=x; boundary=XX",
        b"multipart/form-data; boundary=" + b"x" * 71,
    ],
)
def test_only_a_plain_content_type_is_a_form(kind):
    """One boundary and nothing else."""
    with pytest.raises(FormError):
        FormScanner(kind)


def test_a_quoted_boundary_is_one_too():
    """As some clients write it."""
    kind = b'Multipart/Form-Data; boundary="XX"'
    assert is_form(kind)
    assert not is_form(b"application/json")
    assert scanned(FIELD % (b"model", b"a") + END, 5, kind).model == "a"
