"""Every operation is found by its path as it was sent, and by nothing that only looks like it."""

import pytest

from proxy.passthrough.surface import OPERATIONS, cursor, is_known, left_out, listing, match, replaced

FILES = match("GET", "/files").operation


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method} {one.path}")
def test_each_operation_is_found(operation):
    """With the id of the object it is about."""
    path = operation.path.replace("{}", "obj_1-A").replace("*", "msg_2")
    found = match(operation.method, path)
    assert found.operation is operation
    assert found.object_id == ("obj_1-A" if "{}" in operation.path else "")
    assert is_known(path)
    assert match("PATCH", path) is None


@pytest.mark.parametrize(
    "path",
    ["/files/a/b", "/files/a%2fb", "/files/..", "/files/.", "/files/", "/files/a.b", "/files/" + "a" * 201, "/filesx", "files"],
)  # fmt: skip
def test_what_only_looks_like_one_is_none(path):
    """No escapes, no dots, no slashes more or less."""
    assert match("GET", path) is None
    assert not is_known(path)


def test_what_is_left_out_is_told_by_its_first_segment():
    """And only that."""
    assert left_out("/threads/t_1/runs") == "threads"
    assert left_out("/vector_stores") == "vector_stores"
    assert left_out("/threadsx") == left_out("/models/threads") == left_out("") == ""


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", (1000, "limit=1000")),
        ("limit=5&order=asc", (5, "order=asc&limit=1000")),
        ("limit=5000", (1000, "limit=5000")),
        ("limit=0", (1000, "limit=0")),
        ("limit=x", (1000, "limit=x")),
        ("after=f_1&limit=2", (2, "after=f_1&limit=1000")),
    ],
)
def test_a_list_is_asked_for_in_large_pages(query, expected):
    """What is not the caller's is taken out of them; a limit that is none goes up to be refused."""
    assert listing(FILES, query) == expected


def test_a_cursor_is_replaced_wherever_it_was():
    """Written twice, it is written once."""
    assert replaced("after=a&x=&after=b", "after", "c d") == "x=&after=c+d"
    assert cursor("limit=2&after=f_1") == "f_1"
    assert cursor("") == ""
