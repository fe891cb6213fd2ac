"""What plans remember changes nothing: a request gets the candidates that it would get if nobody had asked before it."""

import json
import random
from dataclasses import replace

import pytest

from proxy.app.blueprint import Blueprint
from proxy.app.configuration import read_configuration
from proxy.errors import ApiError
from proxy.migration.state import Event, moved
from proxy.models.content import is_plain, kinds
from proxy.nouns import Asks, Caller, Endpoint
from proxy.parse import fields_of, parse
from proxy.planning.candidates import Gone, Yard, terms_of
from proxy.planning.plan import Planner
from proxy.planning.roadworks import roads_of
from proxy.routing.classifier import Classifier
from proxy.routing.pace import KEPT, Pace
from proxy.routing.verdicts import Verdicts

NOW = 1_795_000_000.0
"""After o4-mini's end, before gpt-4.1-mini's."""
ANYONE = Caller("open", "open")
CONFIG = """
models:
  small: {family: gpt-4.1, context: 20000, max_output: 4000, usd_per_m: {input: 0.1, cached: 0.01, output: 0.4}, latency: {ttft_s: 0.3, tokens_per_s: 100}, deployments: [{provider: openai}], modalities: {in: [text], out: [text]}}
  thinker: {family: o-series, context: 40000, max_output: 10000, usd_per_m: {input: 1, cached: 0.1, output: 4}, latency: {ttft_s: 5, tokens_per_s: 100}, deployments: [{provider: openai}]}
  reader: {family: gpt-4.1, context: 20000, max_output: 4000, usd_per_m: {input: 0.05, output: 0.45}, deployments: [{provider: openai}]}
  spread: {family: o-series, context: 40000, max_output: 10000, usd_per_m: {input: 0.2, cached: 0.15, output: 0.8}, latency: {ttft_s: 2, tokens_per_s: 100}, deployments: [{provider: openai, weight: 1}, {provider: other, weight: 1}]}
providers:
  openai: {kind: openai, base_url: "http://127.0.0.1:1/v1", api_key: k}
  other: {kind: openai, base_url: "http://127.0.0.1:2/v1", api_key: k}
routes:
  auto: {default: [small, o4-mini], tasks: {math: [thinker, o4-mini@low], code: [o4-mini, thinker], translation: [small]}, max_ttft_ms: 20000}
  strict: {default: [o4-mini, small], on_loss: reject}
  thrifty: {default: [thinker, reader, small], prefer: cheapest}
  capped: {default: [thinker, small], max_cost_usd: 0.005}
aliases: {team: auto}
"""
MIGRATION = "lifecycle: {allow_dearer: true}\nmigrations: [{name: leave, from: small, to: thinker@low, stages: [50, 100]}]\n"
SUCCESSOR = "gpt-6.1-terra"
"""Who stands in for o4-mini."""
ASKS = (
    Asks(),
    Asks(),
    Asks(),
    Asks(task="math"),
    Asks(task="translation"),
    Asks(route="strict"),
    Asks(max_cost_nano=50_000),
)
MODELS = (
    *("auto",) * 4,
    "team",
    "strict",
    "thrifty",
    "thrifty",
    "capped",
    "small",
    "thinker@low",
    "o4-mini",
    "spread",
    "openai/small",
    "other/small",
    "nobody",
)
WORDS = (
    "Prove that there are infinitely many primes.", "Translate to French: good morning", "thanks!",
    "Write a Python function that sorts a list.", 'the "name" of a "file"\n', "caf\u00e9", "Sum this up. " * 300, "Sum this up. " * 7_000,
)  # fmt: skip
FIELDS = {
    "temperature": (0.2, 1, None, "hot", 9),
    "reasoning_effort": ("low", "none", None, "much"),
    "max_tokens": (5, 64, None, 30_000),
    "max_completion_tokens": (5, 64, None),
    "logprobs": (True, False, None),
    "top_logprobs": (3, 20),
    "stop": ("x", ["x", "y"], [], None),
    "n": (1, 2),
    "tools": ([], [{"type": "function", "function": {"name": "f", "parameters": {}}}], [{"type": "custom", "name": "c"}]),
    "response_format": ({"type": "text"}, {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}),
    "modalities": (["text"], ["text", "audio"]),
    "user": ("a", "b", None),
    "metadata": ({"a": "1"}, {"a": "2"}, None),
    "store": (True, False),
    "stream": (True, False),
    "service_tier": ("flex", "auto"),
    "unheard_of": (1, 2, None),
}  # fmt: skip


ALONE = (
    *[{}] * 90,
    *[{name: value} for name, values in FIELDS.items() for value in values],
    *[{"tools": FIELDS["tools"][1], "n": n} for n in (1, 2)]
    * 2,  # tools and reasoning go another way, one by one
)


def message(rng):
    """One of the user's, with what messages can contain."""
    text = rng.choice(WORDS)
    part = rng.choice((
        {"type": "text", "text": text},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        {"type": "file", "file": {"file_id": "f"}},
        {"type": "text", "text": text, "prompt_cache_breakpoint": {"mode": "explicit"}},
    ))  # fmt: skip
    content = rng.choice((text, text, text, text, text, [{"type": "text", "text": text}, part], [part]))
    return {"role": "user", "content": content, **rng.choice(({}, {}, {}, {}, {}, {"name": "n"}))}


def body(rng):
    """A request that others resemble: few shapes of messages, and few fields at once."""
    messages = [message(rng) for _ in range(rng.choice((1, 1, 1, 1, 2)))]
    if rng.random() < 0.1:
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        messages += [
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "1"},
        ]
    sent = rng.choice(ALONE) | (rng.choice(ALONE) if rng.random() < 0.15 else {})
    text = json.dumps({"model": rng.choice(MODELS), "messages": messages, **sent})
    # An encoder that escapes a letter of a word that somebody might search for.
    return (text.replace("image_url", "image\\u005furl") if rng.random() < 0.3 else text).encode()


@pytest.fixture(scope="module")
def verdicts():
    return Verdicts(Classifier.load())


class World:
    """What plans are made in: a configuration, what is missing, how quick models are, and the time. All of it changes."""

    def __init__(self, verdicts, more=""):
        self.configuration = read_configuration(Blueprint(text=CONFIG + more, path="switchyard.yaml"), {})
        self.verdicts = verdicts
        self.gone: Gone = frozenset()
        self.paces: list[Pace] = []
        self.now = NOW

    def planner(self):
        settings, catalogue = self.configuration.settings, self.configuration.catalogue
        roads = {
            name: replace(road, state=moved(road.state, Event.START, now=NOW, who="", why=""))
            for name, road in roads_of(settings, catalogue, {}).items()
        }
        yard = Yard(settings, catalogue, {}, lambda: self.gone, roads)
        self.paces.append(Pace())
        return Planner(settings, yard, self.verdicts, self.paces[-1])

    def turn(self, rng):
        """Now and then something else is missing, a model becomes slow or quick, time passes, or a clock is set back."""
        chance = rng.random()
        model = rng.choice(("small", "thinker", SUCCESSOR))
        if chance < 0.01:
            provider = rng.choice(("openai", "other"))
            self.gone = frozenset({(provider, model)}) if rng.random() < 0.5 else frozenset()
        elif chance < 0.04:
            seconds = rng.choice((0.1, 30.0))
            for pace in self.paces:
                for effort in ("none", "low", "medium") * KEPT:
                    pace.note(("openai", model, effort), seconds, self.now)
        elif chance < 0.042:
            self.now += rng.choice((0.1, 90.0))
        elif chance < 0.0423:
            self.now = rng.choice((NOW, NOW + 60 * 86_400))


def outcome(plan, *asked):
    """What a caller gets: a plan, or a refusal in words."""
    try:
        return plan(*asked)
    except ApiError as refusal:
        return refusal.status, refusal.code, refusal.message


def made_anew(planner, *asked):
    """The plan as it is made for somebody who wants to know why, which nothing is remembered for."""
    considered = planner.consider(*asked)
    if considered.refusal is not None:
        raise considered.refusal
    return considered.plan


@pytest.mark.parametrize("more", ["", MIGRATION], ids=["plain", "migrating"])
def test_a_remembered_plan_is_the_one_that_would_be_made_anew(verdicts, more):
    """12,000 requests in a world that changes under way: one planner remembers, the other one is asked in the way that never
    does."""
    rng, world = random.Random(11), World(verdicts, more)
    warm, cold = world.planner(), world.planner()
    plans, again, seen = 0, 0, set()
    for _ in range(12_000):
        world.turn(rng)
        request = parse(Endpoint.CHAT, body(rng))
        asked = request, rng.choice(ASKS), ANYONE, world.now
        found = outcome(warm.plan, *asked)
        assert found == outcome(made_anew, cold, *asked), (request.fields.body, asked[1], world.gone)
        alike = (world.now // 60, terms_of(request))
        plans += not isinstance(found, tuple)
        again += alike in seen
        seen.add(alike)
    assert plans > 6_000, "most requests can be served"
    assert again > 4_000, "and many are like one of the same minute"


@pytest.mark.parametrize("model", ["auto", "o4-mini", "small"])
def test_requests_that_differ_in_their_words_share_their_candidates(verdicts, model):
    """The memory is used: who asks something else in the same way gets the very same candidates."""
    planner = World(verdicts).planner()

    def candidates(text, now=NOW, **more):
        request = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        return planner.plan(
            parse(Endpoint.CHAT, json.dumps(request).encode()), Asks(), ANYONE, now
        ).candidates

    first = candidates("Translate to French: good morning")
    assert candidates("Translate to French: good night", user="u1") is candidates(
        "Translate to French: hello", user="u2"
    )
    assert candidates("Translate to French: good night") is first
    assert candidates("Translate to French: good night", now=NOW + 60) is not first


def test_what_messages_contain_is_seen_without_reading_them(verdicts):
    """`is_plain` looks for bytes: it may only say yes where the decoded messages hold nothing that matters."""
    rng = random.Random(5)
    plain = 0
    for _ in range(3_000):
        fields = fields_of(body(rng))
        if fields.hides_letters():
            continue
        if is_plain(fields.raw("messages")):
            assert kinds(fields) == ()
            plain += 1
    assert plain > 500


def test_terms_that_are_long_or_hidden_or_would_be_edited_are_not_kept():
    """Callers must not fill the memory, a search for bytes must find what there is, and what is edited for one request is of no
    use to another."""

    def terms(**more):
        request = {"model": "auto", "messages": [{"role": "user", "content": "hello"}], **more}
        return terms_of(parse(Endpoint.CHAT, json.dumps(request).encode()))

    assert terms() is not None
    assert terms(metadata={"trace": "x" * 3_000}) == terms(metadata={}), "whatever it says"
    assert (
        terms(unheard_of="x" * 3_000) == terms(unheard_of="x" * 3_000) != terms(unheard_of="x" * 2_999 + "y")
    )
    assert sum(map(len, terms(unheard_of="x" * 3_000))) < 100
    assert terms(**{f"unheard_of_{number}": 1 for number in range(200)}) is None
    hidden = b'{"model": "auto", "messages": [{"role": "user", "content": [{"type": "image\\u005furl"}]}]}'
    assert terms_of(parse(Endpoint.CHAT, hidden)) is None
    marked = [{"type": "text", "text": "hello", "prompt_cache_breakpoint": {"mode": "explicit"}}]
    assert terms(messages=[{"role": "user", "content": marked}]) is None


def test_an_explanation_is_made_anew(verdicts):
    """Whoever asks why hears of every model that was considered, also when the plan is remembered."""
    planner = World(verdicts).planner()
    request = parse(Endpoint.CHAT, b'{"model": "auto", "messages": [{"role": "user", "content": "thanks!"}]}')
    plan = planner.plan(request, Asks(), ANYONE, NOW)
    considered = planner.consider(request, Asks(), ANYONE, NOW)
    assert considered.plan == plan
    assert [look.target.written for look in considered.looks] == ["small", "o4-mini"]
