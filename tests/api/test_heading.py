"""A head that repeats the one before it is compared instead of read; whatever differs is read anew."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire import Line, asking, bearer, posts, written

from proxy.api.heading import Heading
from proxy.errors import ApiError

HOT = ("1.1", b"POST", b"/v1/chat/completions")
SDK = [
    (b"Host", b"127.0.0.1:4000"),
    (b"Authorization", b"Bearer sk-one"),
    (b"Content-Type", b"application/json"),
    (b"x-stainless-read-timeout", b"600"),
    (b"Content-Length", b"17"),
    (b"Accept", b"*/*"),
]
NAMES = [name for name, _ in SDK] + [
    b"content-encoding",
    b"content-length",
    b"Expect",
    b"Transfer-Encoding",
    b"x-switchyard-task",
]
VALUES = [value for _, value in SDK] + [
    b"Bearer sk-two",
    b"18",
    b" 17",
    b"17 ",
    b"1_7",
    b"chunked",
    b"100-continue",
    b"",
]
FIELDS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=8)


def facts(heading: Heading, fields) -> tuple:
    """All that is asked of a head, a refusal included."""
    said = []
    for question in (lambda: heading.body_bytes(fields), heading.asks, heading.credential):
        try:
            said.append(question())
        except ApiError as refusal:
            said.append((type(refusal), str(refusal)))
    return (
        fields,
        heading.modern,
        heading.coding,
        heading.expects_continue,
        heading.up,
        heading.credentials,
        *said,
    )


@settings(max_examples=500, deadline=None, database=None)
@given(
    first=st.one_of(st.just(SDK), FIELDS),
    edits=st.lists(
        st.tuples(st.integers(0, 8), st.sampled_from(NAMES), st.sampled_from(VALUES), st.integers(0, 2)),
        max_size=2,
    ),
    line=st.sampled_from(
        [HOT, HOT, HOT, ("1.0", *HOT[1:]), ("1.1", b"GET", HOT[2]), (*HOT[:2], b"/v1/responses")]
    ),
)
def test_a_repeated_head_means_what_it_means_when_it_is_read(first, edits, line):
    """For any two heads: where the second counts as a repetition of the first, everything asked of it is answered as if it
    had been read by itself."""
    try:
        before = Heading(*HOT, first)
    except ApiError:
        return
    second = list(first)
    for at, name, value, kind in edits:
        second[at : at + (kind > 0)] = [] if kind == 2 else [(name, value)]
    fields = before.repeated(*line, second)
    if fields is None:
        assert (line, second) != (HOT, first)
        return
    try:
        alone = Heading(*line, second)
    except ApiError as refusal:
        with pytest.raises(type(refusal)):
            before.body_bytes(fields)
        return
    assert facts(before, fields) == facts(alone, alone.fields)


def test_only_its_length_may_differ():
    """Another length is still a repetition; another key, target, value, name or order is not."""
    before = Heading(*HOT, SDK)
    assert before.repeated(*HOT, list(SDK)) == before.fields
    longer = [*SDK[:4], (b"Content-Length", b"2000"), SDK[5]]
    assert before.body_bytes(before.repeated(*HOT, longer)) == 2000
    assert before.body_bytes(before.fields) == 17
    for other in (
        [SDK[0], (b"Authorization", b"Bearer sk-two"), *SDK[2:]],
        [*SDK[:5], (b"Accept", b"text/html")],
        [*SDK[:5], (b"Accept-", b"*/*")],
        [*SDK[:4], (b"Content-Lengths", b"17"), SDK[5]],
        [SDK[0], (b"authorization", b"Bearer sk-one"), *SDK[2:]],
        SDK[::-1],
        SDK[:5],
        [*SDK, (b"X-More", b"1")],
    ):
        assert before.repeated(*HOT, other) is None
    assert before.repeated("1.1", b"POST", b"/v1/responses", SDK) is None


def test_a_connection_that_changes_hands_is_judged_anew(keyed, keys, upstream):
    """A good key, then a wrong one, none, and the good one again, on one connection with the same head otherwise: as a
    proxy in front of us would send them. Nobody lives on the key of the request before."""
    path, body = (
        "/v1/chat/completions",
        b'{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"hi"}]}',
    )
    with Line(keyed.port) as line:
        statuses = []
        for headers in (
            bearer(keys["full"]),
            bearer("sk-wrong"),
            {},
            bearer(keys["full"]),
            bearer(keys["full"]),
        ):
            line.send(written("POST", path, body + b" " * len(statuses), headers))
            statuses.append(line.answer().status)
    assert statuses == [200, 401, 401, 200, 200]
    assert len(posts(upstream)) == 3


def test_bodies_of_other_lengths_arrive_whole(keyed, keys, upstream):
    """The same client asks things of different lengths over one connection: each is answered for what it said."""
    said = ["a" * length for length in (1, 2000, 1, 70_000, 3)]
    with Line(keyed.port) as line:
        for text in said:
            line.send(
                written(
                    "POST", "/v1/chat/completions", json.dumps(asking(text)).encode(), bearer(keys["full"])
                )
            )
            assert line.answer().status == 200
    assert [call["body"]["messages"][0]["content"] for call in posts(upstream)] == said
