"""What plans remember changes nothing: a request gets the candidates that it would get if nobody had asked before it."""

import gc
import json
import random
import tracemalloc
import weakref
from dataclasses import replace

import pytest

from proxy.app.blueprint import Blueprint
from proxy.app.configuration import read_configuration
from proxy.errors import ApiError, BadRequest, NotAllowed
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
from tests.planning.alike import EVERY, drawn

NOW = 1_795_000_000.0
"""After o4-mini's end, before gpt-4.1-mini's."""
ANYONE = Caller("open", "open")
LIMITED = Caller("few", "few", models=frozenset({"auto", "small", "o4-mini"}))
CONFIG = """
models:
  small: {family: gpt-4.1, context: 20000, max_output: 4000, usd_per_m: {input: 0.1, cached: 0.01, output: 0.4}, latency: {ttft_s: 0.3, tokens_per_s: 100}, deployments: [{provider: openai}], modalities: {in: [text], out: [text]}, endpoints: [chat, responses]}
  thinker: {family: o-series, context: 40000, max_output: 10000, usd_per_m: {input: 1, cached: 0.1, output: 4}, latency: {ttft_s: 5, tokens_per_s: 100}, deployments: [{provider: openai}], endpoints: [chat, responses]}
  reader: {family: gpt-4.1, context: 20000, max_output: 4000, usd_per_m: {input: 0.05, output: 0.45}, deployments: [{provider: openai}], endpoints: [chat, responses]}
  spread: {family: o-series, context: 40000, max_output: 10000, usd_per_m: {input: 0.2, cached: 0.15, output: 0.8}, latency: {ttft_s: 2, tokens_per_s: 100}, deployments: [{provider: openai, weight: 1}, {provider: other, weight: 1}]}
  bygone: {family: o-series, context: 40000, max_output: 10000, usd_per_m: {input: 0.2, output: 0.8}, deployments: [{provider: openai}], shutdown: 2026-06-01, successors: [spread]}
providers:
  openai: {kind: openai, base_url: "http://127.0.0.1:1/v1", api_key: k}
  other: {kind: openai, base_url: "http://127.0.0.1:2/v1", api_key: k}
routes:
  auto: {default: [small, o4-mini], tasks: {math: [thinker, o4-mini@low], code: {easy: [small], medium: [thinker], default: [o4-mini, thinker]}, translation: [small]}, max_ttft_ms: 20000}
  other-auto: {default: [reader], tasks: {math: [reader, small], code: [reader], translation: [thinker]}, max_ttft_ms: 20000}
  strict: {default: [o4-mini, small], on_loss: reject}
  thrifty: {default: [thinker, reader, small], prefer: cheapest}
  capped: {default: [thinker, small], max_cost_usd: 0.005}
aliases: {team: auto}
"""
MIGRATION = "lifecycle: {allow_dearer: true}\nmigrations: [{name: leave, from: small, to: thinker@low, stages: [50, 100]}]\n"
SUCCESSOR = "gpt-6.1-terra"
"""Who stands in for o4-mini."""
EASY = "Write a Python function that adds two numbers."
HARD = "Codeforces problem: Input n, m (1 <= n, m <= 10^5). Output the answer modulo 10^9+7. Time limit: 2 seconds. Write C++ code."
ASKS = (
    *(Asks(),) * 4,
    Asks(task="math"),
    Asks(task="translation"),
    Asks(route="strict"),
    Asks(max_cost_nano=50_000),
)


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
    """16,000 requests to all endpoints in a world that changes under way: one planner remembers, the other one is asked in the
    way that never does."""
    rng, world = random.Random(11), World(verdicts, more)
    warm, cold = world.planner(), world.planner()
    plans, again, seen = 0, 0, set()
    for _ in range(16_000):
        world.turn(rng)
        endpoint, body = drawn(rng)
        request = parse(endpoint, body)
        asked = request, rng.choice(ASKS), rng.choice((ANYONE, ANYONE, ANYONE, LIMITED)), world.now
        found = outcome(warm.plan, *asked)
        assert found == outcome(made_anew, cold, *asked), (endpoint, body, asked[1:], world.gone)
        alike = (world.now // 60, terms_of(request))
        plans += not isinstance(found, tuple)
        again += alike in seen
        seen.add(alike)
    assert plans > 8_000, "most requests can be served"
    assert again > 4_000, "and many are like one of the same minute"


@pytest.mark.parametrize("endpoint", list(EVERY))
def test_every_value_of_every_field_is_told_apart(verdicts, endpoint):
    """One after the other of the same planner: none gets what was found for another one."""
    world = World(verdicts)
    warm, cold = world.planner(), world.planner()
    asks = (Asks(), Asks(task="math"), Asks(task="translation"))
    for model in ("auto", "strict", "o4-mini", "thinker", "thinker@low"):
        for body in EVERY[endpoint]():
            request = parse(endpoint, json.dumps({"model": model, **body}).encode())
            for each in asks:
                asked = request, each, ANYONE, NOW
                assert outcome(warm.plan, *asked) == outcome(made_anew, cold, *asked), (model, body, each)


def test_every_route_and_difficulty_has_its_own_list(verdicts):
    """Also where another route was asked for the same task before, or the same route for an easier one."""
    planner = World(verdicts).planner()

    def first(model, text, task=""):
        request = {"model": model, "messages": [{"role": "user", "content": text}]}
        asked = parse(Endpoint.CHAT, json.dumps(request).encode()), Asks(task=task), ANYONE, NOW
        return planner.plan(*asked).candidates[0].model

    assert [first("auto", "hi", "math"), first("other-auto", "hi", "math")] == ["thinker", "reader"]
    assert [first("auto", EASY), first("auto", HARD)] == ["small", SUCCESSOR]


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
    for _ in range(4_000):
        fields = fields_of(drawn(rng)[1])
        if not fields.hides_letters() and is_plain(fields.raw("messages") + fields.raw("input")):
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


def test_whom_a_key_may_ask_is_looked_at_every_time(verdicts):
    """A plan that was made for somebody else is no way around a key's list."""
    planner = World(verdicts).planner()
    request = parse(
        Endpoint.CHAT, b'{"model": "thinker", "messages": [{"role": "user", "content": "thanks!"}]}'
    )
    for _ in range(2):
        assert planner.plan(request, Asks(), ANYONE, NOW).candidates[0].model == "thinker"
        with pytest.raises(NotAllowed):
            planner.plan(request, Asks(), LIMITED, NOW)


def test_a_plan_under_a_cost_cap_is_nobody_elses(verdicts):
    """What is too dear for one caller is not for the next, and the other way round."""
    planner = World(verdicts).planner()
    request = parse(
        Endpoint.CHAT, b'{"model": "thinker", "messages": [{"role": "user", "content": "thanks!"}]}'
    )
    for cap in (1, 10**12, 1):
        if cap == 1:
            with pytest.raises(BadRequest):
                planner.plan(request, Asks(max_cost_nano=cap), ANYONE, NOW)
        else:
            assert planner.plan(request, Asks(max_cost_nano=cap), ANYONE, NOW).candidates
        assert planner.plan(request, Asks(), ANYONE, NOW).candidates


def test_a_refusal_is_freed(verdicts):
    """With the frames that it was raised through, and so with the request and its client."""
    planner = World(verdicts).planner()

    def refused(model):
        request = parse(Endpoint.CHAT, json.dumps({"model": model, "messages": []}).encode())
        try:
            planner.plan(request, Asks(max_cost_nano=1), ANYONE, NOW)
        except ApiError as refusal:
            return weakref.ref(refusal)
        raise AssertionError(model)

    refusals = [refused(model) for model in ("nobody", "thinker", "auto")]
    gc.collect()
    assert [each() for each in refusals] == [None] * 3


def test_names_that_callers_make_up_fill_no_memory(verdicts):
    """Unknown names, long ones of a fine-tuned model, and fields nobody heard of: what is kept of them stays small."""
    planner = World(verdicts).planner()

    def ask(number):
        names = (
            f"nobody-{number}",
            f"ft:gpt-4.1-mini:{number}",
            f"ft:gpt-4.1-mini:{'long' * 99}-{number}",
            "auto",
        )
        for name in names:
            more = {f"made-up-{number}-{i}": 1 for i in range(30)}
            body = {"model": name, "messages": [{"role": "user", "content": "thanks!"}], **more}
            outcome(planner.plan, parse(Endpoint.CHAT, json.dumps(body).encode()), Asks(), ANYONE, NOW)

    for number in range(500):
        ask(number)
    gc.collect()
    tracemalloc.start()
    for number in range(500, 2_000):
        ask(number)
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 12_000_000


@pytest.mark.parametrize("order", [("high", "none"), ("none", "high")])
def test_the_effort_of_a_response_is_the_one_it_asks_for(verdicts, order):
    """Money goes by it, and a plan that is remembered is that of its effort."""
    planner = World(verdicts).planner()
    for effort in order * 2:
        body = {"model": "gpt-5.4", "input": "hi", "reasoning": {"effort": effort}}
        request = parse(Endpoint.RESPONSES, json.dumps(body).encode())
        (candidate, *_) = planner.plan(request, Asks(), ANYONE, NOW).candidates
        assert (candidate.effort, candidate.reasons) == (effort, effort != "none")
