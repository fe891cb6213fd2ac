"""Who serves a routed request: hard limits, cost caps, latency, unsure verdicts and conversations, without a socket."""

import json

import pytest

from proxy.app.blueprint import Blueprint
from proxy.app.configuration import read_configuration
from proxy.errors import BadRequest, ContextLengthExceeded
from proxy.nouns import Asks, Caller, Endpoint
from proxy.parse import parse
from proxy.planning.candidates import NOTHING_GONE, Yard
from proxy.planning.plan import Planner
from proxy.routing.classifier import Classifier
from proxy.routing.pace import Pace
from proxy.routing.verdicts import Verdicts

NOW = 1_795_000_000.0
ANYONE = Caller("open", "open")
NOTHING = Asks()
CONFIG = """
models:
  small: {family: gpt-4.1, context: 20000, max_output: 4000, usd_per_m: {input: 0.1, cached: 0.01, output: 0.4}, latency: {ttft_s: 0.3, tokens_per_s: 100}, deployments: [{provider: openai}]}
  thinker: {family: o-series, context: 40000, max_output: 10000, usd_per_m: {input: 1, cached: 0.1, output: 4}, latency: {ttft_s: 5, tokens_per_s: 100}, deployments: [{provider: openai}]}
  other: {family: o-series, context: 40000, max_output: 10000, usd_per_m: {input: 0.2, cached: 0.15, output: 0.8}, latency: {ttft_s: 2, tokens_per_s: 100}, deployments: [{provider: openai}]}
providers: {openai: {kind: openai, base_url: "http://127.0.0.1:1/v1", api_key: k}}
routes:
  auto: {default: [small], tasks: {math: [thinker, other], code: [other], translation: [small]}}
  thrifty: {default: [thinker, other, small], prefer: cheapest}
  quick: {default: [thinker, other], max_ttft_ms: 3000}
  capped: {default: [thinker, small], max_cost_usd: 0.005}
aliases: {team: auto}
"""
MATH = "Prove that there are infinitely many primes p such that p = 3 mod 4, and compute the integral of x^2 from 0 to 1."
FRENCH = "Translate to French: good morning, how are you?"


@pytest.fixture(scope="module")
def verdicts():
    return Verdicts(Classifier.load())


@pytest.fixture
def pace():
    return Pace()


@pytest.fixture
def plan(verdicts, pace):
    configuration = read_configuration(Blueprint(text=CONFIG, path="switchyard.yaml"), {})
    yard = Yard(configuration.settings, configuration.catalogue, {}, lambda: NOTHING_GONE)
    planner = Planner(configuration.settings, yard, verdicts, pace)

    def planned(model, messages, asks=NOTHING, now=NOW, **extra):
        messages = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
        request = parse(Endpoint.CHAT, json.dumps({"model": model, "messages": messages, **extra}).encode())
        return planner.consider(request, asks, ANYONE, now)

    return planned


def models(considered):
    return [candidate.model for candidate in considered.plan.candidates]


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


CALL = {
    "role": "assistant",
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "42"}


def test_a_task_has_its_list_in_the_order_written(plan):
    """Route and alias alike."""
    assert models(plan("auto", MATH)) == ["thinker", "other"]
    assert models(plan("team", FRENCH)) == ["small"]


def test_what_does_not_fit_the_window_is_left_out_with_the_reason(plan):
    """A prompt of about 30,000 tokens: the small window is told, the larger ones serve."""
    found = plan("thrifty", "word " * 24_000)
    assert models(found) == ["other", "thinker"]
    assert [look.why for look in found.looks if not look.kept] == [
        "about 30,008 tokens do not fit its window of 20,000"
    ]


def test_the_answer_asked_for_counts_too(plan):
    """Input and output cap share the window."""
    assert "small" in models(plan("thrifty", "word " * 12_800))
    assert "small" not in models(plan("thrifty", "word " * 13_500, max_tokens=4000))


def test_when_nothing_fits_the_refusal_has_openais_words(plan):
    """Clients look for the code and the sentence; the largest window is the one named."""
    refusal = plan("auto", MATH + "word " * 40_000).refusal
    assert isinstance(refusal, ContextLengthExceeded)
    assert (refusal.code, refusal.param) == ("context_length_exceeded", "messages")
    assert refusal.message.startswith(
        "This model's maximum context length is 40000 tokens. However, your messages resulted in "
    )
    assert refusal.message.endswith(" tokens. Please reduce the length of the messages.")


def test_a_pinned_request_for_its_own_model_is_never_too_long(plan):
    """Its provider says that better than our estimate."""
    assert models(plan("small", "word " * 100_000)) == ["small"]


def test_a_tasks_list_that_cannot_take_a_request_gives_way_to_the_default(plan):
    """Nobody on the reasoning side has logprobs, so the default's model serves them rather than drop them."""
    assert models(plan("auto", MATH, logprobs=True)) == ["small"]


def test_logprobs_are_dropped_only_when_nobody_has_them(plan):
    """Two reasoning models and no other: the request is served, and the loss is listed."""
    candidates = plan("quick", MATH, logprobs=True).plan.candidates
    assert [one.model for one in candidates] == ["other", "thinker"]
    assert "logprobs:dropped" in candidates[0].changes


def test_the_callers_cap_drops_dear_candidates_and_names_itself(plan):
    """What may cost more is left out; when that is everybody, the 400 says the cap."""
    assert models(plan("auto", MATH, Asks(max_cost_nano=5_000_000))) == ["other"]
    refusal = plan("auto", MATH, Asks(max_cost_nano=1_000)).refusal
    assert isinstance(refusal, BadRequest)
    assert refusal.param == "x-switchyard-max-cost-usd"
    assert "at most 0.000001 USD" in refusal.message


def test_a_cap_holds_for_pinned_models_too(plan):
    """The same header, the same refusal, also after the same name was planned without it."""
    assert models(plan("thinker", MATH)) == ["thinker"]
    assert plan("thinker", MATH, Asks(max_cost_nano=1_000)).refusal.param == "x-switchyard-max-cost-usd"


def test_a_routes_own_cap_counts_like_the_callers(plan):
    """The lower of both decides."""
    assert models(plan("capped", MATH)) == ["small"]
    assert plan("capped", MATH, Asks(max_cost_nano=1_000)).refusal is not None


def test_cheapest_counts_hidden_thoughts(plan):
    """By what this request is expected to cost, not by the price list alone."""
    assert models(plan("thrifty", FRENCH)) == ["small", "other", "thinker"]


def test_slow_models_are_put_last_and_come_back(plan, pace):
    """By the catalogue's prior, by live figures, and again at the front once a probe was quick."""
    assert models(plan("quick", MATH)) == ["other", "thinker"]
    for _ in range(5):
        pace.note(("openai", "thinker", "medium"), 1.0, NOW)
    assert models(plan("quick", MATH)) == ["thinker", "other"]
    for _ in range(64):
        pace.note(("openai", "thinker", "medium"), 9.0, NOW)
    assert models(plan("quick", MATH)) == ["other", "thinker"]
    assert models(plan("quick", MATH, now=NOW + 61)) == ["thinker", "other"]
    assert models(plan("quick", MATH, now=NOW + 62)) == ["other", "thinker"]
    pace.note(("openai", "thinker", "medium"), 1.0, NOW + 63)
    assert models(plan("quick", MATH, now=NOW + 64)) == ["thinker", "other"]


def test_a_conversation_may_move_up_for_reasoning(plan):
    """The opening was a translation; the question is mathematics, which the fast model does not do well."""
    found = plan("auto", [user(FRENCH), assistant("Bonjour"), user(MATH)])
    assert models(found)[0] == "thinker"
    assert "needs reasoning" in found.lane.why


def test_a_long_conversation_stays_where_its_prefix_is_cached(plan):
    """A cheaper model's own price for reading 12,000 tokens anew is more than it would save."""
    long = [
        user(MATH),
        assistant("x" * 48_000),
        user("Write a Python function that sorts a list of integers."),
    ]
    found = plan("auto", long, max_completion_tokens=20)
    assert found.plan.task == "code"
    assert models(found)[0] == "thinker"
    assert found.plan.candidates[0].reason.value == "sticky"
    assert "stays on thinker rather than other" in found.lane.why


def test_a_short_conversation_moves_when_that_is_cheaper(plan):
    """Nothing is cached of a short prefix, so there is nothing to lose."""
    found = plan("auto", [user(MATH), assistant("Done."), user(FRENCH)])
    assert models(found)[0] == "small"
    assert found.plan.candidates[0].reason.value == "task"
    assert "moves from thinker to small" in found.lane.why


def test_a_tool_loop_ends_where_it_began(plan):
    """Step by step the same model, whatever the results look like."""
    asked = [user("Write a Python function that sorts a list, and check it with the tool."), CALL, RESULT]
    first = models(plan("auto", asked[:1]))[0]
    big = {**RESULT, "content": FRENCH * 20}
    for steps in (asked, [*asked, CALL, big], [*asked, CALL, big, CALL, RESULT]):
        assert models(plan("auto", steps))[0] == first


def test_a_task_the_caller_names_is_not_second_guessed(plan):
    """Neither the classifier nor the conversation has a say."""
    found = plan("auto", [user(MATH), assistant("x" * 48_000), user(MATH)], Asks(task="translation"))
    assert models(found) == ["small"]
    assert found.plan.candidates[0].reason.value == "caller"
    with pytest.raises(BadRequest, match="x-switchyard-task must be one of"):
        plan("auto", MATH, Asks(task="poetry"))


def test_the_same_request_has_the_same_plan(plan):
    """No randomness: fifty times the same, conversations included."""
    long = [user(MATH), assistant("x" * 5_000), user(FRENCH)]
    assert len({(*models(plan("auto", long)), plan("auto", long).lane.why) for _ in range(50)}) == 1
