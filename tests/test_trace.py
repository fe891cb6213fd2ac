"""What is known of a running request ends in the right field of its row, and is billed as seen."""

import json

import msgspec

from proxy.nouns import (
    Arm,
    Asks,
    Call,
    Caller,
    Candidate,
    Endpoint,
    LedgerRow,
    Plan,
    PriceRow,
    Reason,
    Usage,
)
from proxy.parse import parse
from proxy.trace import Trace, user_hash
from proxy.upstreams.seen import Seen

PRICE = PriceRow(1_000_000, 2_000_000, 1_000_000, 1_000_000, 1_000_000, 1_000_000, 2_000_000, 1_000_000, 0)
BODY = {"model": "alias", "stream": True, "user": "ada", "messages": [{"role": "user", "content": "x" * 400}]}


def running(**candidate) -> Trace:
    """A request whose attempt began at 101 s and was first heard at 101.5 s."""
    call = Call("sy-1", Endpoint.CHAT, b"/chat/completions", b"", (), Asks(), 1_700_000_000.5, 100.0)
    trace = Trace(call, Caller("id", "name", "team"))
    trace.parsed(parse(Endpoint.CHAT, json.dumps(BODY).encode()))
    chosen = Candidate("model", "provider", Reason.TASK, price=PRICE, **candidate)
    trace.plan = Plan("alias", (chosen,), route="route", task="task")
    trace.considering(chosen, fallback=False)
    trace.sending(101.0)
    trace.heard(101.5)
    return trace


def test_every_field_of_a_row_holds_what_its_name_says():
    """The row is filled by position, so each field is looked at by name."""
    trace = running(changes=("n",), arm=Arm("leave", "new", "unit", 1))
    trace.seen = Seen(model="model-2026-01-01", finish="length", events=3)
    trace.status, trace.error = 200, "cut"
    trace.usage, trace.cost_nano = Usage(10, 5, source="bound"), 77
    assert msgspec.structs.asdict(trace.row(102.25)) == {
        "request_id": "sy-1",
        "attempt": 1,
        "at": 1_700_000_000.5,
        "endpoint": "chat",
        "key_id": "id",
        "key_name": "name",
        "team": "team",
        "user_hash": user_hash("id", "ada"),
        "asked": "alias",
        "served": "model",
        "response_model": "model-2026-01-01",
        "provider": "provider",
        "route": "route",
        "task": "task",
        "reason": "task",
        "status": 200,
        "finish": "length",
        "error": "cut",
        "stream": True,
        "usage": Usage(10, 5, source="bound"),
        "cost_nano": 77,
        "estimated": True,
        "first_byte_ms": 1500.0,
        "duration_ms": 2250.0,
        "overhead_ms": 1000.0,
        "changes": ("n",),
        "migration": "leave",
        "arm": "new",
    }


def test_a_row_before_anything_is_known_is_empty_where_it_must_be():
    """A request refused before it was read: nobody served it, nothing was used."""
    call = Call("sy-1", Endpoint.CHAT, b"/chat/completions", b"", (), Asks(), 0.0, 100.0)
    row = Trace(call, Caller("id", "name")).row(100.25)
    unknown = (row.asked, row.served, row.response_model, row.provider, row.route, row.task, row.reason)
    assert unknown == ("",) * 7
    assert (row.attempt, row.stream, row.estimated, row.usage.source) == (0, False, False, "none")
    assert (row.first_byte_ms, row.duration_ms, row.overhead_ms) == (0.0, 250.0, 250.0)


def test_the_next_attempt_starts_with_a_clean_slate():
    """What the one before it said, cost or failed of is not the next one's."""
    trace = running()
    trace.seen, trace.error = Seen(finish="stop", usages=[b'{"prompt_tokens":9,"total_tokens":9}']), "cut"
    trace.account(whole=True)
    assert trace.cost_nano == 9
    trace.sending(103.0)
    assert (trace.seen, trace.error, trace.usage.source, trace.cost_nano) == (None, "", "none", 0)
    trace.seen = Seen(done=True, usages=[b'{"prompt_tokens":7,"total_tokens":7}'])
    trace.account()
    assert trace.row(104.0).cost_nano == 7


def test_an_answer_whose_usage_cannot_be_read_is_estimated():
    """A usage object without counts says nothing: the answer is not free for it."""
    trace = running()
    trace.seen = Seen(done=True, finish="stop", text_bytes=300, usages=[b"{}"])
    trace.account()
    assert trace.usage.source == "estimated"
    assert trace.usage.input_tokens > 100
    assert trace.usage.output_tokens == 100
    assert trace.cost_nano > 0


def test_a_name_is_printable_in_a_header_however_long_it_is():
    """No name starts a header of its own, kept for the next request or too long to be."""
    for name in ("a\r\nx-evil: 1", "a\r\nx-evil: 1" * 100):
        trace = running()
        trace.candidate = Candidate(name, "provider", Reason.TASK)
        told = dict(trace.headers(102.0))[b"x-switchyard-model"]
        assert told.startswith(b"a??x-evil: 1") and b"\r" not in told and b"\n" not in told


def test_a_row_with_a_broken_name_is_still_a_row():
    """Half a surrogate pair is no text: it is kept as a replacement character, and the rest as it is."""
    row = msgspec.structs.replace(running().row(103.0), asked="a\ud800b", status=200, cost_nano=7)
    kept = msgspec.json.decode(row.as_json(), type=LedgerRow)
    assert (kept.asked, kept.cost_nano, kept.status) == ("a\ufffdb", 7, 200)
