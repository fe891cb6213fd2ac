"""What a migration does to plans: the caller's side first, the old model behind the new one, everybody on the last day."""

import json
from dataclasses import replace

import pytest

from proxy.app.blueprint import Blueprint
from proxy.app.configuration import read_configuration
from proxy.errors import BadRequest
from proxy.migration.state import Event, moved
from proxy.nouns import Asks, Caller, Endpoint, Reason
from proxy.parse import parse
from proxy.planning.candidates import NOTHING_GONE, Yard
from proxy.planning.plan import Planner
from proxy.planning.roadworks import roads_of
from proxy.routing.classifier import Classifier
from proxy.routing.pace import Pace
from proxy.routing.verdicts import Verdicts

NOW = 1_795_000_000.0
AFTER = 1_800_000_000.0
MODELS = """
models:
  old: {family: gpt-4.1, context: 20000, max_output: 4000, usd_per_m: {input: 0.1, cached: 0.01, output: 0.4}, shutdown: 2027-01-01, deployments: [{provider: openai}], successors: {chain: [heir], source: here}}
  new: {family: gpt-5.6, context: 10000, max_output: 4000, usd_per_m: {input: 0.12, cached: 0.01, output: 0.4}, deployments: [{provider: openai}, {provider: spare}]}
  heir: {family: gpt-4.1, context: 40000, max_output: 4000, usd_per_m: {input: 0.1, cached: 0.01, output: 0.4}, deployments: [{provider: openai}]}
providers: {openai: {kind: openai, base_url: "http://127.0.0.1:1/v1", api_key: k}, spare: {kind: openai, base_url: "http://127.0.0.1:2/v1", api_key: k}}
"""
ROUTES = "routes: {auto: {default: [old, heir]}, thrifty: {default: [old], prefer: cheapest}}\naliases: {team: old}\n"
CALLER = Caller("web", "web")


@pytest.fixture(scope="module")
def verdicts():
    return Verdicts(Classifier.load())


class Plans:
    """Plans for one configuration whose migration stands where the test says."""

    def __init__(self, verdicts, *events, migration="", lifecycle=""):
        text = (
            f"{MODELS}{ROUTES}{lifecycle}\n"
            f"migrations: [{{name: leave, from: old, to: new@low, stages: [50, 100]{migration}}}]"
        )
        configuration = read_configuration(Blueprint(text=text, path="switchyard.yaml"), {})
        settings, catalogue = configuration.settings, configuration.catalogue
        roads = roads_of(settings, catalogue, {})
        state = roads["old"].state
        for event in events:
            state = moved(state, event, now=NOW, who="", why="")
        self.roads = {"old": replace(roads["old"], state=state)}
        yard = Yard(settings, catalogue, {}, lambda: NOTHING_GONE, self.roads)
        self.planner = Planner(settings, yard, verdicts, Pace())

    def considered(self, user="", model="old", now=NOW, caller=CALLER, asks=None, begun=None, **extra):
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "user": user, **extra}
        asks = asks or Asks()
        request = parse(Endpoint.CHAT, json.dumps(body).encode(), asks.session)
        return self.planner.consider(request, asks, caller, now, begun or {})

    def plan(self, *args, **more):
        considered = self.considered(*args, **more)
        if considered.refusal is not None:
            raise considered.refusal
        return [(each.model, each.provider) for each in considered.plan.candidates]

    def first(self, *args, **more):
        return self.considered(*args, **more).plan.candidates[0]

    def side(self, side):
        """A user on this side."""
        for i in range(1_000):
            fork = self.first(f"u{i}")
            if fork.arm is not None and fork.arm.side == side:
                return f"u{i}"
        raise AssertionError("nobody is")


NEW = [("new", "openai"), ("new", "spare")]
OLD = [("old", "openai")]


def in_any_order(found):
    return [*sorted(found[:2]), *found[2:]]


def test_the_new_side_has_the_old_model_behind_it_and_the_old_side_is_left_alone(verdicts):
    """Only what the migration decided is measured: not the fallback."""
    plans = Plans(verdicts, Event.START)
    new = plans.considered(plans.side("new")).plan.candidates
    assert in_any_order([(each.model, each.provider) for each in new]) == NEW + OLD
    assert [each.reason for each in new] == [Reason.MIGRATION, Reason.MIGRATION, Reason.PINNED]
    assert [each.arm.side if each.arm else None for each in new] == ["new", "new", None]
    old = plans.considered(plans.side("old")).plan.candidates
    assert [(each.model, each.reason, each.arm.side) for each in old] == [("old", Reason.PINNED, "old")]


def test_the_targets_effort_counts_only_where_the_caller_sent_none(verdicts):
    """As on a successor; what somebody wrote with the old name stays with the new one."""
    plans = Plans(verdicts, Event.START)
    user = plans.side("new")
    assert plans.first(user).effort == "low"
    assert plans.first(user, reasoning_effort="high").effort == "high"
    assert plans.first(user, model="old@medium").effort == "medium"


def test_a_migration_rewrites_after_aliases_and_on_routes(verdicts):
    """Whatever name led to the old model; the rest of a route stands before the old model, which is only for failures."""
    plans = Plans(verdicts, Event.START)
    user = plans.side("new")
    assert in_any_order(plans.plan(user, model="team")) == NEW + OLD
    assert in_any_order(plans.plan(user, model="auto")) == [*NEW, ("heir", "openai"), *OLD]


def test_a_route_that_prefers_the_cheapest_does_not_undo_a_migration(verdicts):
    """The new model costs a little more; the old one still comes behind it."""
    plans = Plans(verdicts, Event.START)
    assert in_any_order(plans.plan(plans.side("new"), model="thrifty")) == NEW + OLD


def test_a_request_the_new_model_cannot_take_stays_and_is_measured_on_neither_side(verdicts):
    """Too long for the new window: the sides must be alike in what they are asked."""
    plans = Plans(verdicts, Event.START)
    long = {"messages": [{"role": "user", "content": "word " * 12_000}]}
    for side in ("new", "old"):
        first = plans.first(plans.side(side), **long)
        assert (first.model, first.arm) == ("old", None)


def test_a_cost_cap_holds_for_the_old_model_too(verdicts):
    """What may cost more than the caller allows is no fallback either."""
    plans = Plans(verdicts, Event.START)
    user = plans.side("new")
    with pytest.raises(BadRequest, match="can take this request for at most"):
        plans.plan(user, asks=Asks(max_cost_nano=1), max_completion_tokens=100)
    plenty = Asks(max_cost_nano=10**9)
    assert in_any_order(plans.plan(user, asks=plenty, max_completion_tokens=100)) == NEW + OLD


@pytest.mark.parametrize(
    "events",
    [(), (Event.START,), (Event.START, Event.PAUSE), (Event.START, Event.ROLLBACK), (Event.DEADLINE,)],
    ids=["waiting", "half", "paused", "rolled back", "finished"],
)
def test_on_the_old_models_last_day_everybody_is_on_the_new_one_whatever_the_stage(verdicts, events):
    """Then the successor chain; nothing is measured, there is only one side."""
    plans = Plans(verdicts, *events)
    for user in ("a", "b", "c", "d"):
        found = plans.considered(user, now=AFTER).plan.candidates
        assert in_any_order([(each.model, each.provider) for each in found]) == [*NEW, ("heir", "openai")]
        assert {each.arm for each in found} == {None}
        assert found[0].reason is Reason.MIGRATION


def test_a_tool_loop_stays_where_it_began(verdicts):
    """Whatever the user's side is now."""
    plans = Plans(verdicts, Event.START)
    assert plans.plan(plans.side("new"), begun={"leave": "old"}) == OLD
    assert in_any_order(plans.plan(plans.side("old"), begun={"leave": "new"})) == NEW + OLD


def test_a_rolled_back_migration_costs_nothing_once_its_loops_are_over(verdicts):
    """An hour later plans are remembered again, as without migrations."""
    plans = Plans(verdicts, Event.START, Event.ROLLBACK)
    assert plans.plan("anybody") == OLD
    request = parse(Endpoint.CHAT, b'{"model":"old","messages":[{"role":"user","content":"hello"}]}')
    later = NOW + 3_601
    first = plans.planner.plan(request, Asks(), CALLER, later)
    assert plans.planner.plan(request, Asks(), CALLER, later) is first


def test_a_remembered_plan_never_hides_a_side(verdicts):
    """Two users of one key that ask for the same name get their own sides, again and again."""
    plans = Plans(verdicts, Event.START)
    users = {side: plans.side(side) for side in ("old", "new")}
    for _ in range(3):
        for side, user in users.items():
            body = {"model": "old", "messages": [{"role": "user", "content": "hello"}], "user": user}
            request = parse(Endpoint.CHAT, json.dumps(body).encode())
            assert plans.planner.plan(request, Asks(), CALLER, NOW).candidates[0].model == side


def test_pinned_and_excluded_keys(verdicts):
    """By key, whoever the user is."""
    plans = Plans(verdicts, Event.START, migration=", pins: {bot: to, shy: from}, exclude: [batch]")
    for i in range(20):
        assert in_any_order(plans.plan(f"u{i}", caller=Caller("bot", "bot"))) == NEW + OLD
        assert plans.plan(f"u{i}", caller=Caller("shy", "shy")) == OLD
        assert plans.plan(f"u{i}", caller=Caller("batch", "batch")) == OLD


def test_a_conversation_without_a_user_stays_on_its_side_as_it_grows(verdicts):
    """Its first question decides, so every later turn has the side of the first."""
    plans = Plans(verdicts, Event.START)
    sides = set()
    for i in range(40):
        turns = [{"role": "user", "content": f"question {i}"}]
        first = plans.first(messages=turns).model
        sides.add(first)
        for turn in range(3):
            turns += [
                {"role": "assistant", "content": f"answer {turn}"},
                {"role": "user", "content": "and then?"},
            ]
            assert plans.first(messages=turns).model == first
    assert sides == {"old", "new"}


@pytest.mark.parametrize("sticky", ["user", "conversation"])
def test_a_conversation_that_its_caller_names_stays_on_its_side_whatever_is_left_of_it(verdicts, sticky):
    """As where an app shortens what it sends; the same name under another key is another conversation."""
    plans = Plans(verdicts, Event.START, migration=f", sticky: {sticky}")
    sides, elsewhere = [], []
    for i in range(40):
        for turn in range(3):
            turns = [{"role": "user", "content": f"what is left of {i} after turn {turn}"}]
            asked = {"messages": turns, "asks": Asks(session=f"talk-{i}")}
            sides.append(plans.first(**asked).model)
            elsewhere.append(plans.first(**asked, caller=Caller("app", "app")).model)
    assert sides[::3] == sides[1::3] == sides[2::3]
    assert set(sides) == {"old", "new"}
    assert elsewhere[::3] == elsewhere[1::3] != sides[::3]


def test_a_user_stays_on_a_side_through_all_conversations(verdicts):
    """Named or not, where users are what stays; where conversations are, they go their own ways."""
    for sticky, sides in (("user", 1), ("conversation", 2)):
        plans = Plans(verdicts, Event.START, migration=f", sticky: {sticky}")
        seen = {plans.first("ann", asks=Asks(session=f"talk-{i}")).model for i in range(20)}
        assert len(seen) == sides


def test_a_conversation_that_its_caller_names_stays_with_its_deployment(verdicts):
    """Its prompt cache is there; other conversations go elsewhere."""
    plans = Plans(verdicts)
    seen = {}
    for i in range(40):
        for turn in range(3):
            turns = [{"role": "user", "content": f"what is left of {i} after turn {turn}"}]
            found = plans.first(model="new", messages=turns, asks=Asks(session=f"talk-{i}"))
            assert seen.setdefault(i, found.provider) == found.provider
    assert set(seen.values()) == {"openai", "spare"}


def test_each_look_says_which_way_and_why(verdicts):
    """For `explain`: the share, the bucket, the fallback, the last day."""
    plans = Plans(verdicts, Event.START)
    looks = plans.considered(plans.side("new")).looks
    assert "leave, running: bucket" in looks[0].why
    assert looks[-1].why == "should the new model fail"
    assert "old has ended, so everybody is on the new model" in plans.considered("u1", now=AFTER).looks[0].why
