"""The matrix of tests/models/matrix.py over sockets: every ordered pair of models × every request shape, through a running
proxy, against the strict simulated API. What arrived there is compared with what was sent. Figures are printed (`-s`)."""

import contextlib
import http.client
import json
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from town import proxy, sandbox

from tests.models import matrix
from tests.models.carried import chat_meaning, responses_meaning
from tests.models.shapes import SHAPES

pytestmark = pytest.mark.chaos

CLIENTS = 4
CONFIG = """
server: {workers: 1, port: 0}
providers:
  openai: {kind: openai, base_url: "${OPENAI_BASE_URL}", api_key: "${OPENAI_API_KEY}"}
models:
  gpt-oss-120b: {deployments: [{provider: openai}], usd_per_m: {input: 0.15, output: 0.60}}
  o4-mini: {shutdown: 2099-01-01}
  o3-mini: {shutdown: 2099-01-01}
routes:
""" + "".join(f"  to-{target}: {{default: [{target}]}}\n" for target in matrix.NAMES)


class Door:
    """One client's connection to the proxy."""

    def __init__(self, port):
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._connection.connect()
        # Head and body are two writes; without this each cell waits 40 ms for an acknowledgement.
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self):
        self._connection.close()

    def ask(self, source, target, name):
        """(status, headers, body) of one cell. The key that names the cell reaches the provider's log."""
        headers = {
            "content-type": "application/json",
            "x-switchyard-route": f"to-{target}",
            "idempotency-key": f"{source} {target} {name}",
        }
        body = json.dumps({"model": source, **SHAPES[name]})
        self._connection.request("POST", "/v1/chat/completions", body, headers)
        answer = self._connection.getresponse()
        return answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()


def chunks(body):
    """The JSON chunks of a stream, which must have ended well."""
    events = [event[6:] for event in body.decode().split("\n\n") if event.startswith("data: ")]
    assert events[-1:] == ["[DONE]"], body[-300:]
    return [json.loads(event) for event in events[:-1]]


def choices_of(shape, body):
    """index → (text, tool calls, finish reason) as a client assembles them."""
    if not shape.get("stream"):
        made = json.loads(body)["choices"]
        return {
            one["index"]: (
                one["message"]["content"] or "",
                len(one["message"].get("tool_calls") or ()) + bool(one["message"].get("function_call")),
                one["finish_reason"],
            )
            for one in made
        }
    out = {}
    for chunk in chunks(body):
        for one in chunk["choices"]:
            text, calls, finish = out.get(one["index"], ("", 0, None))
            delta = one["delta"]
            begun = sum(1 for call in delta.get("tool_calls") or () if call.get("id"))
            out[one["index"]] = (
                text + (delta.get("content") or ""),
                calls + begun,
                finish or one["finish_reason"],
            )
    return out


def wrong_answer(shape, body):
    """What is wrong with an answer: its number of choices, a stop sequence that was not obeyed, a schema, an end."""
    found = choices_of(shape, body)
    faults = []
    if sorted(found) != list(range(shape.get("n") or 1)):
        faults.append(f"choices {sorted(found)}")
    stops = shape.get("stop") or ()
    stops = [stops] if isinstance(stops, str) else stops
    for text, calls, finish in found.values():
        faults += [f"said {stop!r}" for stop in stops if stop in text]
        if finish not in ("stop", "tool_calls", "function_call", "length"):
            faults.append(f"finish {finish}")
        if finish == "stop" and not calls and not text and not stops:
            faults.append("nothing was said")
        if "json_schema" in str(shape.get("response_format")) and finish == "stop" and text and not stops:
            json.loads(text)
    return faults


def wrong_call(source, target, name, headers, calls):
    """(letter, faults): the calls that arrived for a cell, next to what was asked for."""
    shape, faults = SHAPES[name], []
    tokens = tuple([token for token in headers.get("x-switchyard-changes", "").split(", ") if token])
    over = calls[0]["path"] == "/v1/responses"
    if len(calls) != ((shape.get("n") or 1) if over else 1):
        faults.append(f"{len(calls)} calls")
    for call in calls:
        if call["status"] != 200:
            faults.append(f"refused upstream: {call['error_message']}")
        asked = chat_meaning({"model": source, **shape})
        came = (responses_meaning if over else chat_meaning)(call["body"])
        for what, value in asked.items():
            said = any(token.startswith(matrix.SAID_AS.get(what, (f"{what}:",))) for token in tokens)
            if came[what] != value and not said:
                faults.append(f"{what}: {value!r} became {came[what]!r}")
        before, after = matrix.effort_in_force(shape, source), came_effort(call["body"], target, over=over)
        if before != after and not any(token.startswith("reasoning") for token in tokens):
            faults.append(f"effort {before} became {after}")
    return ("r" if over else "~" if tokens else "."), faults


def came_effort(body, target, *, over):
    if not matrix.STRICT_MODELS[target].family.reasoning:
        return "none"
    written = (body.get("reasoning") or {}).get("effort") if over else body.get("reasoning_effort")
    return written or matrix.effort_in_force({"messages": SHAPES["plain"]["messages"]}, target)


def judged(source, target, name, answer, calls):
    """The cell's letter and everything wrong with it."""
    status, headers, body = answer
    letter, _ = matrix.cell(SHAPES[name], source, target)
    if letter == "x" and status == 400:  # said before anything was sent
        return "x", [f"sent {len(calls)} calls all the same"] if calls else []
    if status != 200:
        return "!", [f"{status} {body[:200]!r}"]
    if not calls:
        return "!", ["nothing arrived"]
    if headers["x-switchyard-model"] != target:
        return "!", [f"served by {headers['x-switchyard-model']}"]
    served, faults = wrong_call(source, target, name, headers, calls)
    return served, faults + wrong_answer(SHAPES[name], body)


def served(port, source):
    """(target, shape name) → answer, of every cell of one source that is a valid request."""
    names = [name for name, shape in SHAPES.items() if matrix.valid(shape, source)]

    def lane(number):
        cells = [(target, name) for target in matrix.NAMES[number::CLIENTS] for name in names]
        with contextlib.closing(Door(port)) as door:
            return {cell: door.ask(source, *cell) for cell in cells}

    with ThreadPoolExecutor(CLIENTS) as pool:
        return {cell: answer for part in pool.map(lane, range(CLIENTS)) for cell, answer in part.items()}


def test_every_pair_and_shape_is_served_over_sockets_as_it_was_meant():
    """A request valid for the model it names is never a parameter error at another, and what the provider got and the
    client read is what was asked for, or the difference is listed."""
    began, letters, bad = time.monotonic(), Counter(), []
    with sandbox("--revive", "*") as upstream, proxy(upstream, CONFIG) as door:
        for source in matrix.NAMES:
            upstream.forget()
            answers, arrived = served(door.port, source), {}
            for call in upstream.calls():
                arrived.setdefault(call["headers"]["idempotency-key"], []).append(call)
            for (target, name), answer in answers.items():
                calls = arrived.get(f"{source} {target} {name}", [])
                letter, faults = judged(source, target, name, answer, calls)
                letters[letter] += 1
                bad += [(source, target, name, *faults)] if faults else []
    took_s = time.monotonic() - began
    print(f"{sum(letters.values())} cells in {took_s:.0f} s: {dict(letters)}; faults {len(bad)}")
    assert bad == [], f"{len(bad)} bad cells, first: {bad[:20]}"
    assert sum(letters.values()) > 10_000
    assert all(letters[letter] > 500 for letter in ".~r")
