"""What handlers return."""

from proxy.sandbox.answers import Answer, Quirks, json_answer


def test_a_json_answer_is_whole_and_says_its_type():
    """Text stays UTF-8."""
    answer = json_answer({"a": "é", "b": None}, status=201)
    assert (answer.status, answer.body, answer.frames) == (201, '{"a":"é","b":null}'.encode(), None)
    assert answer.content_type == "application/json"


def test_the_default_is_a_healthy_answer():
    """No quirk unless a fault asks for it."""
    assert Quirks() == Quirks(usage="given", extra=False, done=True, filler_bytes=0)
    assert (Answer().status, Answer().bill) == (200, None)
